import { useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import type { Mixer } from "../../../mixer/mixer";
import type { Peaks } from "../../../mixer/peaks";
import type { View } from "../../../mixer/view";
import { drawPeaks, drawSamples } from "../../../mixer/waveform";
import classes from "./mixer.module.css";
import { Playhead } from "./Playhead";
import { useMixerState } from "./useMixer";

/** From so many pixels a peak on, the samples are drawn where they are here. */
const PIXELS_PER_PEAK = 3;
/** How strongly peaks are drawn behind samples. */
const BEHIND = 0.25;

interface Props {
  mixer: Mixer;
  track: string;
  view: View;
  /** Of the server; until it has them, of the segments that were here. */
  peaks: Peaks | undefined;
  /** A colour of the theme, as a variable. */
  color: string;
  /** What it is drawn larger by. */
  magnified: number;
}

/** One track's waveform; what is still to come is paler. For the eye alone: the slider beside it has the words. */
export function Wave({ mixer, track, view, peaks, color, magnified }: Props) {
  const scheme = useComputedColorScheme("light");
  const { ref, width, height } = useElementSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const { arrived, ledTo } = useMixerState(mixer);

  // biome-ignore lint/correctness/useExhaustiveDependencies: drawn anew when segments arrive, the song is led elsewhere, or the theme's colours change.
  useEffect(() => {
    const surface = canvas.current;
    const context = surface?.getContext("2d");
    if (!surface || !context || width === 0) return;
    const scale = window.devicePixelRatio || 1;
    surface.width = Math.round(width * scale);
    surface.height = Math.round(height * scale);
    context.fillStyle = context.strokeStyle = getComputedStyle(surface).color;
    const known = peaks ?? mixer.peaks.of(track);
    const pixelsPerSecond = width / (view.end - view.start);
    const near = known !== undefined && known.secondsPerPeak * pixelsPerSecond > PIXELS_PER_PEAK;
    const samples = near ? mixer.samples(track, view.start, view.end) : [];
    if (known) {
      // Behind samples, peaks say what is there where samples have not been loaded.
      context.globalAlpha = samples.length > 0 ? BEHIND : 1;
      drawPeaks(context, known, view, magnified, surface.width, surface.height);
      context.globalAlpha = 1;
    }
    context.lineWidth = scale;
    context.lineJoin = "round";
    drawSamples(context, samples, mixer.rate, view, magnified, surface.width, surface.height);
  }, [mixer, track, view, peaks, magnified, width, height, scheme, arrived, ledTo]);

  return (
    <div ref={ref} className={classes.wave} style={{ color: `var(${color})` }} aria-hidden="true">
      <canvas ref={canvas} className={classes.canvas} />
      <Playhead mixer={mixer} view={view} width={width} />
    </div>
  );
}
