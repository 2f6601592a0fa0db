import { SegmentedControl, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { useTexts } from "../../app/language";
import { Icon } from "../../components/Icon";
import classes from "./landing.module.css";
import { INSTRUMENTAL, VOCALS } from "./peaks";
import { PARTS, type Part, Sample } from "./sample";

const [WIDTH, HEIGHT] = [600, 260];
const MIDDLE = HEIGHT / 2;
const STEP = WIDTH / VOCALS.length;

/** A stroke for each part of the song: the voice above the middle, the rest of the song below. */
function strokes(peaks: readonly number[], direction: 1 | -1): string {
  const reach = MIDDLE - 8;
  return peaks
    .map((peak, index) => {
      const x = ((index + 0.5) * STEP).toFixed(1);
      const length = Math.max(1, (peak / 100) * reach).toFixed(1);
      return `M${x} ${MIDDLE + direction * 3}v${direction === 1 ? length : `-${length}`}`;
    })
    .join("");
}

const VOICE = strokes(VOCALS, -1);
const BAND = strokes(INSTRUMENTAL, 1);

/** The sample song: played, and flipped between itself and its two stems while it goes on. */
export function Player() {
  const { landing: words } = useTexts();
  const [part, setPart] = useState<Part>("mixture");
  const [state, setState] = useState<"still" | "loading" | "playing" | "failed">("still");
  const sample = useRef<Sample | null>(null);
  const wave = useRef<HTMLDivElement>(null);
  const chosen = useRef<Part>("mixture");
  const gone = useRef(false);

  useEffect(() => {
    gone.current = false;
    return () => {
      gone.current = true;
      sample.current?.close();
      sample.current = null;
    };
  }, []);

  useEffect(() => {
    if (state !== "playing") return;
    let frame = 0;
    const draw = () => {
      wave.current?.style.setProperty("--at", String(sample.current?.position ?? 0));
      frame = requestAnimationFrame(draw);
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, [state]);

  async function toggle() {
    if (state === "playing") {
      sample.current?.pause();
      setState("still");
      return;
    }
    if (sample.current !== null) {
      sample.current.resume();
      setState("playing");
      return;
    }
    setState("loading");
    try {
      const opened = await Sample.play(chosen.current);
      if (gone.current) return opened.close();
      // Somebody may have chosen another part meanwhile.
      opened.hear(chosen.current);
      sample.current = opened;
      setState("playing");
    } catch {
      setState("failed");
    }
  }

  function hear(next: Part) {
    chosen.current = next;
    setPart(next);
    sample.current?.hear(next);
  }

  const name = state === "playing" ? words.pause : words.play;
  return (
    <section className={classes.player} aria-label={words.player}>
      <div ref={wave} className={classes.wave} data-part={part} dir="ltr">
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          <path d={VOICE} className={classes.vocals} />
          <path d={BAND} className={classes.instrumental} />
        </svg>
      </div>
      <div className={classes.controls}>
        <button
          type="button"
          className={classes.play}
          aria-label={name}
          title={name}
          disabled={state === "loading"}
          onClick={() => void toggle()}
        >
          <Icon name={state === "playing" ? "pause" : "play"} size={26} />
        </button>
        <SegmentedControl
          className={classes.parts}
          size="xs"
          aria-label={words.hear}
          value={part}
          onChange={(value) => hear(value as Part)}
          data={PARTS.map((value) => ({ value, label: words.parts[value] }))}
        />
      </div>
      <Text size="sm" c="dimmed" role="status">
        {state === "failed" ? words.silent : words.sample}
      </Text>
    </section>
  );
}
