import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeAudio, FakeServer, SEGMENT } from "./fakes";
import { SegmentStore, TooLargeToPlay } from "./segments";

const TRACKS = ["mixture", "vocals"];
const SEGMENT_BYTES = TRACKS.length * SEGMENT * 4;

function store(server: FakeServer, segments = 4) {
  const changes: string[] = [];
  const made = new SegmentStore<FakeAudio>(
    TRACKS,
    {
      fetch: server.fetch,
      decode: async (encoded) => {
        const { track, first, length } = JSON.parse(new TextDecoder().decode(encoded));
        return new FakeAudio(track, first, length);
      },
    },
    { segmentBytes: SEGMENT_BYTES, limitBytes: segments * SEGMENT_BYTES },
    (audio, segment) => changes.push(audio === null ? `${segment} failed` : `${segment}`),
  );
  return { store: made, changes };
}

describe("the segment store", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("loads one segment at a time, all its tracks together, the first wanted first", async () => {
    const server = new FakeServer(60);
    server.hold();
    const { store: segments, changes } = store(server);
    segments.want([3, 4]);
    expect(server.asked).toEqual(["mixture/3", "vocals/3"]);
    server.release();
    await vi.waitFor(() => expect(changes).toEqual(["3", "4"]));
    expect([...(segments.get(3)?.keys() ?? [])]).toEqual(TRACKS);
  });

  it("keeps the two that were wanted last besides those that are, drops the others and counts what it holds", async () => {
    const { store: segments } = store(new FakeServer(60), 8);
    for (const wanted of [[0, 1], [2], [0], [3]]) {
      segments.want(wanted);
      await vi.runAllTimersAsync();
    }
    expect([0, 1, 2, 3].filter((segment) => segments.get(segment))).toEqual([0, 2, 3]);
    expect(segments.bytes).toBe(3 * SEGMENT_BYTES);
    segments.close();
    expect(segments.bytes).toBe(0);
  });

  it("keeps nothing where all the room is needed", async () => {
    const { store: segments } = store(new FakeServer(60), 3);
    segments.want([0, 1]);
    await vi.runAllTimersAsync();
    segments.want([5, 6]);
    await vi.runAllTimersAsync();
    expect(segments.get(0)).toBeUndefined();
    expect(segments.bytes).toBe(2 * SEGMENT_BYTES);
  });

  it("loads what is foreseen after all that is needed, and asks for it once", async () => {
    const server = new FakeServer(60);
    server.hold();
    const { store: segments, changes } = store(server, 8);
    segments.want([0]);
    segments.foresee(7);
    expect(server.asked).toEqual(["mixture/0", "vocals/0"]);
    server.release();
    await vi.waitFor(() => expect(changes).toEqual(["0", "7"]));
    segments.want([7]);
    expect(segments.get(7)).toBeDefined();
    await vi.runAllTimersAsync();
    expect(server.asked).toHaveLength(2 * TRACKS.length);
  });

  it("lets what is foreseen wait when something is needed, but not when it is that", async () => {
    const server = new FakeServer(60);
    const { store: segments, changes } = store(server, 8);
    segments.want([0]);
    await vi.runAllTimersAsync();
    server.hold();
    segments.foresee(7);
    segments.want([7]);
    expect(server.asked.filter((one) => one.endsWith("/7"))).toHaveLength(TRACKS.length);
    segments.foresee(5);
    segments.want([3]);
    server.release();
    await vi.waitFor(() => expect(changes).toEqual(["0", "3", "5"]));
  });

  it("says nothing of what was foreseen and cannot be had", async () => {
    const server = new FakeServer(60);
    const { store: segments, changes } = store(server, 8);
    segments.want([0]);
    await vi.runAllTimersAsync();
    server.failing = true;
    segments.foresee(7);
    await vi.runAllTimersAsync();
    expect(changes).toEqual(["0"]);
    expect(segments.failure).toBeNull();
    expect(server.asked).toHaveLength(2 * TRACKS.length);
  });

  it("gives up a segment on its way when another is wanted, and never shows it", async () => {
    const server = new FakeServer(60);
    server.hold();
    const { store: segments, changes } = store(server);
    segments.want([0]);
    segments.want([7]);
    server.release();
    await vi.waitFor(() => expect(changes).toEqual(["7"]));
    expect(segments.get(0)).toBeUndefined();
  });

  it("holds no more than its limit, whatever is wanted", async () => {
    const { store: segments, changes } = store(new FakeServer(60), 2);
    segments.want([0, 1, 2, 3, 4]);
    await vi.waitFor(() => expect(changes).toHaveLength(2));
    await vi.runAllTimersAsync();
    expect(segments.get(2)).toBeUndefined();
    // What arrives counts encoded too until it is decoded: some bytes of JSON here.
    expect(segments.peakBytes).toBeLessThan(2 * SEGMENT_BYTES + 500);
  });

  it("holds no more than its limit with what is kept and what is foreseen", async () => {
    for (const limit of [2, 3, 4, 5, 9]) {
      const { store: segments } = store(new FakeServer(600), limit);
      for (let first = 0; first < 40; first += 7) {
        segments.want([first, first + 1, first + 2, first + 3]);
        segments.foresee(first + 20);
        await vi.runAllTimersAsync();
      }
      expect(segments.peakBytes).toBeLessThan(limit * SEGMENT_BYTES + 500);
    }
  });

  it("refuses audio of which not even two segments fit", () => {
    expect(() => store(new FakeServer(60), 1)).toThrow(TooLargeToPlay);
  });

  it("asks again by itself for what could not be had", async () => {
    const server = new FakeServer(60);
    server.failing = true;
    const { store: segments, changes } = store(server);
    segments.want([0]);
    await vi.waitFor(() => expect(changes).toEqual(["0 failed"]));
    expect(segments.failure).toBeInstanceOf(Error);
    server.failing = false;
    await vi.advanceTimersByTimeAsync(500);
    expect(changes).toEqual(["0 failed", "0"]);
    expect(segments.failure).toBeNull();
  });

  it("waits longer each time, and not at all when asked to", async () => {
    const server = new FakeServer(60);
    server.failing = true;
    const { store: segments, changes } = store(server);
    segments.want([0]);
    await vi.advanceTimersByTimeAsync(1400);
    expect(changes).toHaveLength(2);
    segments.retry();
    await vi.advanceTimersByTimeAsync(0);
    expect(changes).toHaveLength(3);
    segments.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(changes).toHaveLength(3);
  });
});
