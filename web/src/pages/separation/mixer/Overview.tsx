import { type KeyboardEvent, useCallback, useRef } from "react";
import { useLanguage } from "../../../app/language";
import type { Mixer } from "../../../mixer/mixer";
import { ORIGINAL } from "../../../mixer/mixer";
import type { Peaks } from "../../../mixer/peaks";
import { type View, whole } from "../../../mixer/view";
import classes from "./mixer.module.css";
import { useMixerState, usePosition } from "./useMixer";
import { usePointer } from "./usePointer";
import { Wave } from "./Wave";

const PAGE_SECONDS = 30;

interface Props {
  mixer: Mixer;
  duration: number;
  view: View;
  peaks: Peaks | undefined;
  magnified: number;
  seek: (seconds: number) => void;
}

/** The whole song as one slider. */
export function Overview({ mixer, duration, view, peaks, magnified, seek }: Props) {
  const { texts, formats } = useLanguage();
  const { playableSeconds } = useMixerState(mixer);
  const slider = useRef<HTMLDivElement>(null);
  const all = whole(duration);
  const pointer = usePointer(all, seek, (seconds) => mixer.foresee(seconds));

  const tell = useCallback(
    (position: number) => {
      const now = String(Math.floor(position));
      if (slider.current === null || slider.current.getAttribute("aria-valuenow") === now) return;
      slider.current.setAttribute("aria-valuenow", now);
      const text = texts.mixer.positionOf(formats.duration(Math.floor(position)), formats.duration(duration));
      slider.current.setAttribute("aria-valuetext", text);
    },
    [texts, formats, duration],
  );
  usePosition(mixer, tell);

  // The arrows are for the whole page, see `useShortcuts`.
  function onKeyDown(event: KeyboardEvent) {
    const by = { PageUp: PAGE_SECONDS, PageDown: -PAGE_SECONDS, ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    seek(mixer.position() + by);
  }

  const percent = (seconds: number) => `${(100 * seconds) / duration}%`;
  const zoomed = view.end - view.start < duration * 0.999;
  return (
    <div
      ref={slider}
      className={classes.overview}
      role="slider"
      tabIndex={0}
      aria-label={texts.mixer.position}
      aria-valuemin={0}
      aria-valuemax={Math.floor(duration)}
      aria-valuenow={0}
      onKeyDown={onKeyDown}
      {...pointer}
    >
      <Wave mixer={mixer} track={ORIGINAL} view={all} peaks={peaks} magnified={magnified} color="--quiet" />
      <div className={classes.missing} style={{ left: percent(Math.min(playableSeconds, duration)) }} />
      {zoomed ? (
        <div
          className={classes.window}
          style={{ left: percent(view.start), width: percent(view.end - view.start) }}
        />
      ) : null}
    </div>
  );
}
