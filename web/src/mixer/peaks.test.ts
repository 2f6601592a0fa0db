import { describe, expect, it } from "vitest";
import { SegmentPeaks } from "./peaks";
import type { DecodedAudio } from "./segments";

function audio(channels: number[][]): DecodedAudio {
  const data = channels.map((samples) => Float32Array.from(samples));
  return {
    length: data[0]?.length ?? 0,
    numberOfChannels: data.length,
    sampleRate: 100,
    getChannelData: (channel) => data[channel] ?? new Float32Array(),
  };
}

describe("peaks of segments", () => {
  it("are the extremes of all channels, at their place in the song", () => {
    const peaks = new SegmentPeaks(1);
    const left = Array.from({ length: 100 }, (_, i) => (i === 3 ? -0.5 : 0));
    const right = Array.from({ length: 100 }, (_, i) => (i === 2 ? 0.25 : 0));
    peaks.add(1, new Map([["vocals", audio([left, right])]]));
    const found = peaks.of("vocals");
    expect(found?.secondsPerPeak).toBe(0.02);
    // Two samples make a peak; the second pair of the second second has something.
    expect(
      [...Array.from(found?.values ?? [])].flatMap((value, i) => (value === 0 ? [] : [[i, value]])),
    ).toEqual([
      [2 * (50 + 1), -0.5],
      [2 * (50 + 1) + 1, 0.25],
    ]);
  });

  it("keep what was before, whichever segment comes first, and end where the last one does", () => {
    const peaks = new SegmentPeaks(1);
    peaks.add(1, new Map([["vocals", audio([[0.5, 0.5, 0.5]])]]));
    peaks.add(0, new Map([["vocals", audio([[0.25]])]]));
    const values = peaks.of("vocals")?.values;
    expect([values?.[1], values?.[2 * 50 + 1], values?.length]).toEqual([0.25, 0.5, 200]);
    expect(peaks.of("drums")).toBeUndefined();
  });
});
