/** The mixer of one separation. Its state is one value, replaced whenever it changes; the position is asked for. */

import { Desk, gainsOf, NEUTRAL, type Strip } from "./desk";
import { RelativeLoudness } from "./loudness";
import { type Mixdown, mixdown } from "./mixdown";
import { SegmentPeaks } from "./peaks";
import type { Loop } from "./plan";
import { type SegmentAudio, type SegmentSource, SegmentStore } from "./segments";
import { Sources } from "./sources";
import { Spectrograms } from "./spectrograms";
import { STRETCHED_SECONDS, Stretched } from "./stretched";
import { isNormal, NORMAL, type Tempo, tempoNear } from "./tempo";
import { FADE_SECONDS, Transport, type TransportState } from "./transport";

/** What `GET /v1/jobs/{id}/playback` answers. */
export interface Playback {
  readonly sample_rate_hz: number;
  readonly channels: number;
  readonly segment_seconds: number;
  readonly playable_seconds: number;
  readonly tracks: readonly string[];
}

/** Seconds of the song; `end` is exclusive. */
export interface Region {
  readonly start: number;
  readonly end: number;
}

export interface MixerState {
  readonly transport: TransportState;
  readonly strips: ReadonlyMap<string, Strip>;
  readonly masterDb: number;
  /** The original is heard in place of the mix. */
  readonly comparing: boolean;
  readonly loop: Region | null;
  readonly tempo: Tempo;
  /** Another tempo was asked for and what it takes could not be loaded. */
  readonly tempoFailed: boolean;
  /** How much of the song can be heard by now. */
  readonly playableSeconds: number;
  /** Where the song was last led to by somebody, in seconds. */
  readonly ledTo: number;
  /** How many segments have arrived, and with them their peaks. */
  readonly arrived: number;
  /** How many spectrograms have been made. */
  readonly spectrograms: number;
  /** Why segments cannot be had at the moment, null where they can; they are asked for again by themselves. */
  readonly failure: unknown;
}

export const ORIGINAL = "mixture";
/** Of decoded audio, whatever the song's length. */
export const MEMORY_LIMIT_BYTES = 60_000_000;
/** Shorter ones would need hundreds of sources ahead. */
export const SHORTEST_LOOP_SECONDS = 0.25;
const TICK_MILLISECONDS = 200;
/** Then the device is let go of, which on a phone saves its battery. */
const SUSPEND_AFTER_MILLISECONDS = 1000 * 20 * FADE_SECONDS;

/** The rate to play at: the stems' own, halved only where two segments would exceed the limit. */
export function contextRate(playback: Playback): number {
  let rate = playback.sample_rate_hz;
  while (2 * segmentBytes(playback, rate) > MEMORY_LIMIT_BYTES && rate >= 44100) rate /= 2;
  return rate;
}

/** Decoded bytes of one segment of all tracks. */
function segmentBytes(playback: Playback, rate: number): number {
  const samples = Math.round(playback.segment_seconds * rate);
  return samples * playback.channels * playback.tracks.length * Float32Array.BYTES_PER_ELEMENT;
}

export class Mixer {
  readonly stems: readonly string[];
  readonly hasOriginal: boolean;
  /** Speed and key can be changed here. */
  readonly canStretch: boolean;
  /** Of the segments that have been here. */
  readonly peaks: SegmentPeaks;
  readonly spectrograms: Spectrograms;

  private readonly context: AudioContext;
  private state: MixerState;
  private readonly listeners = new Set<() => void>();
  private readonly desk: Desk;
  private readonly store: SegmentStore;
  private readonly transport: Transport;
  private readonly sources: Sources;
  private readonly stretchedBytes: number;
  /** Loaded when another tempo is chosen for the first time. */
  private stretched: Promise<Stretched> | null = null;
  private readonly loudness = new RelativeLoudness();
  private readonly playback: Playback;
  private readonly fetchSegment: SegmentSource<AudioBuffer>["fetch"];
  private readonly timer: ReturnType<typeof setInterval>;
  private suspendTimer: ReturnType<typeof setTimeout> | undefined;

  /** `context` was made at `contextRate(playback)`. Raises `TooLargeToPlay`. */
  constructor(playback: Playback, context: AudioContext, fetchSegment: SegmentSource<AudioBuffer>["fetch"]) {
    this.context = context;
    this.playback = playback;
    this.fetchSegment = fetchSegment;
    const rate = context.sampleRate;
    this.stems = playback.tracks.filter((track) => track !== ORIGINAL);
    this.hasOriginal = playback.tracks.includes(ORIGINAL);
    this.peaks = new SegmentPeaks(playback.segment_seconds);
    this.spectrograms = new Spectrograms(
      {
        fetch: fetchSegment,
        decode: (encoded) => new OfflineAudioContext(1, 1, playback.sample_rate_hz).decodeAudioData(encoded),
      },
      () => this.update({ spectrograms: this.state.spectrograms + 1 }),
    );
    this.store = new SegmentStore(
      playback.tracks,
      { fetch: fetchSegment, decode: (encoded) => context.decodeAudioData(encoded) },
      { segmentBytes: segmentBytes(playback, rate), limitBytes: MEMORY_LIMIT_BYTES },
      (audio, segment) => {
        // First it is heard; what is measured of it can wait a moment.
        this.tick();
        if (audio !== null) setTimeout(() => this.measure(audio, segment));
      },
    );
    this.desk = new Desk(context, this.stems, this.hasOriginal ? ORIGINAL : null);
    this.desk.output.connect(context.destination);
    const segmentSamples = Math.round(playback.segment_seconds * rate);
    this.sources = new Sources(context, this.desk.inputs);
    this.stretchedBytes = (STRETCHED_SECONDS / playback.segment_seconds) * segmentBytes(playback, rate);
    const room = MEMORY_LIMIT_BYTES - 2 * segmentBytes(playback, rate);
    // Browsers give worklets to pages of HTTPS and of this machine alone.
    this.canStretch = context.audioWorklet !== undefined && this.stretchedBytes <= room;
    this.transport = new Transport(context, this.sources, this.store, segmentSamples, this.desk.fade);
    this.state = {
      transport: "paused",
      strips: new Map(this.stems.map((stem) => [stem, NEUTRAL])),
      masterDb: 0,
      comparing: false,
      loop: null,
      tempo: NORMAL,
      tempoFailed: false,
      playableSeconds: 0,
      ledTo: 0,
      arrived: 0,
      spectrograms: 0,
      failure: null,
    };
    // A call takes the sound away; what was playing does not begin by itself afterwards.
    context.onstatechange = () => {
      if (context.state !== "running" && this.playing) this.pause();
    };
    this.timer = setInterval(() => this.tick(), TICK_MILLISECONDS);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getState = (): MixerState => this.state;

  /** Of the sample that leaves the loudspeaker now, in seconds. */
  position(): number {
    const latency = this.playing ? this.context.outputLatency || this.context.baseLatency || 0 : 0;
    return this.transport.position(latency) / this.context.sampleRate;
  }

  get segmentSeconds(): number {
    return this.playback.segment_seconds;
  }

  /** Samples a second that are played. */
  get rate(): number {
    return this.context.sampleRate;
  }

  get memory(): { readonly bytes: number; readonly peakBytes: number } {
    return { bytes: this.store.bytes, peakBytes: this.store.peakBytes };
  }

  /** More can be heard. `complete`: that is the whole song. */
  extend(playableSeconds: number, complete: boolean): void {
    this.transport.extend(Math.round(playableSeconds * this.context.sampleRate), complete);
    this.tick();
  }

  async play(): Promise<void> {
    clearTimeout(this.suspendTimer);
    await this.context.resume();
    this.store.retry();
    this.transport.play();
    this.tick();
  }

  pause(): void {
    this.transport.pause();
    clearTimeout(this.suspendTimer);
    this.suspendTimer = setTimeout(() => void this.context.suspend(), SUSPEND_AFTER_MILLISECONDS);
    this.tick();
  }

  async toggle(): Promise<void> {
    if (this.playing) this.pause();
    else await this.play();
  }

  seek(seconds: number): void {
    this.transport.seek(seconds * this.context.sampleRate);
    this.update({ ledTo: this.transport.position() / this.context.sampleRate });
    this.tick();
  }

  /** Somebody points there and may be about to press: what is heard there is loaded, if nothing else is needed. */
  foresee(seconds: number): void {
    if (seconds >= 0 && seconds < this.state.playableSeconds)
      this.store.foresee(Math.floor(seconds / this.playback.segment_seconds));
  }

  /** Repeats a region, which becomes at least as long as the shortest; null goes on. */
  setLoop(region: Region | null): void {
    const rate = this.context.sampleRate;
    let loop: Loop | null = null;
    if (region !== null) {
      const start = Math.max(0, Math.round(region.start * rate));
      loop = { start, end: Math.max(Math.round(region.end * rate), start + SHORTEST_LOOP_SECONDS * rate) };
    }
    this.transport.setLoop(loop);
    this.tick();
    this.update({ loop: loop && { start: loop.start / rate, end: loop.end / rate } });
  }

  /** Changes speed, key or both. With both as they are in the song, its samples are heard as they are. */
  async setTempo(change: Partial<Tempo>): Promise<void> {
    const tempo = tempoNear({ ...this.state.tempo, ...change });
    this.update({ tempo, tempoFailed: false });
    if (isNormal(tempo)) {
      this.store.reserve(0);
      this.transport.setSpeed(1, this.sources);
      return;
    }
    this.stretched ??= Stretched.open(this.context, this.desk.inputs, this.playback.channels, () =>
      this.tick(),
    );
    try {
      const stretched = await this.stretched;
      // Meanwhile somebody may have moved on.
      if (this.state.tempo !== tempo) return;
      this.store.reserve(this.stretchedBytes);
      stretched.setSemitones(tempo.semitones);
      this.transport.setSpeed(tempo.speed, stretched);
    } catch {
      this.stretched = null;
      this.update({ tempo: NORMAL, tempoFailed: true });
    }
  }

  setStrip(stem: string, change: Partial<Strip>): void {
    const strip = this.state.strips.get(stem);
    if (strip === undefined) return;
    const strips = new Map(this.state.strips).set(stem, { ...strip, ...change });
    this.desk.setStrips(strips);
    this.update({ strips });
    if (this.state.comparing) this.compare(true);
  }

  setMaster(masterDb: number): void {
    this.desk.setMaster(masterDb);
    this.update({ masterDb });
  }

  /** The mix as it is heard now, as a file at the stems' own rate. Rejects like `mixdown`. */
  render(onProgress: (part: number) => void, signal: AbortSignal): Promise<Mixdown> {
    const { sample_rate_hz: rate, segment_seconds } = this.playback;
    const song = {
      stems: this.stems,
      original: this.hasOriginal ? ORIGINAL : null,
      rate,
      samples: Math.round(this.state.playableSeconds * rate),
      segmentSamples: Math.round(segment_seconds * rate),
    };
    return mixdown(song, this.state, this.state.tempo, this.fetchSegment, onProgress, signal);
  }

  /** Lets the original be heard in place of the mix, as loud as the mix is. */
  compare(comparing: boolean): void {
    if (!this.hasOriginal) return;
    const gain = this.loudness.gainOfOriginal(ORIGINAL, gainsOf(this.state.strips));
    this.desk.compare(comparing ? gain : null);
    this.update({ comparing });
  }

  /** Decoded samples that are here by now of `[from, to)` seconds of a track, first channel, to be drawn. */
  samples(
    track: string,
    from: number,
    to: number,
  ): { readonly start: number; readonly data: Float32Array }[] {
    const rate = this.context.sampleRate;
    const { segment_seconds } = this.playback;
    const found = [];
    for (let segment = Math.floor(from / segment_seconds); segment * segment_seconds < to; segment++) {
      const audio = this.store.get(segment)?.get(track);
      if (audio === undefined) continue;
      const first = segment * segment_seconds;
      const begin = Math.max(0, Math.floor((from - first) * rate));
      const end = Math.min(audio.length, Math.ceil((to - first) * rate) + 1);
      if (begin < end)
        found.push({ start: first + begin / rate, data: audio.getChannelData(0).subarray(begin, end) });
    }
    return found;
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    clearTimeout(this.suspendTimer);
    this.context.onstatechange = null;
    this.listeners.clear();
    this.transport.close();
    this.store.close();
    this.spectrograms.close();
    await this.context.close();
  }

  private get playing(): boolean {
    return this.transport.current === "playing" || this.transport.current === "waiting";
  }

  private measure(audio: SegmentAudio, segment: number): void {
    this.loudness.add(segment, audio);
    this.peaks.add(segment, audio);
    this.update({ arrived: this.state.arrived + 1 });
  }

  private tick(): void {
    this.transport.tick();
    const playableSeconds = this.transport.end / this.context.sampleRate;
    this.update({ transport: this.transport.current, playableSeconds, failure: this.store.failure });
  }

  /** Tells the listeners, if anything differs. */
  private update(change: Partial<MixerState>): void {
    const next = { ...this.state, ...change };
    if ((Object.keys(change) as (keyof MixerState)[]).every((key) => Object.is(this.state[key], next[key])))
      return;
    this.state = next;
    for (const listener of this.listeners) listener();
  }
}
