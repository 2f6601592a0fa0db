/**
 * The mix as a file of 24 bits: what is heard is what is in it.
 *
 * Segment after segment goes through the same desk as in the mixer, in a context that is not of the present time, and is
 * let go of. Nothing but the file grows with the song, and browsers keep large ones on disk.
 */

import { Desk, gainsOf, type Levels } from "./desk";
import { spansFrom } from "./plan";
import type { SegmentAudio, SegmentSource } from "./segments";
import type { FromWorker, ToWorker } from "./stretch.worker";
import { isNormal, type Tempo } from "./tempo";
import { pcm24, peakOf, unscale, wavHeader } from "./wav";

const CHANNELS = 2;

export interface Mixdown {
  readonly file: Blob;
  /** Of the mix before what lies beyond full scale was cut. */
  readonly peak: number;
}

export interface Song {
  readonly stems: readonly string[];
  readonly original: string | null;
  readonly rate: number;
  readonly samples: number;
  readonly segmentSamples: number;
}

/**
 * Raises `TooLongForWav` at once, what `fetch` raises, and the reason of `signal` where that is aborted. `onProgress` is
 * told the part that is done, 0 to 1.
 */
export async function mixdown(
  song: Song,
  levels: Levels,
  tempo: Tempo,
  fetch: SegmentSource<AudioBuffer>["fetch"],
  onProgress: (part: number) => void,
  signal: AbortSignal,
): Promise<Mixdown> {
  const header = wavHeader(Math.round(song.samples / tempo.speed), CHANNELS, song.rate);
  const gains = gainsOf(levels.strips);
  // A phase vocoder goes by all tracks together, also those that are not heard.
  const stretched = isNormal(tempo) ? null : new Stretcher(song, tempo);
  const tracks = stretched
    ? [...song.stems, ...(song.original ? [song.original] : [])]
    : song.stems.filter((stem) => gains.get(stem) !== 0);
  const pieces: Blob[] = [];
  let peak = 0;
  try {
    for (const { segment, length, position } of spansFrom(
      0,
      { segmentSamples: song.segmentSamples, end: song.samples },
      null,
    )) {
      let audio: SegmentAudio = new Map(
        await Promise.all(
          tracks.map(async (track) => {
            const decoder = new OfflineAudioContext(1, 1, song.rate);
            const buffer = await decoder.decodeAudioData(await fetch(track, segment, signal));
            for (let c = 0; c < buffer.numberOfChannels; c++) unscale(buffer.getChannelData(c));
            return [track, buffer] as const;
          }),
        ),
      );
      const last = position + length >= song.samples;
      let frames = length;
      if (stretched) [audio, frames] = await stretched.next(audio, length, last);
      signal.throwIfAborted();
      if (frames > 0) {
        const mixed = await mix(audio, song, levels, frames);
        const channels = Array.from({ length: CHANNELS }, (_, c) => mixed.getChannelData(c));
        peak = Math.max(peak, peakOf(channels));
        pieces.push(new Blob([pcm24(channels)]));
      }
      signal.throwIfAborted();
      onProgress((position + length) / song.samples);
    }
  } finally {
    stretched?.close();
  }
  return { file: new Blob([header, ...pieces], { type: "audio/wav" }), peak };
}

function mix(audio: SegmentAudio, song: Song, levels: Levels, frames: number): Promise<AudioBuffer> {
  const context = new OfflineAudioContext(CHANNELS, frames, song.rate);
  const desk = new Desk(context, song.stems, null, levels);
  desk.output.connect(context.destination);
  for (const [track, input] of desk.inputs) {
    const buffer = audio.get(track);
    if (buffer === undefined) continue;
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(input);
    source.start();
  }
  return context.startRendering();
}

/** All tracks of a song at another tempo, in order. */
class Stretcher {
  private readonly worker: Worker;
  private readonly rate: number;
  private readonly tempo: Tempo;
  private begun = false;

  constructor({ rate }: Song, tempo: Tempo) {
    this.worker = new Worker(new URL("./stretch.worker.ts", import.meta.url), { type: "module" });
    this.rate = rate;
    this.tempo = tempo;
  }

  /** The next `length` samples of all tracks; answers the frames that they suffice for, and how many those are. */
  async next(audio: SegmentAudio, length: number, last: boolean): Promise<[SegmentAudio, number]> {
    const samples = [...audio.values()].flatMap((buffer) =>
      Array.from({ length: buffer.numberOfChannels }, (_, c) => buffer.getChannelData(c).slice(0, length)),
    );
    if (!this.begun) {
      this.begun = true;
      await this.ask({ channels: samples.length, rate: this.rate, tempo: this.tempo });
    }
    const answer = await this.ask(
      { samples, last },
      samples.map(({ buffer }) => buffer),
    );
    const frames = answer[0]?.length ?? 0;
    const stretched = new Map<string, AudioBuffer>();
    for (const [track, { numberOfChannels }] of audio) {
      const channels = answer.splice(0, numberOfChannels);
      if (frames === 0) continue;
      const buffer = new AudioBuffer({ length: frames, numberOfChannels, sampleRate: this.rate });
      channels.forEach((channel, c) => void buffer.copyToChannel(channel, c));
      stretched.set(track, buffer);
    }
    return [stretched, frames];
  }

  close(): void {
    this.worker.terminate();
  }

  private ask(told: ToWorker, transfer: Transferable[] = []): Promise<FromWorker> {
    return new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data }) => resolve(data);
      this.worker.onerror = () => reject(new Error("the worker for speed and key has failed"));
      this.worker.postMessage(told, transfer);
    });
  }
}
