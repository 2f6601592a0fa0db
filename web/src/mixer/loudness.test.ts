import { describe, expect, it } from "vitest";
import { RelativeLoudness, weightedPower } from "./loudness";
import type { DecodedAudio } from "./segments";

const RATE = 48_000;

function audio(samples: (second: number) => number, channels = 1): DecodedAudio {
  const data = Float32Array.from({ length: 3 * RATE }, (_, i) => samples(i / RATE));
  return { length: data.length, numberOfChannels: channels, sampleRate: RATE, getChannelData: () => data };
}

const tone = (hertz: number, amplitude: number) => (second: number) =>
  amplitude * Math.sin(2 * Math.PI * hertz * second);

function decibels(power: number): number {
  return 10 * Math.log10(power);
}

describe("weighted power", () => {
  it("reads a tone of 997 Hz as the standard does", () => {
    // BS.1770: a full scale sine in one channel reads -3.01 LUFS, which is -0.691 dB plus the power.
    expect(-0.691 + decibels(weightedPower(audio(tone(997, 1))))).toBeCloseTo(-3.01, 1);
    expect(-0.691 + decibels(weightedPower(audio(tone(997, 1), 2)))).toBeCloseTo(0, 1);
  });

  it("hears a rumble less and sibilants more", () => {
    const middle = weightedPower(audio(tone(997, 0.5)));
    expect(decibels(weightedPower(audio(tone(25, 0.5))) / middle)).toBeLessThan(-6);
    expect(decibels(weightedPower(audio(tone(8000, 0.5))) / middle)).toBeGreaterThan(3);
  });
});

describe("the original at equal loudness", () => {
  const vocals = tone(440, 0.5);
  const drums = tone(1000, 0.25);
  // Has something in common with the vocals, as stems do.
  const rest = (second: number) => drums(second) + 0.2 * vocals(second);
  const loudness = new RelativeLoudness();
  loudness.add(
    0,
    new Map([
      ["mixture", audio((second) => vocals(second) + rest(second))],
      ["vocals", audio(vocals)],
      ["instrumental", audio(rest)],
    ]),
  );

  function expected(gainOfVocals: number, gainOfRest: number): number {
    const mix = weightedPower(audio((s) => gainOfVocals * vocals(s) + gainOfRest * rest(s)));
    return Math.sqrt(mix / weightedPower(audio((s) => vocals(s) + rest(s))));
  }

  it.each([
    [1, 1],
    [0, 1],
    [1, 0],
    [0.5, 0.8],
    [0.5, 0.5],
  ])("is as loud as the mix with the stems at %f and %f", (gainOfVocals, gainOfRest) => {
    const gains = new Map([
      ["vocals", gainOfVocals],
      ["instrumental", gainOfRest],
    ]);
    expect(loudness.gainOfOriginal("mixture", gains)).toBeCloseTo(expected(gainOfVocals, gainOfRest), 5);
  });

  it("is left as it is beside a mix of nothing and before anything was measured", () => {
    const nothing = new Map([
      ["vocals", 0],
      ["instrumental", 0],
    ]);
    expect(loudness.gainOfOriginal("mixture", nothing)).toBe(1);
    expect(new RelativeLoudness().gainOfOriginal("mixture", nothing)).toBe(1);
  });
});
