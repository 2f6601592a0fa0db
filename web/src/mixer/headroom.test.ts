import { describe, expect, it } from "vitest";
import { type Levels, NEUTRAL, type Strip } from "./desk";
import { highestPeak, type TrackPeaks } from "./headroom";

function levels(vocals: Partial<Strip> = {}, instrumental: Partial<Strip> = {}, masterDb = 0): Levels {
  const strips = new Map([
    ["vocals", { ...NEUTRAL, ...vocals }],
    ["instrumental", { ...NEUTRAL, ...instrumental }],
  ]);
  return { strips, masterDb };
}

/** The stems' peaks lie in the same stretch, and the song is lower there than their sum. */
const PEAKS: TrackPeaks = {
  mixture: [-0.9, 0.5, 0, 0.1],
  vocals: [-0.2, 0.6, 0, 0.1],
  instrumental: [-0.8, 0.3, 0, 0],
};

const most = (at: Levels, channels = 2) => highestPeak(at, PEAKS, "mixture", channels);

describe("how far a mix reaches", () => {
  it("is the song's own peak while no fader was moved, and goes with the master", () => {
    expect(most(levels())).toBeCloseTo(0.9);
    expect(most(levels({}, {}, 6))).toBeCloseTo(0.9 * 10 ** (6 / 20));
  });

  it("is the peak of what is heard alone", () => {
    expect(most(levels({ soloed: true }))).toBeCloseTo(0.6);
    expect(most(levels({ muted: true }))).toBeCloseTo(0.8);
    expect(most(levels({ muted: true }, { muted: true }))).toBe(0);
  });

  it("grows by no more than what a fader adds to the song", () => {
    const six = 10 ** (6 / 20);
    expect(most(levels({ gainDb: 6 }))).toBeCloseTo(0.9 + (six - 1) * 0.6);
    expect(most(levels({ gainDb: -6 }))).toBeCloseTo(0.9 / six + (1 - 1 / six) * 0.8);
  });

  it("counts what a panorama brings to one side", () => {
    expect(most(levels({ pan: 1, soloed: true }))).toBeCloseTo(1.2);
    expect(most(levels({ pan: -0.5, soloed: true }))).toBeCloseTo(0.6 * (1 + Math.SQRT1_2));
  });

  it("takes what is not known for full scale", () => {
    expect(highestPeak(levels(), {}, "mixture", 2)).toBe(1);
    expect(highestPeak(levels({ gainDb: -6 }, { muted: true }), {}, "mixture", 2)).toBeCloseTo(
      10 ** (-6 / 20),
    );
  });

  it("adds the stems up where they are not the whole song, and the channels that become two", () => {
    expect(highestPeak(levels(), PEAKS, null, 2)).toBeCloseTo(1.4);
    expect(most(levels(), 6)).toBeCloseTo(0.9 * (1 + Math.SQRT2));
  });
});
