import { describe, expect, it } from "vitest";
import { drawPeaks, drawSamples, extremesOfPeaks, magnification } from "./waveform";

const peaks = { secondsPerPeak: 0.5, values: [-0.1, 0.1, -0.5, 0.2, -0.2, 0.9, 0, 0] };

describe("extremes within a time", () => {
  it("are those of every peak that it touches", () => {
    expect(extremesOfPeaks(peaks, 0, 0.5)).toEqual([-0.1, 0.1]);
    expect(extremesOfPeaks(peaks, 0.4, 1.2)).toEqual([-0.5, 0.9]);
  });

  it("are those of the peak it lies within, be it ever so short", () => {
    expect(extremesOfPeaks(peaks, 0.6, 0.6001)).toEqual([-0.5, 0.2]);
  });

  it("are unknown after the end", () => {
    expect(extremesOfPeaks(peaks, 2, 3)).toBeNull();
  });
});

/** Remembers what is drawn. */
function canvas() {
  const drawn: number[][] = [];
  const context = {
    beginPath: () => {},
    rect: (...numbers: number[]) => drawn.push(numbers),
    moveTo: (...numbers: number[]) => drawn.push(numbers),
    lineTo: (...numbers: number[]) => drawn.push(numbers),
    fill: () => {},
    stroke: () => {},
  };
  return { drawn, context: context as unknown as CanvasRenderingContext2D };
}

describe("drawing", () => {
  it("fills a column from the highest to the lowest, and a line where there is silence", () => {
    const { drawn, context } = canvas();
    drawPeaks(context, peaks, { start: 1, end: 2 }, 1, 2, 100);
    expect(drawn.map((column) => column.map((number) => Math.round(number)))).toEqual([
      [0, 5, 1, 55],
      [1, 50, 1, 1],
    ]);
  });

  it("leaves out what is not there yet", () => {
    const { drawn, context } = canvas();
    drawPeaks(context, peaks, { start: 1.5, end: 3.5 }, 1, 4, 100);
    expect(drawn).toHaveLength(1);
  });

  it("draws a line from sample to sample, in their place", () => {
    const { drawn, context } = canvas();
    const samples = [{ start: 0.5, data: Float32Array.from([0, 0.5]) }];
    drawSamples(context, samples, 4, { start: 0, end: 1 }, 2, 100, 20);
    expect(drawn).toEqual([
      [50, 10],
      [75, 0],
    ]);
  });
});

describe("drawing from farther off", () => {
  it("fills columns with the extremes of their samples", () => {
    const { drawn, context } = canvas();
    const samples = [{ start: 0, data: Float32Array.from([0, 0.5, 0, 0, 0, -0.5, 0, 0, 0.25, 0]) }];
    drawSamples(context, samples, 10, { start: 0, end: 1 }, 1, 2, 100);
    expect(drawn).toEqual([
      [0, 25, 1, 25],
      [1, 37.5, 1, 37.5],
    ]);
  });
});

describe("magnification", () => {
  it("lets the loudest sample of all tracks fill the height, and does not make noise into music", () => {
    const quiet = { secondsPerPeak: 1, values: [-0.01, 0.02] };
    expect(magnification([peaks, quiet])).toBeCloseTo(0.96 / 0.9);
    expect(magnification([quiet])).toBe(8);
    expect(magnification([])).toBe(8);
  });
});
