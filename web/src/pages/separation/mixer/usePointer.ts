import { type PointerEvent, useEffect, useRef } from "react";
import type { Region } from "../../../mixer/mixer";
import type { View } from "../../../mixer/view";

/** A pointer that moved less has pressed, not drawn. */
const DRAG_PIXELS = 5;
/** One that rests somewhere this long is about to press. */
const REST_MILLISECONDS = 100;

/** Handlers for a waveform: a press leads there, a drag marks what it passes over. Where it will lead is told before. */
export function usePointer(
  view: View,
  seek: (seconds: number) => void,
  foresee: (seconds: number) => void,
  mark?: (region: Region) => void,
) {
  const from = useRef<{ x: number; seconds: number; dragging: boolean } | null>(null);
  const rest = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(rest.current), []);

  function secondsAt(event: PointerEvent<HTMLElement>): number {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const part = Math.min(1, Math.max(0, (event.clientX - left) / width));
    return view.start + part * (view.end - view.start);
  }

  return {
    onPointerDown(event: PointerEvent<HTMLElement>) {
      if (event.button !== 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      clearTimeout(rest.current);
      from.current = { x: event.clientX, seconds: secondsAt(event), dragging: false };
      foresee(from.current.seconds);
    },
    onPointerMove(event: PointerEvent<HTMLElement>) {
      const begun = from.current;
      if (begun === null) {
        const seconds = secondsAt(event);
        clearTimeout(rest.current);
        rest.current = setTimeout(() => foresee(seconds), REST_MILLISECONDS);
        return;
      }
      if (mark === undefined) return;
      if (Math.abs(event.clientX - begun.x) >= DRAG_PIXELS) begun.dragging = true;
      const now = secondsAt(event);
      if (begun.dragging) mark({ start: Math.min(begun.seconds, now), end: Math.max(begun.seconds, now) });
    },
    onPointerUp(event: PointerEvent<HTMLElement>) {
      const begun = from.current;
      from.current = null;
      if (begun !== null && !begun.dragging) seek(secondsAt(event));
    },
    onPointerCancel() {
      from.current = null;
    },
    onPointerLeave() {
      clearTimeout(rest.current);
    },
  };
}
