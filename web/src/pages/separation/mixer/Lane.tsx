import type { Mixer } from "../../../mixer/mixer";
import type { Peaks } from "../../../mixer/peaks";
import type { View } from "../../../mixer/view";
import classes from "./mixer.module.css";
import { usePointer } from "./usePointer";
import type { Marked } from "./useRegion";
import { Wave } from "./Wave";

interface Props {
  mixer: Mixer;
  stem: string;
  view: View;
  peaks: Peaks | undefined;
  magnified: number;
  color: string;
  heard: boolean;
  marked: Marked;
  seek: (seconds: number) => void;
}

/** A stem's waveform, where the region is marked too. */
export function Lane({ mixer, stem, view, peaks, magnified, color, heard, marked, seek }: Props) {
  const pointer = usePointer(view, seek, marked.mark);
  const span = view.end - view.start;
  const { region } = marked;
  const start = region === null ? 0 : Math.max(region.start, view.start);
  const end = region === null ? 0 : Math.min(region.end, view.end);
  return (
    <div className={classes.lane} data-heard={heard} {...pointer}>
      <Wave mixer={mixer} track={stem} view={view} peaks={peaks} magnified={magnified} color={color} />
      {end > start ? (
        <div
          className={classes.region}
          data-looping={marked.looping}
          style={{
            left: `${(100 * (start - view.start)) / span}%`,
            width: `${(100 * (end - start)) / span}%`,
          }}
        />
      ) : null}
    </div>
  );
}
