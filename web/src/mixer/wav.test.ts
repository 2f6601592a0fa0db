import { describe, expect, it } from "vitest";
import { fitsWav, pcm24, peakOf, TooLongForWav, unscale, wavHeader } from "./wav";

describe("a WAV file", () => {
  it("says what is in it", () => {
    const header = wavHeader(10, 2, 44_100);
    const view = new DataView(header.buffer);
    expect(new TextDecoder().decode(header.subarray(0, 16))).toMatch(/^RIFF....WAVEfmt $/s);
    expect(view.getUint32(4, true)).toBe(36 + 60);
    expect([20, 22, 32, 34].map((at) => view.getUint16(at, true))).toEqual([1, 2, 6, 24]);
    expect([24, 28, 40].map((at) => view.getUint32(at, true))).toEqual([44_100, 264_600, 60]);
  });

  it("ends at four gigabytes", () => {
    const most = Math.floor((2 ** 32 - 1 - 44) / 6);
    expect([most, most + 1].map((frames) => fitsWav(frames, 2))).toEqual([true, false]);
    expect(wavHeader(most, 2, 192_000)).toHaveLength(44);
    expect(() => wavHeader(most + 1, 2, 192_000)).toThrow(TooLongForWav);
  });

  it("holds samples to half a step of 24 bits, interleaved, and cuts what is louder", () => {
    const bytes = pcm24([Float32Array.of(0.5, -1, 2), Float32Array.of(-(2 ** -23), 0.25, -3)]);
    const view = new DataView(bytes.buffer);
    const value = (i: number) => (view.getInt8(3 * i + 2) << 16) | view.getUint16(3 * i, true);
    expect([0, 1, 2, 3, 4, 5].map(value)).toEqual([
      2 ** 22,
      -1,
      -(2 ** 23),
      2 ** 21,
      2 ** 23 - 1,
      -(2 ** 23),
    ]);
  });

  it("knows how loud it would have been", () => {
    expect(peakOf([Float32Array.of(0.5, -1.25), Float32Array.of(1, 0)])).toBe(1.25);
  });

  it("has the samples of 16 bits that a browser has scaled, and leaves others as they are", () => {
    const steps = [-32768, -3, 0, 1, 20_000, 32_767];
    const scaled = Float32Array.from(steps, (step) => step / (step > 0 ? 32767 : 32768));
    const exact = Float32Array.from(steps, (step) => step / 32768);
    unscale(scaled);
    expect(scaled).toEqual(exact);
    unscale(exact);
    expect(scaled).toEqual(exact);
    const finer = Float32Array.of(0.1234567, -0.3, 0.7654321);
    unscale(finer);
    expect(finer).toEqual(Float32Array.of(0.1234567, -0.3, 0.7654321));
  });
});
