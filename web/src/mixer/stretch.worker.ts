/** Stretches a whole song for a file, off the page's own thread: samples in, frames out, in order. */

import { MOST_FRAMES, Stretch } from "./stretch";
import { Tape } from "./tape";
import { type Tempo, TempoMap } from "./tempo";

export type ToWorker =
  | { readonly channels: number; readonly rate: number; readonly tempo: Tempo }
  /** The next samples of every channel; `last`: the song ends with them. */
  | { readonly samples: Float32Array<ArrayBuffer>[]; readonly last: boolean };

/** Answers samples: as many frames as they suffice for. */
export type FromWorker = Float32Array<ArrayBuffer>[];

const tape = new Tape();
let tempoMap = new TempoMap(0, 1);
let stretch: Stretch | null = null;
let appended = 0;
let made = 0;

/** How many frames can be made of what is here. */
function frames(engine: Stretch, last: boolean): number {
  const speed = tempoMap.speedAt(0);
  if (last) return Math.round(appended / speed);
  return Math.max(made, Math.floor((appended - engine.inputLatency - 1) / speed) - engine.outputLatency);
}

self.onmessage = ({ data }: MessageEvent<ToWorker>) => void answer(data).catch(reportError);

async function answer(data: ToWorker): Promise<void> {
  if ("tempo" in data) {
    tempoMap = new TempoMap(0, data.tempo.speed);
    stretch = await Stretch.load(data.channels, data.rate);
    stretch.setSemitones(data.tempo.semitones);
    postMessage([]);
    return;
  }
  if (stretch === null) return;
  tape.append(data.samples);
  if (appended === 0) stretch.begin(0, tempoMap, (into, count) => tape.read(into, count));
  appended += data.samples[0]?.length ?? 0;
  const end = frames(stretch, data.last);
  const song: FromWorker = data.samples.map(() => new Float32Array(end - made));
  for (let at = 0; made < end; at += MOST_FRAMES) {
    const part = song.map((channel) => channel.subarray(at, at + MOST_FRAMES));
    made += part[0]?.length ?? 0;
    stretch.make(made, part);
  }
  postMessage(song, { transfer: song.map(({ buffer }) => buffer) });
}
