import { useCallback, useState } from "react";
import type { Mixer, Region } from "../../../mixer/mixer";

/** A marked part of the song, and whether it repeats. */
export interface Marked {
  readonly region: Region | null;
  readonly looping: boolean;
  mark: (region: Region | null) => void;
  toggleLoop: () => void;
}

/** Without a region, the one that repeats begins where the song stands. */
const NEW_REGION_SECONDS = 8;

export function useRegion(
  mixer: Mixer,
  looping: boolean,
  duration: number,
  onMark: ((region: Region | null) => void) | undefined,
): Marked {
  const [region, setRegion] = useState<Region | null>(null);
  const keep = useCallback(
    (next: Region | null) => {
      setRegion(next);
      onMark?.(next);
    },
    [onMark],
  );
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
