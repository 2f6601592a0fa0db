import { useCallback, useRef } from "react";
import type { Mixer } from "../../../mixer/mixer";
import type { View } from "../../../mixer/view";
import classes from "./mixer.module.css";
import { usePosition } from "./useMixer";

/** Where the song stands; what is still to come lies under a veil. `width`: of the view, in pixels. */
export function Playhead({ mixer, view, width }: { mixer: Mixer; view: View; width: number }) {
  const veil = useRef<HTMLDivElement>(null);
  const place = useCallback(
    (position: number) => {
      if (veil.current === null) return;
      const part = Math.min(1, Math.max(0, (position - view.start) / (view.end - view.start)));
      veil.current.style.transform = `translateX(${part * width}px)`;
      veil.current.dataset.here = String(position >= view.start && position <= view.end);
    },
    [view, width],
  );
  usePosition(mixer, place);
  return <div ref={veil} className={classes.veil} />;
}
