import { useCallback, useEffect, useRef, useState } from "react";
import { type Mixer, type Region, SHORTEST_LOOP_SECONDS } from "../../../mixer/mixer";

/** A marked part of the song, and whether it repeats. */
export interface Marked {
  readonly region: Region | null;
  readonly looping: boolean;
  mark: (region: Region | null) => void;
  toggleLoop: () => void;
}

/** Without a region, the one that repeats begins where the song stands. */
const NEW_REGION_SECONDS = 8;

/** The region, or the whole song where there is none, from `start` on; never shorter than what can repeat. */
export function startingAt(start: number, region: Region | null, duration: number): Region {
  const from = Math.max(0, Math.min(start, duration - SHORTEST_LOOP_SECONDS));
  return { start: from, end: Math.max(region?.end ?? duration, from + SHORTEST_LOOP_SECONDS) };
}

/** The region, or the whole song where there is none, up to `end`; never shorter than what can repeat. */
export function endingAt(end: number, region: Region | null, duration: number): Region {
  const to = Math.min(duration, Math.max(end, SHORTEST_LOOP_SECONDS));
  return { start: Math.max(0, Math.min(region?.start ?? 0, to - SHORTEST_LOOP_SECONDS)), end: to };
}

/** `given`: what was marked at another visit; it is marked again where nothing has been by then. */
export function useRegion(
  mixer: Mixer,
  looping: boolean,
  duration: number,
  given: Region | null,
  onMark: ((region: Region | null) => void) | undefined,
): Marked {
  const [region, setRegion] = useState<Region | null>(null);
  const touched = useRef(false);
  const keep = useCallback(
    (next: Region | null) => {
      touched.current = true;
      setRegion(next);
      onMark?.(next);
    },
    [onMark],
  );
  useEffect(() => {
    if (given !== null && !touched.current) keep(given);
  }, [given, keep]);
  const mark = useCallback(
    (next: Region | null) => {
      keep(next);
      if (looping) mixer.setLoop(next);
    },
    [mixer, looping, keep],
  );
  const toggleLoop = useCallback(() => {
    if (looping) return mixer.setLoop(null);
    const start = Math.min(mixer.position(), Math.max(0, duration - NEW_REGION_SECONDS));
    const repeated = region ?? { start, end: Math.min(duration, start + NEW_REGION_SECONDS) };
    keep(repeated);
    mixer.setLoop(repeated);
  }, [mixer, looping, region, duration, keep]);
  return { region, looping, mark, toggleLoop };
}
