/** Spectrograms: how strong which frequency is when. */

/** Levels of 0 to 255, column after column in time, in each from the lowest frequency up. */
export interface Spectrogram {
  readonly columns: number;
  readonly levels: Uint8Array<ArrayBuffer>;
}

/** Frequencies an octave apart are equally far apart. */
export const ROWS = 160;
export const COLUMNS_PER_SECOND = 80;
const LOWEST_HERTZ = 40;
const HIGHEST_HERTZ = 16_000;
const WINDOW_SECONDS = 0.046;
/** Level 0 and level 255, below a sine of full scale. */
const QUIETEST_DB = -84;
const LOUDEST_DB = -12;

/** The spectrogram of one channel. */
export function spectrogram(samples: Float32Array, rate: number): Spectrogram {
  const size = 2 ** Math.round(Math.log2(WINDOW_SECONDS * rate));
  const window = Float64Array.from(
    { length: size },
    (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size),
  );
  const columns = Math.ceil((samples.length / rate) * COLUMNS_PER_SECOND);
  const levels = new Uint8Array(columns * ROWS);
  const places = binsOfRows(size, rate);
  const [real, imaginary] = [new Float64Array(size), new Float64Array(size)];
  // A sine of full scale has this magnitude in its bin.
  const full = size / 4;
  const power = new Float64Array(size / 2);
  for (let column = 0; column < columns; column++) {
    const middle = Math.round(((column + 0.5) / COLUMNS_PER_SECOND) * rate);
    for (let i = 0; i < size; i++) real[i] = (samples[middle - size / 2 + i] ?? 0) * (window[i] ?? 0);
    imaginary.fill(0);
    transform(real, imaginary);
    for (let bin = 0; bin < size / 2; bin++)
      power[bin] = ((real[bin] ?? 0) ** 2 + (imaginary[bin] ?? 0) ** 2) / full ** 2;
    for (let row = 0; row < ROWS; row++) {
      const decibels = 10 * Math.log10(between(power, places[row] ?? 0, places[row + 1] ?? 0) + 1e-20);
      const level = (255 * (decibels - QUIETEST_DB)) / (LOUDEST_DB - QUIETEST_DB);
      levels[column * ROWS + row] = Math.max(0, Math.min(255, level));
    }
  }
  return { columns, levels };
}

/** The border below each row and above the last, in bins. */
function binsOfRows(size: number, rate: number): Float64Array {
  const highest = Math.min(HIGHEST_HERTZ, rate / 2);
  return Float64Array.from(
    { length: ROWS + 1 },
    (_, row) => (LOWEST_HERTZ * (highest / LOWEST_HERTZ) ** (row / ROWS) * size) / rate,
  );
}

/** The largest power between two places: high rows have many bins, low ones a part of one. */
function between(power: Float64Array, from: number, to: number): number {
  const first = Math.floor(from);
  if (to - from < 1) {
    const part = (from + to) / 2 - first;
    return (1 - part) * (power[first] ?? 0) + part * (power[first + 1] ?? 0);
  }
  let largest = 0;
  for (let bin = first; bin < to; bin++) largest = Math.max(largest, power[bin] ?? 0);
  return largest;
}

/** The discrete Fourier transform in place, of a power of two of values (Cooley and Tukey, 1965). */
export function transform(real: Float64Array, imaginary: Float64Array): void {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j] ?? 0, real[i] ?? 0];
      [imaginary[i], imaginary[j]] = [imaginary[j] ?? 0, imaginary[i] ?? 0];
    }
  }
  for (let length = 2; length <= size; length *= 2) {
    const half = length / 2;
    for (let k = 0; k < half; k++) {
      const angle = (-2 * Math.PI * k) / length;
      const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
      for (let low = k; low < size; low += length) {
        const high = low + half;
        const [x, y] = [real[high] ?? 0, imaginary[high] ?? 0];
        const [turnedX, turnedY] = [x * cosine - y * sine, x * sine + y * cosine];
        real[high] = (real[low] ?? 0) - turnedX;
        imaginary[high] = (imaginary[low] ?? 0) - turnedY;
        real[low] = (real[low] ?? 0) + turnedX;
        imaginary[low] = (imaginary[low] ?? 0) + turnedY;
      }
    }
  }
}
