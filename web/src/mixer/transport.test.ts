import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeContext, FakeNode, FakeServer, RATE, SEGMENT } from "./fakes";
import { SegmentStore } from "./segments";
import { type Clock, Sources } from "./sources";
import { Transport } from "./transport";

const TRACKS = ["mixture", "vocals", "instrumental"];
const SONG_SECONDS = 100;

/** A transport over a server, whose clock is moved in steps of a tick. */
function stage({ server = new FakeServer(SONG_SECONDS), playable = SONG_SECONDS, complete = true } = {}) {
  const context = new FakeContext();
  const inputs = new Map(TRACKS.map((track) => [track, new FakeNode()]));
  const store = new SegmentStore(
    TRACKS,
    {
      fetch: server.fetch,
      decode: (encoded) => context.decodeAudioData(encoded) as unknown as Promise<AudioBuffer>,
    },
    { segmentBytes: TRACKS.length * SEGMENT * 4, limitBytes: 60_000_000 },
    () => transport.tick(),
  );
  const transport: Transport = new Transport(
    context as unknown as BaseAudioContext,
    new Sources(context as unknown as Clock, inputs as unknown as Map<string, AudioNode>),
    store,
    SEGMENT,
    new FakeNode().gain as unknown as AudioParam,
  );
  transport.extend(playable * RATE, complete);
  /** What was heard of the song, frame by frame: null is silence. Fails where tracks differ. */
  const heard: (number | null)[] = [];
  async function run(seconds: number, step = 0.2): Promise<(number | null)[]> {
    const before = heard.length;
    for (let left = Math.round(seconds * RATE); left > 0; ) {
      const frames = Math.min(left, Math.round(step * RATE));
      const lines = context.run(frames);
      const [first = new Array<null>(frames).fill(null)] = lines.values();
      for (const track of TRACKS) expect(lines.get(track) ?? first).toEqual(first);
      expect([0, TRACKS.length]).toContain(lines.size);
      heard.push(...first);
      left -= frames;
      transport.tick();
      await vi.advanceTimersByTimeAsync(1000 * step);
    }
    return heard.slice(before);
  }
  return { context, server, store, transport, run };
}

/** Runs of consecutive samples: `[first, last]`, or null for silence. */
function runs(heard: (number | null)[]): ([number, number] | null)[] {
  const found: ([number, number] | null)[] = [];
  for (const sample of heard) {
    const last = found.at(-1);
    if (sample === null) {
      if (last !== null) found.push(null);
    } else if (last && last[1] + 1 === sample) last[1] = sample;
    else found.push([sample, sample]);
  }
  return found;
}

describe("the transport", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("plays every sample of every track once, in step, across all segments, and ends", async () => {
    const { transport, run, context } = stage();
    await run(0.4);
    transport.play();
    const heard = await run(SONG_SECONDS + 1);
    expect(runs(heard)).toEqual([null, [0, SONG_SECONDS * RATE - 1], null]);
    expect(transport.current).toBe("ended");
    expect(transport.position()).toBe(SONG_SECONDS * RATE);
    expect(context.sources.length).toBe(TRACKS.length * Math.ceil(SONG_SECONDS / 6));
  });

  it("schedules twelve seconds ahead, so that a page whose timers are slowed plays on", async () => {
    const { transport, run } = stage();
    await run(1);
    transport.play();
    await run(1);
    const heard = await run(60, 6);
    expect(runs(heard)).toHaveLength(1);
  });

  it("begins at once where the segment is there, and anew from the start once ended", async () => {
    const { transport, run } = stage();
    await run(1);
    transport.play();
    expect(transport.current).toBe("playing");
    expect(runs(await run(1))[0]).toBeNull();
    transport.seek(SONG_SECONDS * RATE);
    await run(1);
    expect(transport.current).toBe("ended");
    transport.play();
    expect(runs(await run(2)).at(-1)).toEqual([0, expect.any(Number)]);
  });

  it("stands still while paused and goes on with the next sample", async () => {
    const { transport, run } = stage();
    await run(1);
    transport.play();
    await run(7.3);
    transport.pause();
    const position = transport.position();
    const before = await run(2);
    expect(runs(before)).toEqual([[expect.any(Number), position - 1], null]);
    expect(transport.position()).toBe(position);
    transport.play();
    expect(runs(await run(2))).toEqual([null, [position, expect.any(Number)]]);
  });

  it("seeks to the sample, near and far, and wants what is needed there", async () => {
    const { transport, run, server } = stage();
    await run(1);
    transport.play();
    await run(3);
    transport.seek(77_777);
    expect(transport.position()).toBe(77_777);
    const heard = runs(await run(2));
    expect(heard.at(-1)?.[0]).toBe(77_777);
    expect(server.asked.filter((one) => one === "vocals/8")).toEqual([]);
  });

  it("waits at the edge of what is made and goes on by itself", async () => {
    const { transport, run } = stage({ playable: 13, complete: false });
    await run(1);
    transport.play();
    const heard = await run(14);
    // Two whole segments; the third is not one yet.
    expect(runs(heard)).toEqual([null, [0, 2 * SEGMENT - 1], null]);
    expect(transport.current).toBe("waiting");
    expect(transport.position()).toBe(2 * SEGMENT);
    transport.extend(20 * RATE, false);
    expect(runs(await run(3))).toEqual([null, [2 * SEGMENT, expect.any(Number)]]);
    expect(transport.current).toBe("playing");
  });

  it("waits where a segment is late, all tracks together", async () => {
    const server = new FakeServer(SONG_SECONDS);
    server.hold();
    const { transport, run } = stage({ server });
    transport.play();
    expect(transport.current).toBe("waiting");
    expect(runs(await run(1))).toEqual([null]);
    server.release();
    expect(runs(await run(5))).toEqual([null, [0, expect.any(Number)]]);
  });

  it("begins all tracks or none where the page is slow between two of them", async () => {
    const { transport, run, context } = stage();
    await run(1);
    let started = 0;
    // The clock passes the agreed frame after the first track of the first attempt.
    context.afterStart = () => {
      if (++started === 1) context.frame += 200;
    };
    transport.play();
    expect(runs(await run(3))).toEqual([null, [0, expect.any(Number)]]);
    expect(started).toBeGreaterThan(TRACKS.length);
  });

  it("repeats a region without a break, across segments", async () => {
    const { transport, run } = stage();
    await run(1);
    transport.setLoop({ start: 5000, end: 7000 });
    transport.play();
    expect(runs(await run(12)).slice(0, 5)).toEqual([
      null,
      [0, 6999],
      [5000, 6999],
      [5000, 6999],
      [5000, expect.any(Number)],
    ]);
  });

  it("takes up and leaves a region while it plays, without a break", async () => {
    const { transport, run } = stage();
    await run(1);
    transport.play();
    await run(6);
    transport.setLoop({ start: 4000, end: 8000 });
    const looped = runs(await run(8));
    expect(looped.slice(0, 2)).toEqual([
      [expect.any(Number), 7999],
      [4000, 7999],
    ]);
    transport.setLoop(null);
    const after = runs(await run(6));
    expect(after).toHaveLength(1);
    expect(after[0]?.[1]).toBeGreaterThan(8000);
  });

  it("jumps to the start of a region that lies behind", async () => {
    const { transport, run } = stage();
    await run(1);
    transport.play();
    await run(20);
    transport.setLoop({ start: 1000, end: 2000 });
    expect(runs(await run(3)).slice(-2)).toEqual([
      [1000, 1999],
      [1000, expect.any(Number)],
    ]);
  });

  it("holds six segments at most over a song of two hours", async () => {
    const { transport, run, store } = stage({ server: new FakeServer(7200), playable: 7200 });
    await run(1);
    transport.play();
    for (const minute of [0, 30, 60, 119]) {
      transport.seek(minute * 60 * RATE);
      await run(20);
    }
    expect(store.peakBytes).toBeLessThan(6 * TRACKS.length * SEGMENT * 4 + 1000);
    transport.close();
    store.close();
    expect(store.bytes).toBe(0);
  });
});
