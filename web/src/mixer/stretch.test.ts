import { beforeAll, describe, expect, it } from "vitest";
import { Stretch } from "./stretch";
import { type Tempo, TempoMap } from "./tempo";

const RATE = 8000;
const QUANTUM = 128;
const SECONDS = 4;
const BEAT = RATE / 2;

/** A stem, another, and their sum: strokes of two pitches, twice a second, over a held tone. */
const stems = [440, 700].map((hertz, stem) =>
  Float32Array.from({ length: SECONDS * RATE }, (_, i) => {
    const stroke = Math.exp(-(i % BEAT) / 200) * Math.sin((2 * Math.PI * hertz * i) / RATE);
    return 0.4 * stroke + 0.1 * Math.sin((2 * Math.PI * (stem + 2) * 330 * i) / RATE);
  }),
);
const song = [...stems, (stems[0] as Float32Array).map((sample, i) => sample + (stems[1]?.[i] ?? 0))];

let stretch: Stretch;

/** All frames of the song, in pieces as the audio graph asks for them. */
function played({ speed, semitones }: Tempo): Float32Array[] {
  let at = 0;
  stretch.setSemitones(semitones);
  stretch.begin(1000, new TempoMap(1000, speed), (into, count) => {
    into.forEach((channel, c) => {
      channel.fill(0);
      channel.set(song[c]?.subarray(at, at + count) ?? []);
    });
    at += count;
  });
  const frames = Math.floor((SECONDS * RATE) / speed / QUANTUM) * QUANTUM;
  const heard = song.map(() => new Float32Array(frames));
  for (let frame = 0; frame < frames; frame += QUANTUM)
    stretch.make(
      1000 + frame + QUANTUM,
      heard.map((channel) => channel.subarray(frame, frame + QUANTUM)),
    );
  return heard;
}

function decibels(power: (i: number) => number, over: (i: number) => number, length: number): number {
  let [sum, whole] = [0, 0];
  for (let i = 0; i < length; i++) {
    sum += power(i) ** 2;
    whole += over(i) ** 2;
  }
  return 10 * Math.log10(sum / whole);
}

/** Which frame near `around` the energy rises at most. */
function onset(samples: Float32Array, around: number): number {
  let [best, found] = [0, 0];
  for (let at = around - 400; at < around + 400; at += 8) {
    let rise = 0;
    for (let i = 0; i < 60; i++) rise += (samples[at + i] ?? 0) ** 2 - (samples[at - 1 - i] ?? 0) ** 2;
    if (rise > best) [best, found] = [rise, at];
  }
  return found;
}

/** Times that a tone goes through zero upwards, a second. */
function pitch(samples: Float32Array): number {
  let crossings = 0;
  for (let i = 1; i < samples.length; i++)
    if ((samples[i - 1] ?? 0) < 0 && (samples[i] ?? 0) >= 0) crossings++;
  return (crossings * RATE) / samples.length;
}

describe("the stretch", () => {
  beforeAll(async () => {
    stretch = await Stretch.load(song.length, RATE);
  });

  it("gives back the song itself at its own speed and in its own key", () => {
    const [heard] = played({ speed: 1, semitones: 0 }) as [Float32Array];
    const expected = song[0] as Float32Array;
    const difference = decibels(
      (i) => (heard[i] ?? 0) - (expected[i] ?? 0),
      (i) => expected[i] ?? 0,
      heard.length,
    );
    expect(difference).toBeLessThan(-100);
  });

  it.each([0.5, 0.8, 1.25, 2])("plays every stroke where it belongs at speed %f", (speed) => {
    const [heard] = played({ speed, semitones: 0 }) as [Float32Array];
    for (let beat = 1; beat < 2 * SECONDS - 1; beat++) {
      const expected = Math.round((beat * BEAT) / speed);
      expect(Math.abs(onset(heard, expected) - expected)).toBeLessThan(0.01 * RATE);
    }
  });

  it.each([
    [0.7, 0, -60],
    [1.6, 0, -60],
    [1, 3, -30],
    [0.8, -5, -30],
  ])("leaves the stems the stems of their sum at speed %f, %i semitones up", (speed, semitones, most) => {
    const [one, other, sum] = played({ speed, semitones }) as [Float32Array, Float32Array, Float32Array];
    const difference = decibels(
      (i) => (one[i] ?? 0) + (other[i] ?? 0) - (sum[i] ?? 0),
      (i) => sum[i] ?? 0,
      sum.length,
    );
    expect(difference).toBeLessThan(most);
  });

  it.each([
    [0.5, 0],
    [1, 12],
    [1.5, -12],
  ])("keeps the key at speed %f and changes it by %i semitones", (speed, semitones) => {
    const tone = Float32Array.from({ length: SECONDS * RATE }, (_, i) =>
      Math.sin((2 * Math.PI * 400 * i) / RATE),
    );
    const before = song.splice(0, song.length, tone, tone, tone);
    const [heard] = played({ speed, semitones }) as [Float32Array];
    song.splice(0, song.length, ...before);
    expect(pitch(heard)).toBeCloseTo(400 * 2 ** (semitones / 12), -1);
  });
});
