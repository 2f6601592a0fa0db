import { expect, it } from "vitest";
import { NEUTRAL, type Strip } from "../../../mixer/desk";
import { mixAddress } from "./servedMix";

function faders(strips: Record<string, Partial<Strip>>, masterDb = 0) {
  const levels = {
    strips: new Map(Object.entries(strips).map(([stem, strip]) => [stem, { ...NEUTRAL, ...strip }])),
    masterDb,
  };
  const address = new URL(mixAddress("/v1/jobs/job_1", levels), "https://here");
  expect(address.pathname).toBe("/v1/jobs/job_1/mix");
  return Object.fromEntries([...address.searchParams].map(([name, value]) => [name, Number(value)]));
}

it("asks for the mix as all faders stand", () => {
  expect(faders({ vocals: { gainDb: -6, pan: 0.05 }, instrumental: { gainDb: 1.5, pan: -1 } }, -3)).toEqual({
    vocals_gain_db: -6,
    vocals_pan: 0.05,
    instrumental_gain_db: 1.5,
    instrumental_pan: -1,
    master_gain_db: -3,
  });
});

it("asks for silence of what is not heard: muted, beside one that is alone, at the lowest place, or not there", () => {
  const gains = (strips: Record<string, Partial<Strip>>) => {
    const { vocals_gain_db, instrumental_gain_db } = faders(strips);
    return [vocals_gain_db, instrumental_gain_db];
  };
  expect(gains({ vocals: { muted: true }, instrumental: {} })).toEqual([-60, 0]);
  expect(gains({ vocals: { soloed: true }, instrumental: {} })).toEqual([0, -60]);
  expect(gains({ vocals: {}, instrumental: { gainDb: Number.NEGATIVE_INFINITY } })).toEqual([0, -60]);
  expect(gains({ vocals: {} })).toEqual([0, -60]);
  expect(faders({ vocals: {} }, Number.NEGATIVE_INFINITY).master_gain_db).toBe(-60);
});
