import { beforeEach, describe, expect, it } from "vitest";
import { OrderKeys } from "./orders";
import { Problem } from "./problem";

describe("the key of an order", () => {
  let keys: OrderKeys;
  let used: string[];
  const order = (status: number) =>
    keys
      .order("whole of job_1", async (key) => {
        used.push(key);
        if (status !== 201) throw new Problem(status, "", "");
      })
      .catch(() => undefined);

  beforeEach(() => {
    keys = new OrderKeys();
    used = [];
  });

  it.each([201, 402])("is another once it has been answered: %i", async (status) => {
    await order(status);
    await order(201);
    expect(new Set(used).size).toBe(2);
  });

  it.each([0, 503, 409])("is the same while it may have been answered by nobody: %i", async (status) => {
    await order(status);
    await order(201);
    expect(new Set(used).size).toBe(1);
  });

  it("is one for two presses at once", async () => {
    await Promise.all([order(201), order(201)]);
    expect(new Set(used).size).toBe(1);
  });
});
