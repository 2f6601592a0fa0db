import { describe, expect, it } from "vitest";
import { Desk, type DeskContext, gainsOf, NEUTRAL, type Strip } from "./desk";
import { FakeContext, type FakeNode } from "./fakes";

function strips(changes: Record<string, Partial<Strip>>): Map<string, Strip> {
  return new Map(Object.entries(changes).map(([stem, change]) => [stem, { ...NEUTRAL, ...change }]));
}

/** What reaches the output of one track at full level: left and right are alike here, for nothing is panned. */
function level(desk: Desk, track: string): number {
  let node = desk.inputs.get(track) as unknown as FakeNode;
  let gain = 1;
  while (true) {
    gain *= node.gain.value;
    const next = node.outputs[0];
    if (next === undefined) return gain;
    node = next;
  }
}

function desk(): Desk {
  return new Desk(new FakeContext() as unknown as DeskContext, ["vocals", "instrumental"], "mixture");
}

describe("the desk", () => {
  it("is the plain sum of the stems at first", () => {
    const made = desk();
    expect(level(made, "vocals")).toBe(1);
    expect(level(made, "instrumental")).toBe(1);
    expect(level(made, "mixture")).toBe(0);
  });

  it("follows faders, mutes and the master", () => {
    const made = desk();
    made.setStrips(strips({ vocals: { gainDb: -6 }, instrumental: { muted: true } }));
    made.setMaster(-6);
    expect(level(made, "vocals")).toBeCloseTo(10 ** (-12 / 20));
    expect(level(made, "instrumental")).toBe(0);
    made.setStrips(strips({ vocals: { gainDb: Number.NEGATIVE_INFINITY }, instrumental: {} }));
    expect(level(made, "vocals")).toBe(0);
  });

  it("plays the original in place of the mix, and back", () => {
    const made = desk();
    made.compare(0.5);
    expect(level(made, "mixture")).toBe(0.5);
    expect(level(made, "vocals")).toBe(0);
    made.compare(null);
    expect(level(made, "mixture")).toBe(0);
    expect(level(made, "vocals")).toBe(1);
  });

  it("makes one channel two before the panorama", () => {
    const input = desk().inputs.get("vocals");
    expect([input?.channelCount, input?.channelCountMode]).toEqual([2, "explicit"]);
  });
});

describe("who is heard", () => {
  it("is whoever is not muted, and where one is soloed the soloed alone", () => {
    expect([...gainsOf(strips({ a: { muted: true }, b: {} })).values()]).toEqual([0, 1]);
    expect([...gainsOf(strips({ a: { soloed: true }, b: {}, c: {} })).values()]).toEqual([1, 0, 0]);
    expect([...gainsOf(strips({ a: { soloed: true, muted: true }, b: {} })).values()]).toEqual([1, 0]);
  });
});
