import { describe, expect, it } from "vitest";
import { type Grid, type Loop, segmentsAhead, spansFrom } from "./plan";

const grid: Grid = { segmentSamples: 100, end: 250 };

function first(count: number, position: number, loop: Loop | null) {
  const spans = [];
  for (const span of spansFrom(position, grid, loop)) {
    if (spans.length === count) break;
    spans.push([span.segment, span.offset, span.length, span.position]);
  }
  return spans;
}

describe("the plan", () => {
  it("cuts the song at the borders of segments and ends where it ends", () => {
    expect(first(9, 30, null)).toEqual([
      [0, 30, 70, 30],
      [1, 0, 100, 100],
      [2, 0, 50, 200],
    ]);
  });

  it("turns back at the end of a loop, within a segment and across segments", () => {
    expect(first(3, 15, { start: 10, end: 20 })).toEqual([
      [0, 15, 5, 15],
      [0, 10, 10, 10],
      [0, 10, 10, 10],
    ]);
    expect(first(4, 90, { start: 80, end: 120 })).toEqual([
      [0, 90, 10, 90],
      [1, 0, 20, 100],
      [0, 80, 20, 80],
      [1, 0, 20, 100],
    ]);
  });

  it("waits at the end of what is there, though the loop goes on", () => {
    expect(first(9, 240, { start: 200, end: 300 })).toEqual([[2, 40, 10, 240]]);
  });

  it("repeats up to the song's very end", () => {
    expect(first(2, 240, { start: 200, end: 250 })).toEqual([
      [2, 40, 10, 240],
      [2, 0, 50, 200],
    ]);
  });

  it("does not enter a loop that lies behind", () => {
    expect(first(9, 220, { start: 0, end: 220 })).toEqual([[2, 20, 30, 220]]);
  });

  it("names each segment that is needed once, the first first", () => {
    expect(segmentsAhead(150, 300, grid, { start: 20, end: 180 })).toEqual([1, 0]);
    expect(segmentsAhead(150, 60, grid, null)).toEqual([1, 2]);
    expect(segmentsAhead(250, 60, grid, null)).toEqual([]);
  });
});
