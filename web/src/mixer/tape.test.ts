import { describe, expect, it } from "vitest";
import { Tape } from "./tape";
import { isNormal, TempoMap, tempoNear } from "./tempo";

function tape(...pieces: number[][]): Tape {
  const made = new Tape();
  for (const piece of pieces) made.append([Float32Array.from(piece), Float32Array.from(piece, (s) => -s)]);
  return made;
}

function read(from: Tape, count: number): number[] {
  const into = [new Float32Array(count), new Float32Array(count)];
  from.read(into, count);
  expect([...(into[1] as Float32Array)].map((sample) => 0 - sample)).toEqual([...(into[0] as Float32Array)]);
  return [...(into[0] as Float32Array)];
}

describe("the tape", () => {
  it("gives every sample once, across pieces, and silence after the last", () => {
    const made = tape([1, 2, 3], [4, 5]);
    expect(read(made, 2)).toEqual([1, 2]);
    expect(read(made, 2)).toEqual([3, 4]);
    expect(read(made, 3)).toEqual([5, 0, 0]);
  });

  it("forgets what was to come after a sample, counted from the start", () => {
    const made = tape([1, 2, 3], [4, 5, 6], [7]);
    read(made, 1);
    made.truncate(5);
    made.append([Float32Array.of(9), Float32Array.of(-9)]);
    expect(read(made, 6)).toEqual([2, 3, 4, 5, 9, 0]);
  });

  it("forgets nothing that has been read, nor what ends before", () => {
    const made = tape([1, 2, 3]);
    read(made, 2);
    made.truncate(7);
    expect(read(made, 1)).toEqual([3]);
    made.truncate(1);
    expect(read(made, 1)).toEqual([0]);
  });
});

describe("the tempo map of a stream", () => {
  it("knows the sample at every frame, through changes of speed", () => {
    const tempoMap = new TempoMap(100, 2);
    tempoMap.setSpeed(0.5, 150);
    expect([90, 100, 149, 150, 170].map((frame) => tempoMap.sampleAt(frame))).toEqual([-20, 0, 98, 100, 110]);
    // Another change comes before one that was agreed.
    tempoMap.setSpeed(1, 200);
    tempoMap.setSpeed(2, 180);
    expect([180, 210].map((frame) => tempoMap.sampleAt(frame))).toEqual([115, 175]);
    expect([tempoMap.speedAt(179), tempoMap.speedAt(180)]).toEqual([0.5, 2]);
  });
});

describe("a tempo", () => {
  it("is one of those there are", () => {
    expect(tempoNear({ speed: 0.30001, semitones: 13 })).toEqual({ speed: 0.5, semitones: 12 });
    expect(tempoNear({ speed: 1.0500000001, semitones: -0 })).toEqual({ speed: 1.05, semitones: -0 });
    expect(isNormal(tempoNear({ speed: 1.001, semitones: 0.2 }))).toBe(true);
  });
});
