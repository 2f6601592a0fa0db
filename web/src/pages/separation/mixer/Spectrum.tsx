import { useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import type { Mixer } from "../../../mixer/mixer";
import { COLUMNS_PER_SECOND, ROWS, type Spectrogram } from "../../../mixer/spectrum";
import type { View } from "../../../mixer/view";
import classes from "./mixer.module.css";
import { Playhead } from "./Playhead";
import { useMixerState } from "./useMixer";

interface Props {
  mixer: Mixer;
  track: string;
  view: View;
  /** A colour of the theme, as a variable. */
  color: string;
}

/** One track's spectrogram, as far as it has been made; for the eye alone. */
export function Spectrum({ mixer, track, view, color }: Props) {
  const scheme = useComputedColorScheme("light");
  const { ref, width, height } = useElementSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const { spectrograms } = useMixerState(mixer);

  // biome-ignore lint/correctness/useExhaustiveDependencies: drawn anew when one more was made, or the theme's colours change.
  useEffect(() => {
    const surface = canvas.current;
    const context = surface?.getContext("2d");
    if (!surface || !context || width === 0) return;
    const scale = window.devicePixelRatio || 1;
    surface.width = Math.round(width * scale);
    surface.height = Math.round(height * scale);
    const pixelsPerSecond = surface.width / (view.end - view.start);
    const { segmentSeconds } = mixer;
    const drawn = { color: getComputedStyle(surface).color, height: surface.height, context };
    for (
      let segment = Math.floor(view.start / segmentSeconds);
      segment * segmentSeconds < view.end;
      segment++
    ) {
      const made = mixer.spectrograms.get(track, segment);
      if (made === undefined) continue;
      const left = (segment * segmentSeconds - view.start) * pixelsPerSecond;
      draw(made, left, (made.columns / COLUMNS_PER_SECOND) * pixelsPerSecond, drawn);
    }
  }, [mixer, track, view, width, height, scheme, spectrograms]);

  return (
    <div ref={ref} className={classes.wave} style={{ color: `var(${color})` }} aria-hidden="true">
      <canvas ref={canvas} className={classes.canvas} />
      <Playhead mixer={mixer} view={view} width={width} />
    </div>
  );
}

interface Surface {
  context: CanvasRenderingContext2D;
  color: string;
  height: number;
}

/** Levels are how much of the colour covers the ground, so that both themes have theirs. */
function draw(made: Spectrogram, left: number, width: number, { context, color, height }: Surface) {
  const image = new OffscreenCanvas(made.columns, ROWS);
  const inked = image.getContext("2d");
  if (inked === null) return;
  const pixels = inked.createImageData(made.columns, ROWS);
  for (let column = 0; column < made.columns; column++)
    for (let row = 0; row < ROWS; row++) {
      const level = made.levels[column * ROWS + row] ?? 0;
      pixels.data[4 * ((ROWS - 1 - row) * made.columns + column) + 3] = level;
    }
  inked.putImageData(pixels, 0, 0);
  inked.globalCompositeOperation = "source-in";
  inked.fillStyle = color;
  inked.fillRect(0, 0, made.columns, ROWS);
  context.drawImage(image, left, 0, width, height);
}
