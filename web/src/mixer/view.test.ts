import { describe, expect, it } from "vitest";
import { following, markSeconds, moved, whole, zoomed } from "./view";

describe("the view", () => {
  it("keeps what is pointed at in its place while it comes nearer", () => {
    const view = zoomed(whole(200), 4, 50, 200);
    expect(view).toEqual({ start: 37.5, end: 87.5 });
    expect((50 - view.start) / (view.end - view.start)).toBe(0.25);
  });

  it("never leaves the song, whichever way it is moved or widened", () => {
    expect(zoomed({ start: 150, end: 200 }, 0.5, 200, 200)).toEqual({ start: 100, end: 200 });
    expect(zoomed({ start: 10, end: 20 }, 1e-9, 15, 200)).toEqual(whole(200));
    expect(moved({ start: 10, end: 20 }, -50, 200)).toEqual({ start: 0, end: 10 });
    expect(moved({ start: 10, end: 20 }, 500, 200)).toEqual({ start: 190, end: 200 });
  });

  it("comes no nearer than single samples", () => {
    const view = zoomed(whole(200), 1e12, 100, 200);
    expect(view.end - view.start).toBeCloseTo(0.01);
  });

  it("turns a page when the position leaves it", () => {
    const view = { start: 10, end: 20 };
    expect(following(view, 15, 200)).toBe(view);
    expect(following(view, 20.5, 200)).toEqual({ start: 19.5, end: 29.5 });
    expect(following(view, 3, 200)).toEqual({ start: 2, end: 12 });
  });

  it("sets marks that do not touch", () => {
    expect(markSeconds(whole(200), 1000, 80)).toBe(30);
    expect(markSeconds({ start: 0, end: 0.02 }, 1000, 80)).toBe(0.002);
  });
});
