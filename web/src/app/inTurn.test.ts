import { describe, expect, it } from "vitest";
import { Problem } from "../api/problem";
import { inTurn } from "./inTurn";

const items = [1, 2, 3, 4, 5, 6, 7];
const never = new AbortController().signal;
const silent = () => undefined;

describe("many at a time", () => {
  it("are seen to, a few at once, and counted", async () => {
    let open = 0;
    let most = 0;
    const told: number[] = [];
    const { failed } = await inTurn(
      items,
      async () => {
        most = Math.max(most, ++open);
        await Promise.resolve();
        open--;
      },
      { signal: never, tell: (done) => told.push(done) },
    );
    expect(failed).toEqual([]);
    expect(most).toBe(3);
    expect(told).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it("wait where they are asked to, and are done nevertheless", async () => {
    const waits: number[] = [];
    const refused = new Set(items);
    const { failed } = await inTurn(
      items,
      async (item) => {
        if (refused.delete(item)) throw new Problem(429, "rate_limited", "", 7);
      },
      { signal: never, tell: silent, wait: async (milliseconds) => void waits.push(milliseconds) },
    );
    expect(failed).toEqual([]);
    expect(waits).toEqual(items.map(() => 7000));
  });

  it("go on without those that fail", async () => {
    const problem = new Problem(409, "job_already_final", "");
    const done: number[] = [];
    const { failed } = await inTurn(
      items,
      async (item) => {
        if (item === 2) throw problem;
        done.push(item);
      },
      { signal: never, tell: silent },
    );
    expect(failed).toEqual([{ item: 2, problem }]);
    expect(done.sort()).toEqual([1, 3, 4, 5, 6, 7]);
  });

  it("stop when they are told to", async () => {
    const stop = new AbortController();
    const done: number[] = [];
    await inTurn(
      items,
      async (item) => {
        done.push(item);
        if (item === 3) stop.abort();
      },
      { signal: stop.signal, tell: silent },
    );
    expect(done).toEqual([1, 2, 3]);
  });
});
