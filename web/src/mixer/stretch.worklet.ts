/** On the thread of the audio graph: plays streams of samples at their speed and in their key, at the very frames that were agreed. */

import { Stretch } from "./stretch";
import { Tape } from "./tape";
import { TempoMap } from "./tempo";

/** What the page tells, always about the latest stream. */
export type ToWorklet =
  /** More samples, a channel after the other, all of one length; `begin`: of another stream, heard from `frame` on. */
  | { readonly samples: Float32Array[]; readonly begin: { frame: number; speed: number } | null }
  /** Its samples from `sample` on are not heard. */
  | { readonly truncate: number }
  /** Nothing of it is heard from `frame` on. */
  | { readonly end: number }
  | { readonly speed: number; readonly frame: number }
  | { readonly semitones: number };

/** What it tells: that it is ready, and afterwards every now and then that it could do with more; null: that it never will be. */
export interface FromWorklet {
  readonly inputLatency: number;
  readonly outputLatency: number;
}

interface Stream {
  readonly frame: number;
  readonly tempoMap: TempoMap;
  readonly tape: Tape;
  end: number;
}

declare const sampleRate: number;
declare const currentFrame: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: unknown): void;

/** Frames between two words to the page. */
const EVERY = 8192;

class StretchProcessor extends AudioWorkletProcessor {
  private stretch: Stretch | null = null;
  /** The one that is heard, and one that follows where the song was led elsewhere. */
  private readonly streams: Stream[] = [];
  private playing: Stream | null = null;
  private told = 0;

  constructor(options: { outputChannelCount: number[] }) {
    super();
    const channels = options.outputChannelCount.reduce((sum, count) => sum + count, 0);
    Stretch.load(channels, sampleRate).then(
      (stretch) => {
        this.stretch = stretch;
        this.port.onmessage = ({ data }: MessageEvent<ToWorklet>) => this.receive(data, stretch);
        this.tell(stretch);
      },
      () => this.port.postMessage(null),
    );
  }

  private receive(told: ToWorklet, stretch: Stretch): void {
    if ("semitones" in told) {
      stretch.setSemitones(told.semitones);
      return;
    }
    if ("samples" in told && told.begin !== null) {
      const { frame, speed } = told.begin;
      this.streams.push({
        frame,
        tempoMap: new TempoMap(frame, speed),
        tape: new Tape(),
        end: Number.POSITIVE_INFINITY,
      });
    }
    const stream = this.streams.at(-1);
    if (stream === undefined) return;
    if ("samples" in told) stream.tape.append(told.samples);
    else if ("truncate" in told) stream.tape.truncate(told.truncate);
    else if ("speed" in told) stream.tempoMap.setSpeed(told.speed, told.frame);
    else stream.end = told.end;
  }

  process(_: unknown, tracks: Float32Array[][]): boolean {
    const outputs = tracks.flat();
    const length = outputs[0]?.length ?? 0;
    const end = currentFrame + length;
    while (this.streams[0] && this.streams[0].end <= currentFrame) this.streams.shift();
    const stream = this.streams[0];
    if (this.stretch === null || stream === undefined) return true;
    if (stream !== this.playing) {
      if (end <= stream.frame - this.stretch.outputLatency) return true;
      this.playing = stream;
      this.stretch.begin(stream.frame, stream.tempoMap, (into, count) => stream.tape.read(into, count));
    }
    this.stretch.make(end, outputs);
    for (const output of outputs) {
      output.fill(0, 0, Math.max(0, stream.frame - currentFrame));
      output.fill(0, Math.max(0, Math.min(length, stream.end - currentFrame)));
    }
    if (currentFrame >= this.told + EVERY) {
      this.told = currentFrame;
      this.tell(this.stretch);
    }
    return true;
  }

  private tell({ inputLatency, outputLatency }: Stretch): void {
    this.port.postMessage({ inputLatency, outputLatency } satisfies FromWorklet);
  }
}

registerProcessor("stretch", StretchProcessor);
