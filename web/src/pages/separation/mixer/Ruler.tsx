import { useElementSize } from "@mantine/hooks";
import { type KeyboardEvent, useCallback, useRef } from "react";
import { useLanguage } from "../../../app/language";
import { type Mixer, type Region, SHORTEST_LOOP_SECONDS } from "../../../mixer/mixer";
import { markSeconds, type View } from "../../../mixer/view";
import classes from "./mixer.module.css";
import { usePosition } from "./useMixer";
import { usePointer } from "./usePointer";
import type { Marked } from "./useRegion";

interface Props {
  mixer: Mixer;
  view: View;
  duration: number;
  marked: Marked;
  seek: (seconds: number) => void;
}

const MARK_PIXELS = 72;
/** A time is not written where it would not fit before the end. */
const TEXT_PIXELS = 40;

/** Times above the stems, and the ends of the region, which can be moved. */
export function Ruler({ mixer, view, duration, marked, seek }: Props) {
  const { texts, formats } = useLanguage();
  const { ref, width } = useElementSize<HTMLDivElement>();
  const pointer = usePointer(view, seek, (seconds) => mixer.foresee(seconds), marked.mark);
  const step = markSeconds(view, width, MARK_PIXELS);
  const marks: number[] = [];
  const last = view.end - (TEXT_PIXELS * (view.end - view.start)) / Math.max(width, TEXT_PIXELS);
  for (let mark = Math.ceil(view.start / step); mark * step < last; mark++) marks.push(mark * step);
  const left = (seconds: number) => `${(100 * (seconds - view.start)) / (view.end - view.start)}%`;
  const { region } = marked;
  const head = useRef<HTMLDivElement>(null);
  const place = useCallback(
    (position: number) => {
      if (head.current === null) return;
      const part = (position - view.start) / (view.end - view.start);
      head.current.style.transform = `translateX(${part * width}px)`;
      head.current.hidden = part < 0 || part > 1;
    },
    [view, width],
  );
  usePosition(mixer, place);

  function edge(name: string, seconds: number, moveTo: (seconds: number) => Region) {
    if (seconds < view.start || seconds > view.end) return null;
    const move = (to: number) => marked.mark(moveTo(Math.min(duration, Math.max(0, to))));
    return (
      <div
        className={classes.edge}
        style={{ left: left(seconds) }}
        role="slider"
        tabIndex={0}
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={Math.floor(duration)}
        aria-valuenow={Math.round(seconds * 100) / 100}
        aria-valuetext={formats.duration(seconds)}
        onPointerDown={(event) => {
          event.stopPropagation();
          event.currentTarget.setPointerCapture(event.pointerId);
        }}
        onPointerMove={(event) => {
          event.stopPropagation();
          const line = event.currentTarget.parentElement?.getBoundingClientRect();
          if (line === undefined || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
          move(view.start + ((event.clientX - line.left) / line.width) * (view.end - view.start));
        }}
        onPointerUp={(event) => event.stopPropagation()}
        onKeyDown={(event: KeyboardEvent) => {
          const by = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1 }[event.key];
          if (by === undefined) return;
          event.preventDefault();
          event.stopPropagation();
          move(seconds + by * (event.shiftKey ? 1 : 0.1));
        }}
      />
    );
  }

  return (
    <div ref={ref} className={classes.ruler} {...pointer}>
      {marks.map((mark) => (
        <span key={mark} className={classes.mark} style={{ left: left(mark) }} aria-hidden="true">
          {step < 1 ? formats.number(Math.round(mark * 1000) / 1000) : formats.duration(mark)}
        </span>
      ))}
      <div ref={head} className={classes.head} />
      {region
        ? [
            edge(texts.mixer.regionStart, region.start, (start) => ({
              start: Math.min(start, region.end - SHORTEST_LOOP_SECONDS),
              end: region.end,
            })),
            edge(texts.mixer.regionEnd, region.end, (end) => ({
              start: region.start,
              end: Math.max(end, region.start + SHORTEST_LOOP_SECONDS),
            })),
          ].map((one, i) => <span key={i === 0 ? "start" : "end"}>{one}</span>)
        : null}
    </div>
  );
}
