/**
 * Plays all tracks on the one clock of an AudioContext.
 *
 * Pieces of the song are agreed ahead of time with the frame at which they are heard. A seek, another loop or a pause cuts
 * what is agreed at one frame and lets the plan go on from there. What makes them sound is an `Output`: the samples as they
 * are, or stretched.
 */

import type { Output } from "./output";
import { type Grid, type Loop, type Span, segmentsAhead, spansFrom } from "./plan";
import type { SegmentStore } from "./segments";

export type TransportState = "paused" | "playing" | "waiting" | "ended";

export type Clock = Pick<BaseAudioContext, "currentTime" | "sampleRate">;

interface Scheduled extends Span {
  /** Frame of the context's clock at which it is heard first; between two of them at another speed than the song's. */
  readonly at: number;
  readonly speed: number;
}

/** Of the song, decoded ahead of what is heard. */
export const LOOK_AHEAD_SECONDS = 12;
/** From a decision about what follows to its frame: the time that carrying it out may take. */
const MARGIN_SECONDS = 0.03;
/** What is heard rises and falls over this long where it begins or is cut, so that it does not click. */
export const FADE_SECONDS = 0.008;

export class Transport {
  private readonly clock: Clock;
  private readonly store: Pick<SegmentStore, "get" | "want">;
  private readonly fade: AudioParam;

  private output: Output;
  private speed = 1;
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
    output: Output,
    store: Pick<SegmentStore, "get" | "want">,
    segmentSamples: number,
    fade: AudioParam,
  ) {
    this.clock = clock;
    this.output = output;
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
      const frame = this.frame() + this.frames(this.output.followSeconds(this.speed) + MARGIN_SECONDS);
      this.cursor = Math.round(this.positionAt(frame));
      this.truncate(frame);
      this.output.truncate(frame);
    }
    this.tick();
  }

  /** From now on another output is heard, from where the song stands; without one, only at another speed, and without a break. */
  setSpeed(speed: number, output = this.output): void {
    if (output !== this.output) {
      this.cursor = this.cut();
      this.output = output;
      if (this.state === "playing") this.state = "waiting";
    } else if (this.scheduled[0]) {
      const soon = this.frame() + this.frames(this.output.beginSeconds);
      const frame = Math.max(soon, this.scheduled[0].at);
      this.output.setSpeed(speed, frame);
      this.scheduled = retimed(this.scheduled, speed, frame);
    }
    this.speed = speed;
    this.tick();
  }

  /** The sample that is heard now, or `secondsAgo` (a device plays what it is given a little later). */
  position(secondsAgo = 0): number {
    return this.positionAt(this.frame() - this.frames(secondsAgo));
  }

  /** Keeps enough scheduled. To be called several times a second, and when a segment arrives. */
  tick(): void {
    const now = this.frame();
    while (this.scheduled[0] && endOf(this.scheduled[0]) <= now) this.scheduled.shift();
    this.output.forget(now);
    this.store.want(
      segmentsAhead(Math.floor(this.positionAt(now)), this.frames(LOOK_AHEAD_SECONDS), this.grid, this.loop),
    );
    if (this.state === "paused" || this.state === "ended") return;
    this.schedule(now + this.frames(this.output.aheadSeconds));
    if (this.scheduled.length > 0) this.state = "playing";
    else this.state = this.atEnd(this.cursor) ? "ended" : "waiting";
  }

  close(): void {
    this.scheduled = [];
    this.output.end(0);
    this.state = "paused";
    this.store.want([]);
  }

  private schedule(until: number): void {
    const longest = this.frames(this.output.longestSeconds);
    for (const span of spansFrom(this.cursor, this.grid, this.loop, longest)) {
      const last = this.scheduled.at(-1);
      if (last && endOf(last) >= until) return;
      const audio = this.store.get(span.segment);
      if (audio === undefined) return;
      const at = last ? endOf(last) : this.frame() + this.frames(this.output.beginSeconds);
      // Too late to follow without a break: what is scheduled plays out, then begins anew.
      if (last && at < this.frame() + this.frames(this.output.followSeconds(last.speed))) return;
      const speed = last?.speed ?? this.speed;
      if (!this.output.play(audio, span.offset, span.length, at, speed, last !== undefined)) return;
      if (!last) this.rise(at);
      this.scheduled.push({ ...span, at, speed });
      this.cursor = span.position + span.length;
      if (this.loop !== null && this.cursor === this.loop.end) this.cursor = this.loop.start;
    }
  }

  /** Silences what sounds within a few milliseconds and forgets the rest. Returns where the song then stands. */
  private cut(): number {
    if (this.scheduled.length === 0) return this.cursor;
    const { currentTime, sampleRate } = this.clock;
    const frame = this.frame() + this.frames(2 * FADE_SECONDS);
    const stands = Math.round(this.positionAt(frame));
    this.fade.cancelScheduledValues(currentTime);
    this.fade.setValueAtTime(1, currentTime);
    this.fade.linearRampToValueAtTime(0, frame / sampleRate);
    this.output.end(frame);
    this.scheduled = [];
    return stands;
  }

  private rise(at: number): void {
    const { sampleRate } = this.clock;
    this.fade.setValueAtTime(0, at / sampleRate);
    this.fade.linearRampToValueAtTime(1, at / sampleRate + FADE_SECONDS);
  }

  private truncate(frame: number): void {
    this.scheduled = this.scheduled
      .filter((one) => one.at < frame)
      .map((one) => (endOf(one) <= frame ? one : { ...one, length: (frame - one.at) * one.speed }));
  }

  private positionAt(frame: number): number {
    const first = this.scheduled[0];
    if (first === undefined) return this.cursor;
    if (frame <= first.at) return first.position;
    for (const one of this.scheduled)
      if (frame < endOf(one)) return one.position + (frame - one.at) * one.speed;
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

function endOf(one: Scheduled): number {
  return one.at + one.length / one.speed;
}

/** The same pieces of the song, at another speed from a frame on that is not before the first of them. */
function retimed(scheduled: readonly Scheduled[], speed: number, frame: number): Scheduled[] {
  let at = frame;
  return scheduled.flatMap((one) => {
    if (endOf(one) <= frame) return [one];
    const heard = Math.max(0, (frame - one.at) * one.speed);
    const rest = { ...one, position: one.position + heard, length: one.length - heard, at, speed };
    at = endOf(rest);
    return heard > 0 ? [{ ...one, length: heard }, rest] : [rest];
  });
}
