import { SegmentedControl } from "@mantine/core";
import { useCallback, useRef } from "react";
import { useLanguage } from "../../../app/language";
import { Icon } from "../../../components/Icon";
import type { Mixer } from "../../../mixer/mixer";
import classes from "./mixer.module.css";
import { Volume } from "./StripControls";
import { Toggle } from "./Toggle";
import { useMixerState, usePosition } from "./useMixer";
import type { Marked } from "./useRegion";

interface Props {
  mixer: Mixer;
  duration: number;
  marked: Marked;
  zoom: (factor: number) => void;
}

/** Play, time, region, nearness, mix or original, master. */
export function TransportBar({ mixer, duration, marked, zoom }: Props) {
  const { texts, formats } = useLanguage();
  const words = texts.mixer;
  const { transport, comparing, masterDb } = useMixerState(mixer);
  const time = useRef<HTMLSpanElement>(null);
  const tell = useCallback(
    (position: number) => {
      const text = formats.duration(Math.floor(position));
      if (time.current && time.current.textContent !== text) time.current.textContent = text;
    },
    [formats],
  );
  usePosition(mixer, tell);
  const active = transport === "playing" || transport === "waiting";
  const name = active ? words.pause : words.play;
  return (
    <div className={classes.bar}>
      <button
        type="button"
        className={classes.play}
        aria-label={name}
        title={name}
        data-waiting={transport === "waiting"}
        onClick={() => void mixer.toggle()}
      >
        <Icon name={active ? "pause" : "play"} size={26} />
      </button>
      <div className={classes.time} dir="ltr">
        <span ref={time} />
        <span className={classes.of}>{formats.duration(duration)}</span>
      </div>
      <div className={classes.tools}>
        <Toggle on={marked.looping} name={words.loop} onClick={marked.toggleLoop}>
          <Icon name="loop" />
        </Toggle>
        {marked.region ? (
          <Toggle on={false} name={words.unmark} onClick={() => marked.mark(null)}>
            <Icon name="close" />
          </Toggle>
        ) : null}
        <button
          type="button"
          className={classes.tool}
          aria-label={words.zoomOut}
          title={words.zoomOut}
          onClick={() => zoom(0.5)}
        >
          <Icon name="minus" />
        </button>
        <button
          type="button"
          className={classes.tool}
          aria-label={words.zoomIn}
          title={words.zoomIn}
          onClick={() => zoom(2)}
        >
          <Icon name="plus" />
        </button>
      </div>
      {mixer.hasOriginal ? (
        <SegmentedControl
          className={classes.compare}
          aria-label={words.listenTo}
          value={comparing ? "original" : "mix"}
          onChange={(value) => mixer.compare(value === "original")}
          data={[
            { value: "mix", label: words.mix },
            { value: "original", label: words.original },
          ]}
        />
      ) : null}
      <div className={classes.master}>
        <Volume
          name={words.master}
          label={words.masterShort}
          gainDb={masterDb}
          color="--mantine-color-text"
          change={(gainDb) => mixer.setMaster(gainDb)}
        />
      </div>
    </div>
  );
}
