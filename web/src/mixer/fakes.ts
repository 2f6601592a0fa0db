/** A clock, an audio graph and a server for tests: what is scheduled can be read as what would be heard. */

import type { DecodedAudio } from "./segments";

export const RATE = 1000;
export const SEGMENT_SECONDS = 6;
export const SEGMENT = SEGMENT_SECONDS * RATE;

/** Every sample of a decoded segment says which one of the song it is. */
export class FakeAudio implements DecodedAudio {
  readonly numberOfChannels = 1;
  readonly sampleRate = RATE;
  readonly track: string;
  readonly first: number;
  readonly length: number;

  constructor(track: string, first: number, length: number) {
    this.track = track;
    this.first = first;
    this.length = length;
  }

  getChannelData(): Float32Array {
    return Float32Array.from({ length: this.length }, (_, i) => Math.sin(this.first + i));
  }
}

export class FakeParam {
  value = 1;
  cancelScheduledValues(): void {}
  setValueAtTime(value: number): void {
    this.value = value;
  }
  linearRampToValueAtTime(value: number): void {
    this.value = value;
  }
}

export class FakeNode {
  readonly gain = new FakeParam();
  readonly pan = new FakeParam();
  readonly outputs: FakeNode[] = [];
  channelCount = 2;
  channelCountMode = "max";
  connect(to: FakeNode): FakeNode {
    this.outputs.push(to);
    return to;
  }
  disconnect(): void {
    this.outputs.length = 0;
  }
}

export class FakeSource extends FakeNode {
  buffer: FakeAudio | null = null;
  startFrame = Number.NaN;
  stopFrame = Number.POSITIVE_INFINITY;
  offset = 0;
  private readonly context: FakeContext;

  constructor(context: FakeContext) {
    super();
    this.context = context;
  }

  start(when: number, offset: number): void {
    // As the standard has it: what is late begins at once, and its track is out of step.
    this.startFrame = Math.max(wholeFrame(when), this.context.frame);
    this.offset = wholeFrame(offset);
    this.context.afterStart?.();
  }

  stop(when?: number): void {
    this.stopFrame = Math.max(when === undefined ? 0 : wholeFrame(when), this.context.frame);
  }

  /** The song's sample that is heard at a frame of the context, or null. */
  heard(frame: number): number | null {
    if (this.buffer === null || this.outputs.length === 0) return null;
    if (frame < this.startFrame || frame >= this.stopFrame) return null;
    const at = this.offset + frame - this.startFrame;
    return at < this.buffer.length ? this.buffer.first + at : null;
  }
}

export class FakeContext {
  readonly sampleRate = RATE;
  readonly baseLatency = 0;
  readonly outputLatency = 0;
  readonly destination = new FakeNode();
  readonly sources: FakeSource[] = [];
  state: AudioContextState = "suspended";
  frame = 0;
  onstatechange: (() => void) | null = null;
  /** Called after each source was started: a page that is slow at the wrong moment. */
  afterStart: (() => void) | null = null;

  get currentTime(): number {
    return this.frame / RATE;
  }

  createGain(): FakeNode {
    return new FakeNode();
  }

  createStereoPanner(): FakeNode {
    const node = new FakeNode();
    node.pan.value = 0;
    return node;
  }

  createBufferSource(): FakeSource {
    const source = new FakeSource(this);
    this.sources.push(source);
    return source;
  }

  async decodeAudioData(encoded: ArrayBuffer): Promise<FakeAudio> {
    const { track, first, length } = JSON.parse(new TextDecoder().decode(encoded));
    return new FakeAudio(track, first, length);
  }

  async resume(): Promise<void> {
    this.become("running");
  }

  async suspend(): Promise<void> {
    this.become("suspended");
  }

  async close(): Promise<void> {
    this.become("closed");
  }

  become(state: AudioContextState): void {
    this.state = state;
    this.onstatechange?.();
  }

  /** Moves the clock and returns what each track's listener hears meanwhile: a sample of the song for each frame, or null. Throws where one would hear two. */
  run(frames: number): Map<string, (number | null)[]> {
    const heard = new Map<string, (number | null)[]>();
    for (const source of this.sources) {
      const track = source.buffer?.track;
      if (track === undefined || source.stopFrame <= this.frame) continue;
      const line = heard.get(track) ?? new Array<number | null>(frames).fill(null);
      heard.set(track, line);
      for (let i = Math.max(0, source.startFrame - this.frame); i < frames; i++) {
        const sample = source.heard(this.frame + i);
        if (sample === null) break;
        if (line[i] !== null) throw new Error(`${track} is heard twice at ${this.frame + i}`);
        line[i] = sample;
      }
    }
    this.frame += frames;
    return heard;
  }
}

/** A server that has `seconds` of each track, or as many as `available` says by now. */
export class FakeServer {
  readonly asked: string[] = [];
  failing = false;
  private readonly samples: number;
  private readonly waiting: (() => void)[] = [];
  private held = false;

  constructor(seconds: number) {
    this.samples = seconds * RATE;
  }

  /** Answers nothing until `release`. */
  hold(): void {
    this.held = true;
  }

  release(): void {
    this.held = false;
    for (const go of this.waiting.splice(0)) go();
  }

  readonly fetch = async (track: string, segment: number, signal: AbortSignal): Promise<ArrayBuffer> => {
    this.asked.push(`${track}/${segment}`);
    if (this.held) await new Promise<void>((resolve) => this.waiting.push(resolve));
    signal.throwIfAborted();
    const first = segment * SEGMENT;
    if (this.failing || first >= this.samples) throw new Error("not there");
    const length = Math.min(SEGMENT, this.samples - first);
    return new TextEncoder().encode(JSON.stringify({ track, first, length })).buffer as ArrayBuffer;
  };
}

/** `when` must be a whole frame: in between, samples would be interpolated. */
function wholeFrame(when: number): number {
  const frame = Math.round(when * RATE);
  if (Math.abs(frame - when * RATE) > 1e-6) throw new Error(`${when} s is no whole frame`);
  return frame;
}
