import { describe, expect, it } from "vitest";
import { merged } from "./joblist";

function jobs(...ids: string[]) {
  return ids.map((id) => ({ id, now: false }));
}

function part(next_cursor: string | null, ...ids: string[]) {
  return { items: ids.map((id) => ({ id, now: true })), next_cursor };
}

function shown(list: { id: string; now: boolean }[]): string {
  return list.map(({ id, now }) => (now ? id.toUpperCase() : id)).join("");
}

describe("a list of jobs", () => {
  it("has what came at its beginning and what has changed there", () => {
    expect(shown(merged(jobs("e", "d", "c", "b"), part("d", "f", "e", "d"), null))).toBe("FEDcb");
  });

  it("loses what went, and nothing else", () => {
    expect(shown(merged(jobs("e", "d", "c", "b"), part("c", "e", "c"), null))).toBe("ECb");
    expect(shown(merged(jobs("e", "d", "c", "b"), part(null), null))).toBe("");
  });

  it("is changed in its middle alone where that was asked for", () => {
    expect(shown(merged(jobs("f", "e", "d", "c", "b", "a"), part("b", "d", "b"), "e"))).toBe("feDBa");
  });

  it("ends where the list ends", () => {
    expect(shown(merged(jobs("c", "b", "a"), part(null, "b"), "c"))).toBe("cB");
  });
});
