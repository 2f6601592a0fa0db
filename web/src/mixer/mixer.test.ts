import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeContext, FakeServer, RATE, SEGMENT_SECONDS } from "./fakes";
import { contextRate, MEMORY_LIMIT_BYTES, Mixer, type Playback } from "./mixer";

const PLAYBACK: Playback = {
  sample_rate_hz: RATE,
  channels: 1,
  segment_seconds: SEGMENT_SECONDS,
  playable_seconds: 0,
  tracks: ["mixture", "vocals", "instrumental"],
};

async function stage(playback = PLAYBACK) {
  const context = new FakeContext();
  const server = new FakeServer(60);
  const mixer = new Mixer(playback, context as unknown as AudioContext, server.fetch);
  mixer.extend(60, true);
  await vi.advanceTimersByTimeAsync(200);
  const run = async (seconds: number) => {
    for (let tick = 0; tick < seconds * 5; tick++) {
      if (context.state === "running") context.run(RATE / 5);
      await vi.advanceTimersByTimeAsync(200);
    }
  };
  return { context, server, mixer, run };
}

describe("the mixer", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("tells its listeners of each change once, and not of nothing", async () => {
    const { mixer, run } = await stage();
    const told = vi.fn();
    mixer.subscribe(told);
    await run(1);
    expect(told).not.toHaveBeenCalled();
    mixer.setStrip("vocals", { muted: true });
    expect(told).toHaveBeenCalledTimes(1);
    expect(mixer.getState().strips.get("vocals")?.muted).toBe(true);
    await mixer.play();
    expect(mixer.getState().transport).toBe("playing");
    expect(told).toHaveBeenCalledTimes(2);
    const arrived = mixer.getState().arrived;
    await run(3);
    expect(told).toHaveBeenCalledTimes(2 + mixer.getState().arrived - arrived);
  });

  it("lets go of the device a moment after a pause, and takes it again", async () => {
    const { mixer, run, context } = await stage();
    await mixer.play();
    await run(2);
    mixer.pause();
    const position = mixer.position();
    await run(1);
    expect(context.state).toBe("suspended");
    expect(mixer.position()).toBe(position);
    await mixer.toggle();
    await run(1);
    expect(context.state).toBe("running");
    expect(mixer.position()).toBeGreaterThan(position);
  });

  it("pauses when the system takes the sound away", async () => {
    const { mixer, run, context } = await stage();
    await mixer.play();
    await run(1);
    context.become("suspended");
    expect(mixer.getState().transport).toBe("paused");
  });

  it("makes a region at least a quarter of a second long", async () => {
    const { mixer } = await stage();
    mixer.setLoop({ start: 2, end: 2.1 });
    expect(mixer.getState().loop).toEqual({ start: 2, end: 2.25 });
    mixer.setLoop(null);
    expect(mixer.getState().loop).toBeNull();
  });

  it("says why nothing comes, and plays on once it does", async () => {
    const { mixer, run, server } = await stage();
    server.failing = true;
    mixer.seek(40);
    await mixer.play();
    await run(1);
    expect(mixer.getState()).toMatchObject({ transport: "waiting", failure: expect.any(Error) });
    server.failing = false;
    await run(3);
    expect(mixer.getState()).toMatchObject({ transport: "playing", failure: null });
  });

  it("goes where it was a moment ago without a request, and is heard there in the same turn", async () => {
    const { mixer, run, server, context } = await stage();
    await mixer.play();
    await run(4);
    mixer.seek(40);
    await run(2);
    const asked = server.asked.length;
    const begun = context.sources.length;
    mixer.seek(2);
    expect(mixer.getState().transport).toBe("playing");
    expect(context.sources.length).toBeGreaterThan(begun);
    // Two segments were kept; the third is for ten seconds later.
    expect(new Set(server.asked.slice(asked).map((one) => one.split("/")[1]))).toEqual(new Set(["2"]));
  });

  it("goes anywhere with one request for each track, all at once, and is heard before anything is measured", async () => {
    const { mixer, run, server, context } = await stage();
    await mixer.play();
    await run(4);
    server.hold();
    const asked = server.asked.length;
    const arrived = mixer.getState().arrived;
    mixer.seek(41);
    expect(server.asked.slice(asked)).toEqual(PLAYBACK.tracks.map((track) => `${track}/6`));
    const begun = context.sources.length;
    server.release();
    // As many turns as answering and decoding take, and no timer.
    for (let turn = 0; turn < 20 && context.sources.length === begun; turn++) await Promise.resolve();
    expect(mixer.getState().transport).toBe("playing");
    expect(context.sources.length).toBe(begun + PLAYBACK.tracks.length);
    expect(mixer.getState().arrived).toBe(arrived);
    await run(1);
    expect(mixer.getState().arrived).toBeGreaterThan(arrived);
  });

  it("has loaded where somebody points before they press", async () => {
    const { mixer, run, server } = await stage();
    await mixer.play();
    await run(4);
    mixer.foresee(50);
    await run(1);
    const asked = server.asked.length;
    mixer.seek(50);
    expect(mixer.getState().transport).toBe("playing");
    expect(server.asked.slice(asked).filter((one) => one.endsWith("/8"))).toEqual([]);
  });

  it("releases everything when it is closed", async () => {
    const { mixer, context } = await stage();
    await mixer.play();
    await mixer.close();
    expect(mixer.memory.bytes).toBe(0);
    expect(context.state).toBe("closed");
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ["a song in stereo", 44_100, 2, 44_100],
    ["a studio's 192 kHz", 192_000, 2, 192_000],
    ["surround at 96 kHz", 96_000, 6, 48_000],
  ])("plays %s at %i Hz within its memory", (_, sample_rate_hz, channels, rate) => {
    const playback = { ...PLAYBACK, sample_rate_hz, channels };
    expect(contextRate(playback)).toBe(rate);
    expect(2 * 3 * SEGMENT_SECONDS * rate * channels * 4).toBeLessThan(MEMORY_LIMIT_BYTES);
  });
});
