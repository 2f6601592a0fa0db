/** WAV files of 24 bits, written block by block. */

const BYTES_PER_SAMPLE = 3;
const HEADER_BYTES = 44;
/** Sizes in the file have 32 bits. */
const MOST_BYTES = 2 ** 32 - 1;
const FULL_SCALE = 2 ** 23;

/** The mix would need a larger file than WAV has words for. */
export class TooLongForWav extends Error {}

/** Whether sizes of so many frames can be told. */
export function fitsWav(frames: number, channels: number): boolean {
  return HEADER_BYTES + frames * channels * BYTES_PER_SAMPLE <= MOST_BYTES;
}

/** Raises `TooLongForWav` where so many frames would not fit. */
export function wavHeader(frames: number, channels: number, rate: number): Uint8Array<ArrayBuffer> {
  const frameBytes = channels * BYTES_PER_SAMPLE;
  const dataBytes = frames * frameBytes;
  if (!fitsWav(frames, channels)) throw new TooLongForWav();
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  const text = (at: number, letters: string) =>
    [...letters].forEach((letter, i) => void header.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF");
  header.setUint32(4, HEADER_BYTES - 8 + dataBytes, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, channels, true);
  header.setUint32(24, rate, true);
  header.setUint32(28, rate * frameBytes, true);
  header.setUint16(32, frameBytes, true);
  header.setUint16(34, 8 * BYTES_PER_SAMPLE, true);
  text(36, "data");
  header.setUint32(40, dataBytes, true);
  return new Uint8Array(header.buffer);
}

/** Channels of -1 to 1 as interleaved integers, rounded; what lies beyond is cut. */
export function pcm24(channels: readonly Float32Array[]): Uint8Array<ArrayBuffer> {
  const frames = channels[0]?.length ?? 0;
  const bytes = new Uint8Array(frames * channels.length * BYTES_PER_SAMPLE);
  channels.forEach((samples, channel) => {
    let at = channel * BYTES_PER_SAMPLE;
    for (const sample of samples) {
      const value = Math.max(-FULL_SCALE, Math.min(FULL_SCALE - 1, Math.round(sample * FULL_SCALE)));
      bytes[at] = value;
      bytes[at + 1] = value >> 8;
      bytes[at + 2] = value >> 16;
      at += channels.length * BYTES_PER_SAMPLE;
    }
  });
  return bytes;
}

/** The largest magnitude. */
export function peakOf(channels: readonly Float32Array[]): number {
  let peak = 0;
  for (const samples of channels) for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return peak;
}

/**
 * Brings decoded samples of 16 bits back to whole steps, in place. Chromium makes 32767 steps of the upper half and 32768
 * of the lower, which nobody hears and every null test finds.
 */
export function unscale(samples: Float32Array): void {
  const scaled = (sample: number) =>
    sample <= 0 || Math.abs(sample * 32767 - Math.round(sample * 32767)) < 0.01;
  const whole = (sample: number) => Math.abs(sample * 32768 - Math.round(sample * 32768)) < 0.01;
  if (samples.every(whole) || !samples.every(scaled)) return;
  samples.forEach((sample, i) => {
    if (sample > 0) samples[i] = Math.round(sample * 32767) / 32768;
  });
}
