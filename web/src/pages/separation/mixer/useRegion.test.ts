import { expect, it } from "vitest";
import { SHORTEST_LOOP_SECONDS as SHORTEST } from "../../../mixer/mixer";
import { endingAt, startingAt } from "./useRegion";

it("has an end where it stood, or at the end of the song", () => {
  expect(startingAt(10, null, 100)).toEqual({ start: 10, end: 100 });
  expect(startingAt(10, { start: 2, end: 30 }, 100)).toEqual({ start: 10, end: 30 });
  expect(endingAt(40, { start: 2, end: 30 }, 100)).toEqual({ start: 2, end: 40 });
});

it("is never shorter than what can repeat, wherever its ends are set", () => {
  const started = startingAt(10, null, 100);
  const both = endingAt(10, started, 100);
  expect(both.end - both.start).toBeCloseTo(SHORTEST);
  for (const at of [0, 10, 100]) {
    for (const region of [startingAt(at, both, 100), endingAt(at, both, 100)]) {
      expect(region.end - region.start).toBeGreaterThanOrEqual(SHORTEST - 1e-9);
      expect(region.start).toBeGreaterThanOrEqual(0);
      expect(region.end).toBeLessThanOrEqual(100);
    }
  }
});
