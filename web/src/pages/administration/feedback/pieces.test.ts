import { expect, it } from "vitest";
import type { MarkedRegion } from "../../../api/administration";
import { piecesOf } from "./pieces";

const region: MarkedRegion = {
  sample_rate_hz: 44_100,
  segment_seconds: 6,
  start_seconds: 13,
  end_seconds: 26,
  first: 2,
  last: 4,
  tracks: ["mixture", "vocals"],
};

it("plays what lies between the marks, without a gap", () => {
  expect(piecesOf(region)).toEqual([
    { number: 2, at: 0, from: 1, length: 5 },
    { number: 3, at: 5, from: 0, length: 6 },
    { number: 4, at: 11, from: 0, length: 2 },
  ]);
});

it("plays one piece where both marks are in one segment", () => {
  expect(piecesOf({ ...region, end_seconds: 14.5, last: 2 })).toEqual([
    { number: 2, at: 0, from: 1, length: 1.5 },
  ]);
});
