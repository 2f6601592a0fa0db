import { describe, expect, it } from "vitest";
import { COLUMNS_PER_SECOND, ROWS, spectrogram, transform } from "./spectrum";

const RATE = 44_100;

function sound(sample: (second: number) => number): Float32Array {
  return Float32Array.from({ length: RATE / 2 }, (_, i) => sample(i / RATE));
}

/** The row that is strongest in a column, and its level. */
function strongest(column: Uint8Array): [number, number] {
  const level = Math.max(...column);
  return [column.indexOf(level), level];
}

function column(of: ReturnType<typeof spectrogram>, second: number): Uint8Array {
  const first = Math.floor(second * COLUMNS_PER_SECOND) * ROWS;
  return of.levels.subarray(first, first + ROWS);
}

describe("a spectrogram", () => {
  it("shows a tone in its row, an octave always equally far", () => {
    const rows = [220, 440, 880, 1760].map((hertz) => {
      const tone = spectrogram(
        sound((s) => 0.25 * Math.sin(2 * Math.PI * hertz * s)),
        RATE,
      );
      expect(tone.columns).toBe(COLUMNS_PER_SECOND / 2);
      return strongest(column(tone, 0.25))[0];
    });
    const octave = ROWS / Math.log2(16_000 / 40);
    for (const [i, row] of rows.entries())
      expect(Math.abs(row - Math.log2(220 / 40) * octave - i * octave)).toBeLessThan(2.5);
  });

  it("shows when, and how loud", () => {
    const made = spectrogram(
      sound((s) => (s < 0.25 ? 0.2 : 0.02) * Math.sin(2 * Math.PI * 1000 * s)),
      RATE,
    );
    const [loud, quiet] = [strongest(column(made, 0.1))[1], strongest(column(made, 0.4))[1]];
    // Twenty decibels of the 72 that 255 levels span.
    expect(loud - quiet).toBeGreaterThan((255 * 18) / 72);
    expect(loud - quiet).toBeLessThan((255 * 22) / 72);
    expect(strongest(spectrogram(new Float32Array(RATE / 10), RATE).levels)[1]).toBe(0);
  });

  it("stands on a transform that is the defined one", () => {
    const values = Float64Array.from({ length: 16 }, (_, i) => Math.sin(i * i));
    const [real, imaginary] = [values.slice(), new Float64Array(16)];
    transform(real, imaginary);
    for (let bin = 0; bin < 16; bin++) {
      let [x, y] = [0, 0];
      for (let i = 0; i < 16; i++) {
        x += (values[i] ?? 0) * Math.cos((2 * Math.PI * bin * i) / 16);
        y -= (values[i] ?? 0) * Math.sin((2 * Math.PI * bin * i) / 16);
      }
      expect(real[bin]).toBeCloseTo(x);
      expect(imaginary[bin]).toBeCloseTo(y);
    }
  });
});
