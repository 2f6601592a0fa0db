import { useCallback, useEffect, useState } from "react";
import type { Mixer } from "../../../mixer/mixer";
import { WIDEST_SECONDS } from "../../../mixer/spectrograms";
import { moved, type View, zoomed } from "../../../mixer/view";

/** What the view is narrowed to where it is too wide for spectrograms. */
const NARROWED_SECONDS = 30;

/** Spectrograms in place of waveforms: whether they are wanted, and whether the view is narrow enough for them. */
export function useSpectral(mixer: Mixer, view: View, duration: number, setView: (view: View) => void) {
  const [wanted, setWanted] = useState(false);
  const narrow = view.end - view.start <= WIDEST_SECONDS;
  const shown = wanted && narrow;
  useEffect(() => {
    if (!shown) return;
    const last = Math.ceil(view.end / mixer.segmentSeconds) - 1;
    mixer.spectrograms.want(mixer.stems, Math.floor(view.start / mixer.segmentSeconds), last);
  }, [mixer, shown, view]);
  const toggle = useCallback(() => {
    setWanted(!wanted);
    if (wanted || narrow) return;
    const position = mixer.position();
    const near = zoomed(view, (view.end - view.start) / NARROWED_SECONDS, position, duration);
    // A little of what has been heard, most of what comes.
    setView(moved(near, position - NARROWED_SECONDS / 10 - near.start, duration));
  }, [mixer, wanted, narrow, view, duration, setView]);
  return { wanted, shown, toggle };
}
