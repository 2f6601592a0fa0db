import { describe, expect, it } from "vitest";
import { line, roundAbove, stack, stepAt, sums } from "./plot";

describe("a chart", () => {
  it("ends at a round number above all of it", () => {
    expect([[0, null], [1], [1.2], [43, 7], [51], [0.03]].map(roundAbove)).toEqual([1, 1, 2, 50, 100, 0.05]);
  });

  it("breaks its line where nothing is known", () => {
    expect(line([1, 2, null, 0, null, 2, 1], 2)).toBe("M0.5 0.5L1.5 0M3.2 1H3.8M5.5 0L6.5 0.5");
    expect(line([null, null], 1)).toBe("");
  });

  it("puts parts on top of each other", () => {
    const parts = [
      [1, 0],
      [1, null],
    ];
    expect(stack(parts, 4)).toEqual([
      [
        { y: 0.75, height: 0.25 },
        { y: 1, height: 0 },
      ],
      [
        { y: 0.5, height: 0.25 },
        { y: 1, height: 0 },
      ],
    ]);
    expect(sums(parts)).toEqual([2, 0]);
  });

  it("finds the step under a pointer, also at and beyond its ends", () => {
    expect([-5, 0, 149, 150, 300].map((x) => stepAt(x, 300, 2))).toEqual([0, 0, 0, 1, 1]);
  });
});
