/**
 * Plays all tracks on the one clock of an AudioContext.
 *
 * Every source is started at a whole frame of that clock, ahead of time, the same frame for all tracks: they are in step
 * to the sample because nothing else is possible. A seek, another loop or a pause cuts what is scheduled at one frame and
 * lets the plan go on from there.
 */

import { type Grid, type Loop, type Span, segmentsAhead, spansFrom } from "./plan";
import type { SegmentStore } from "./segments";

export type TransportState = "paused" | "playing" | "waiting" | "ended";

/** What the transport needs of an AudioContext. */
export type Clock = Pick<BaseAudioContext, "currentTime" | "sampleRate" | "createBufferSource">;

interface Scheduled extends Span {
  /** Frame of the context's clock at which it is heard first. */
  readonly at: number;
  readonly sources: readonly AudioBufferSourceNode[];
}

/** Decoded and scheduled ahead of what is heard. */
export const LOOK_AHEAD_SECONDS = 12;
/** From a decision to its first frame: the time that starting one source per track may take. */
const MARGIN_SECONDS = 0.06;
/** What is heard rises and falls over this long where it begins or is cut, so that it does not click. */
export const FADE_SECONDS = 0.008;

export class Transport {
  private readonly clock: Clock;
  private readonly inputs: ReadonlyMap<string, AudioNode>;
  private readonly store: Pick<SegmentStore, "get" | "want">;
  private readonly fade: AudioParam;

  private state: TransportState = "paused";
  private grid: Grid;
  private complete = false;
  private loop: Loop | null = null;
  private scheduled: Scheduled[] = [];
  /** Sample of the song that is scheduled next, and where the song stands while nothing sounds. */
  private cursor = 0;

  /** `fade`: gain of everything, brought to nothing where playing is cut. */
  constructor(
    clock: Clock,
    inputs: ReadonlyMap<string, AudioNode>,
    store: Pick<SegmentStore, "get" | "want">,
    segmentSamples: number,
    fade: AudioParam,
  ) {
    this.clock = clock;
    this.inputs = inputs;
    this.store = store;
    this.fade = fade;
    this.grid = { segmentSamples, end: 0 };
  }

  get current(): TransportState {
    return this.state;
  }

  get region(): Loop | null {
    return this.loop;
  }

  /** How far the song can be played now, in samples. */
  get end(): number {
    return this.grid.end;
  }

  /** More can be heard. `complete`: it will not become more. */
  extend(end: number, complete: boolean): void {
    const { segmentSamples } = this.grid;
    // While the stems are made, a segment counts once it is there as a whole.
    const whole = complete ? end : Math.floor(end / segmentSamples) * segmentSamples;
    this.grid = { segmentSamples, end: whole };
    this.complete = complete;
    this.tick();
  }

  play(): void {
    if (this.state === "playing" || this.state === "waiting") return;
    if (this.atEnd(this.cursor)) this.cursor = this.loop?.start ?? 0;
    this.state = "waiting";
    this.tick();
  }

  pause(): void {
    if (this.state === "paused" || this.state === "ended") return;
    this.cursor = this.cut();
    this.state = "paused";
    this.tick();
  }

  seek(position: number): void {
    this.cut();
    this.cursor = Math.max(0, Math.round(position));
    if (this.complete) this.cursor = Math.min(this.cursor, this.grid.end);
    if (this.state === "ended") this.state = "paused";
    if (this.state === "playing") this.state = "waiting";
    this.tick();
  }

  /** Repeats a region from now on, without a break where the region is being heard. */
  setLoop(loop: Loop | null): void {
    this.loop = loop;
    const sounding = this.scheduled.length > 0;
    if (loop !== null && this.position() >= loop.end) {
      this.seek(loop.start);
      return;
    }
    if (sounding) {
      const frame = this.frame() + this.frames(MARGIN_SECONDS);
      this.cursor = this.positionAt(frame);
      this.truncate(frame);
    }
    this.tick();
  }

  /** The sample that is heard now, or `secondsAgo` (a device plays what it is given a little later). */
  position(secondsAgo = 0): number {
    return this.positionAt(this.frame() - this.frames(secondsAgo));
  }

  /** Keeps twelve seconds scheduled. To be called several times a second, and when a segment arrives. */
  tick(): void {
    const now = this.frame();
    while (this.scheduled[0] && this.scheduled[0].at + this.scheduled[0].length <= now)
      release(this.scheduled.shift());
    this.store.want(
      segmentsAhead(this.positionAt(now), this.frames(LOOK_AHEAD_SECONDS), this.grid, this.loop),
    );
    if (this.state === "paused" || this.state === "ended") return;
    this.schedule(now + this.frames(LOOK_AHEAD_SECONDS));
    if (this.scheduled.length > 0) this.state = "playing";
    else this.state = this.atEnd(this.cursor) ? "ended" : "waiting";
  }

  close(): void {
    this.truncate(0);
    this.state = "paused";
    this.store.want([]);
  }

  private schedule(until: number): void {
    for (const span of spansFrom(this.cursor, this.grid, this.loop)) {
      const last = this.scheduled.at(-1);
      if (last && last.at + last.length >= until) return;
      const audio = this.store.get(span.segment);
      if (audio === undefined) return;
      const earliest = this.frame() + this.frames(MARGIN_SECONDS);
      const next = last ? last.at + last.length : earliest;
      // Too late to follow without a break: what is scheduled plays out, then begins anew.
      if (last && next < this.frame() + this.frames(MARGIN_SECONDS / 2)) return;
      const started = this.start(span, audio, next);
      if (started === null) return;
      if (!last) this.rise(next);
      this.scheduled.push(started);
      this.cursor = span.position + span.length;
      if (this.loop !== null && this.cursor === this.loop.end) this.cursor = this.loop.start;
    }
  }

  /** Null where the clock has passed the frame meanwhile: then no track may sound, for some would be late. */
  private start(span: Span, audio: ReadonlyMap<string, AudioBuffer>, at: number): Scheduled | null {
    const { sampleRate } = this.clock;
    const sources: AudioBufferSourceNode[] = [];
    for (const [track, buffer] of audio) {
      const input = this.inputs.get(track);
      if (input === undefined) continue;
      const source = this.clock.createBufferSource();
      source.buffer = buffer;
      source.connect(input);
      source.start(at / sampleRate, span.offset / sampleRate);
      source.stop((at + span.length) / sampleRate);
      sources.push(source);
    }
    const started = { ...span, at, sources };
    if (this.frame() < at) return started;
    release(started);
    return null;
  }

  /** Silences what sounds within a few milliseconds and forgets the rest. Returns where the song then stands. */
  private cut(): number {
    if (this.scheduled.length === 0) return this.cursor;
    const { currentTime, sampleRate } = this.clock;
    const frame = this.frame() + this.frames(2 * FADE_SECONDS);
    const stands = this.positionAt(frame);
    this.fade.cancelScheduledValues(currentTime);
    this.fade.setValueAtTime(1, currentTime);
    this.fade.linearRampToValueAtTime(0, frame / sampleRate);
    this.truncate(frame);
    // What fades out needs its buffers no longer; the sources hold them until they have ended.
    this.scheduled = [];
    return stands;
  }

  private rise(at: number): void {
    const { sampleRate } = this.clock;
    this.fade.setValueAtTime(0, at / sampleRate);
    this.fade.linearRampToValueAtTime(1, at / sampleRate + FADE_SECONDS);
  }

  private truncate(frame: number): void {
    const kept: Scheduled[] = [];
    for (const one of this.scheduled) {
      if (one.at >= frame) release(one);
      else if (one.at + one.length <= frame) kept.push(one);
      else {
        for (const source of one.sources) source.stop(frame / this.clock.sampleRate);
        kept.push({ ...one, length: frame - one.at });
      }
    }
    this.scheduled = kept;
  }

  private positionAt(frame: number): number {
    const first = this.scheduled[0];
    if (first === undefined) return this.cursor;
    if (frame <= first.at) return first.position;
    for (const one of this.scheduled) if (frame < one.at + one.length) return one.position + frame - one.at;
    return this.cursor;
  }

  private atEnd(position: number): boolean {
    return this.complete && position >= this.grid.end;
  }

  private frame(): number {
    return Math.round(this.clock.currentTime * this.clock.sampleRate);
  }

  private frames(seconds: number): number {
    return Math.ceil(seconds * this.clock.sampleRate);
  }
}

function release(one: Scheduled | undefined): void {
  for (const source of one?.sources ?? []) {
    source.stop();
    source.disconnect();
    source.buffer = null;
  }
}
