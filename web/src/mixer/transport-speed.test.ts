import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type FakeAudio, FakeContext, FakeNode, FakeServer, RATE, SEGMENT } from "./fakes";
import type { Output } from "./output";
import type { SegmentAudio } from "./segments";
import { SegmentStore } from "./segments";
import { type Clock, Sources } from "./sources";
import { TempoMap } from "./tempo";
import { Transport } from "./transport";

const SONG_SECONDS = 60;

/** An output as the worklet is one: streams of samples, each of which says where in the song it is. */
class FakeStretched implements Output {
  readonly beginSeconds = 0.15;
  readonly followSeconds = (speed: number) => 0.15 + 0.06 / speed;
  readonly aheadSeconds = 2;
  readonly longestSeconds = 0.5;
  private stream: number[] = [];
  private tempoMap = new TempoMap(0, 1);
  private first = Number.POSITIVE_INFINITY;
  private last = Number.POSITIVE_INFINITY;

  play(
    audio: SegmentAudio,
    offset: number,
    length: number,
    frame: number,
    speed: number,
    following: boolean,
  ): boolean {
    if (!following) {
      this.stream = [];
      this.tempoMap = new TempoMap(frame, speed);
      [this.first, this.last] = [frame, Number.POSITIVE_INFINITY];
    }
    const { first } = audio.get("vocals") as unknown as FakeAudio;
    for (let i = 0; i < length; i++) this.stream.push(first + offset + i);
    return true;
  }

  end(frame: number): void {
    this.last = frame;
  }

  get ending(): boolean {
    return this.last !== Number.POSITIVE_INFINITY;
  }

  truncate(frame: number): void {
    this.stream.length = Math.round(this.tempoMap.sampleAt(frame));
  }

  setSpeed(speed: number, frame: number): void {
    this.tempoMap.setSpeed(speed, frame);
  }

  forget(): void {}

  /** The song's sample that is heard at a frame, or null. */
  heard(frame: number): number | null {
    if (frame < this.first || frame >= this.last) return null;
    return this.stream[Math.round(this.tempoMap.sampleAt(frame))] ?? null;
  }
}

function stage() {
  const context = new FakeContext();
  const server = new FakeServer(SONG_SECONDS);
  const sources = new Sources(
    context as unknown as Clock,
    new Map([["vocals", new FakeNode() as unknown as AudioNode]]),
  );
  const stretched = new FakeStretched();
  const store = new SegmentStore(
    ["vocals"],
    {
      fetch: server.fetch,
      decode: (encoded) => context.decodeAudioData(encoded) as unknown as Promise<AudioBuffer>,
    },
    { segmentBytes: SEGMENT * 4, limitBytes: 60_000_000 },
    () => transport.tick(),
  );
  const transport: Transport = new Transport(
    context as unknown as Clock,
    sources,
    store,
    SEGMENT,
    new FakeNode().gain as unknown as AudioParam,
  );
  transport.extend(SONG_SECONDS * RATE, true);
  /** What is heard of the song at each frame, through the worklet. Fails where the clock of the page says something else. */
  async function run(seconds: number): Promise<(number | null)[]> {
    const heard: (number | null)[] = [];
    for (let left = Math.round(seconds * RATE); left > 0; left -= 100) {
      for (let i = 0; i < 100; i++) {
        const sample = stretched.heard(context.frame);
        // While it fades out, the page's clock stands where it is led.
        if (sample !== null && !stretched.ending)
          expect(Math.abs(transport.position() - sample)).toBeLessThan(2);
        heard.push(sample);
        context.frame++;
      }
      transport.tick();
      await vi.advanceTimersByTimeAsync(100);
    }
    return heard;
  }
  return { context, sources, stretched, transport, run };
}

/** How far the song goes on from frame to frame, wherever it does so steadily. */
function jumps(heard: (number | null)[], speed: number): number[] {
  const found = [];
  for (let i = 1; i < heard.length; i++) {
    const [before, now] = [heard[i - 1] ?? null, heard[i] ?? null];
    if (before !== null && now !== null && Math.abs(now - before - speed) > 1) found.push(now);
  }
  return found;
}

describe("the transport at another speed", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it.each([0.5, 0.93, 2])(
    "plays the song from end to end at %f, and the page's clock with it",
    async (speed) => {
      const { transport, stretched, run } = stage();
      transport.setSpeed(speed, stretched);
      transport.play();
      const heard = await run(SONG_SECONDS / speed + 1);
      const sounding = heard.filter((sample) => sample !== null);
      expect([sounding[0], sounding.at(-1)]).toEqual([0, expect.any(Number)]);
      expect(sounding.length).toBeGreaterThan((SONG_SECONDS * RATE) / speed - 5);
      expect(jumps(heard, speed)).toEqual([]);
      expect(transport.current).toBe("ended");
    },
  );

  it("changes speed while it plays without a break, again and again", async () => {
    const { transport, stretched, run } = stage();
    transport.setSpeed(1.5, stretched);
    transport.play();
    await run(3);
    for (const speed of [1.4, 1.3, 0.5, 2, 0.77]) {
      transport.setSpeed(speed);
      const heard = await run(0.1);
      expect(heard).not.toContain(null);
    }
    const heard = await run(5);
    expect(jumps(heard.slice(500), 0.77)).toEqual([]);
    expect((heard.at(-1) ?? 0) - (heard[1000] ?? 0)).toBeCloseTo(0.77 * (heard.length - 1001), -1);
  });

  it("repeats a region to the sample, taken up while it plays", async () => {
    const { transport, stretched, run } = stage();
    transport.setSpeed(2, stretched);
    transport.play();
    await run(1.5);
    transport.setLoop({ start: 3000, end: 7000 });
    const heard = await run(9);
    const turns = jumps(heard, 2);
    expect(turns.length).toBeGreaterThan(2);
    for (const turn of turns) expect(turn - 3000).toBeLessThan(2);
  });

  it("seeks to the sample, and pauses and goes on there", async () => {
    const { transport, stretched, run } = stage();
    transport.setSpeed(0.8, stretched);
    transport.play();
    await run(1);
    transport.seek(41_234);
    expect(transport.position()).toBe(41_234);
    expect((await run(1)).find((sample) => sample !== null && sample > 5000)).toBe(41_234);
    transport.pause();
    const stands = transport.position();
    await run(1);
    expect(transport.position()).toBe(stands);
    transport.play();
    expect((await run(1)).find((sample) => sample !== null)).toBe(stands);
  });

  it("goes back to the samples as they are where the song stands", async () => {
    const { transport, stretched, sources, context, run } = stage();
    transport.setSpeed(1.25, stretched);
    transport.play();
    await run(2);
    transport.setSpeed(1, sources);
    const from = transport.position();
    transport.tick();
    const [heard = []] = context.run(500).values();
    const first = heard.find((sample) => sample !== null);
    expect(first).toBe(from);
    expect(stretched.heard(context.frame)).toBeNull();
    expect(transport.position()).toBe((heard.at(-1) ?? 0) + 1);
  });
});
