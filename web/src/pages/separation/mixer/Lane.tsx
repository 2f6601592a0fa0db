import type { Mixer } from "../../../mixer/mixer";
import type { Peaks } from "../../../mixer/peaks";
import type { View } from "../../../mixer/view";
import classes from "./mixer.module.css";
import { Spectrum } from "./Spectrum";
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
  /** The spectrogram is shown in place of the waveform. */
  spectral: boolean;
  marked: Marked;
  seek: (seconds: number) => void;
}

/** A stem's waveform or spectrogram, where the region is marked too. */
export function Lane({ mixer, stem, view, peaks, magnified, color, heard, spectral, marked, seek }: Props) {
  const pointer = usePointer(view, seek, (seconds) => mixer.foresee(seconds), marked.mark);
  const span = view.end - view.start;
  const { region } = marked;
  const start = region === null ? 0 : Math.max(region.start, view.start);
  const end = region === null ? 0 : Math.min(region.end, view.end);
  return (
    <div className={classes.lane} data-heard={heard} {...pointer}>
      {spectral ? (
        <Spectrum mixer={mixer} track={stem} view={view} color={color} />
      ) : (
        <Wave mixer={mixer} track={stem} view={view} peaks={peaks} magnified={magnified} color={color} />
      )}
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
