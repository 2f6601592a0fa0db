/**
 * Speed and key without each other: Signalsmith Stretch, a phase vocoder, over all tracks at once.
 *
 * What it turns a bin's phase by it turns it by in every channel, so that stems remain the stems of their sum.
 */

import load, { type Library } from "signalsmith-stretch";
import type { TempoMap } from "./tempo";

/** The library's own choice for music. */
const BLOCK_SECONDS = 0.12;
const INTERVAL_SECONDS = 0.03;
/** Above this, partials are noise and air to the ear, which keep their timbre better where they are moved less. */
const TONALITY_HERTZ = 8000;
/** So much is made in one go. */
export const MOST_FRAMES = 1024;
const BUFFER_SAMPLES = 8192;

/** Writes the next `count` samples of each channel; silence where there are none. */
export type Read = (into: readonly Float32Array[], count: number) => void;

export class Stretch {
  /** Samples that must be known ahead of the one that is being made, and frames by which that comes out later. */
  readonly inputLatency: number;
  readonly outputLatency: number;

  private readonly library: Library;
  private readonly channels: number;
  private readonly rate: number;
  private readonly address: number;
  private tempoMap: TempoMap | null = null;
  private read: Read = () => {};
  /** Samples that were read, and the frame that is made next. */
  private fed = 0;
  private next = 0;

  /** `channels`: of all tracks together. `rate`: samples a second. */
  static async load(channels: number, rate: number): Promise<Stretch> {
    const library = await load();
    library._main();
    return new Stretch(library, channels, rate);
  }

  private constructor(library: Library, channels: number, rate: number) {
    this.library = library;
    this.channels = channels;
    this.rate = rate;
    // Its work is spread over the time of a block: in one piece it would not fit into the few milliseconds of a quantum.
    library._configure(channels, Math.round(BLOCK_SECONDS * rate), Math.round(INTERVAL_SECONDS * rate), true);
    this.inputLatency = library._inputLatency();
    this.outputLatency = library._outputLatency();
    this.address = library._setBuffers(channels, BUFFER_SAMPLES);
  }

  setSemitones(semitones: number): void {
    this.library._setTransposeSemitones(semitones, TONALITY_HERTZ / this.rate);
  }

  /** Begins a stream: `read` has its samples, the first of which is heard at `frame`; `tempoMap` says which at all others. */
  begin(frame: number, tempoMap: TempoMap, read: Read): void {
    this.tempoMap = tempoMap;
    this.read = read;
    this.library._reset();
    this.read(this.views(0, this.inputLatency), this.inputLatency);
    this.library._seek(this.inputLatency, tempoMap.speedAt(frame));
    this.fed = this.inputLatency;
    this.next = frame - this.outputLatency;
  }

  /** Makes all frames before `end` that have not been made; the last of them fill `outputs`, of at most `MOST_FRAMES` each. */
  make(end: number, outputs: readonly Float32Array[]): void {
    const { tempoMap } = this;
    const wanted = outputs[0]?.length ?? 0;
    if (tempoMap === null) return;
    while (this.next < end) {
      const frames = Math.min(MOST_FRAMES, end - this.next - wanted) || wanted;
      this.next += frames;
      const due = Math.round(tempoMap.sampleAt(this.next + this.outputLatency)) + this.inputLatency;
      const samples = Math.min(BUFFER_SAMPLES, Math.max(0, due - this.fed));
      this.read(this.views(0, samples), samples);
      this.library._process(samples, frames);
      this.fed += samples;
    }
    this.views(this.channels, wanted).forEach((made, c) => void outputs[c]?.set(made));
  }

  /** The library's memory for `length` samples of each channel, from the given one on. */
  private views(from: number, length: number): Float32Array[] {
    const { buffer } = this.library.HEAP8;
    return Array.from({ length: this.channels }, (_, c) => {
      const address = this.address + (from + c) * BUFFER_SAMPLES * Float32Array.BYTES_PER_ELEMENT;
      return new Float32Array(buffer, address, length);
    });
  }
}
