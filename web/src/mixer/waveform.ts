/** Waveforms on a canvas: one column of pixels for the extremes of its time. */

import type { Peaks } from "./peaks";
import type { View } from "./view";

export interface Samples {
  /** Seconds from the song's start of the first one. */
  readonly start: number;
  readonly data: Float32Array;
}

/** Lowest and highest value within `[from, to)` seconds; null where nothing is known. At least one peak is looked at. */
export function extremesOfPeaks(peaks: Peaks, from: number, to: number): [number, number] | null {
  const count = peaks.values.length / 2;
  const first = Math.floor(from / peaks.secondsPerPeak);
  const end = Math.min(count, Math.max(first + 1, Math.ceil(to / peaks.secondsPerPeak)));
  if (first >= end) return null;
  let lowest = 1;
  let highest = -1;
  for (let i = Math.max(0, first); i < end; i++) {
    lowest = Math.min(lowest, peaks.values[2 * i] ?? 0);
    highest = Math.max(highest, peaks.values[2 * i + 1] ?? 0);
  }
  return [lowest, highest];
}

/** What tracks are drawn larger by, all alike, so that the loudest sample of them fills its height nearly. */
export function magnification(tracks: Iterable<Peaks>): number {
  let highest = 0;
  for (const { values } of tracks) {
    for (let i = 0; i < values.length; i++) highest = Math.max(highest, Math.abs(values[i] ?? 0));
  }
  return Math.min(MOST, 0.96 / Math.max(highest, Number.MIN_VALUE));
}

/** Noise stays noise: silence is not drawn as if it were music. */
const MOST = 8;

/** Draws peaks into `width` by `height` pixels of the device, in the canvas's present fill. */
export function drawPeaks(
  canvas: CanvasRenderingContext2D,
  peaks: Peaks,
  view: View,
  magnified: number,
  width: number,
  height: number,
) {
  const seconds = (view.end - view.start) / width;
  const middle = height / 2;
  canvas.beginPath();
  for (let x = 0; x < width; x++) {
    const from = view.start + x * seconds;
    const found = extremesOfPeaks(peaks, from, from + seconds);
    if (found === null) continue;
    const top = middle * (1 - magnified * found[1]);
    // Silence is a line, not nothing.
    canvas.rect(x, top, 1, Math.max(1, middle * (1 - magnified * found[0]) - top));
  }
  canvas.fill();
}

/** From so many samples a pixel on, a line would only fill what its extremes do. */
const SAMPLES_FOR_COLUMNS = 4;

/** Draws samples themselves, for views in which a peak would be many pixels wide: as a line, or farther off as columns. */
export function drawSamples(
  canvas: CanvasRenderingContext2D,
  samples: readonly Samples[],
  rate: number,
  view: View,
  magnified: number,
  width: number,
  height: number,
) {
  const pixels = width / (view.end - view.start);
  const middle = height / 2;
  canvas.beginPath();
  for (const { start, data } of samples) {
    const x = (i: number) => (start + i / rate - view.start) * pixels;
    if (rate / pixels > SAMPLES_FOR_COLUMNS) {
      const peaks = columnsOf(data, rate / pixels);
      peaks.forEach(([lowest, highest], column) => {
        const top = middle * (1 - magnified * highest);
        canvas.rect(x(0) + column, top, 1, Math.max(1, middle * (1 - magnified * lowest) - top));
      });
    } else {
      data.forEach((sample, i) => {
        const y = middle * (1 - magnified * sample);
        if (i === 0) canvas.moveTo(x(i), y);
        else canvas.lineTo(x(i), y);
      });
    }
  }
  if (rate / pixels > SAMPLES_FOR_COLUMNS) canvas.fill();
  else canvas.stroke();
}

/** Extremes of every `step` samples. */
function columnsOf(data: Float32Array, step: number): [number, number][] {
  const columns: [number, number][] = [];
  for (let from = 0; from < data.length; from += step) {
    const part = data.subarray(Math.floor(from), Math.max(Math.floor(from) + 1, Math.floor(from + step)));
    let lowest = 1;
    let highest = -1;
    for (const sample of part) {
      if (sample < lowest) lowest = sample;
      if (sample > highest) highest = sample;
    }
    columns.push([lowest, highest]);
  }
  return columns;
}
