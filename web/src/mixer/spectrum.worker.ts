/** Makes spectrograms off the page's own thread: one channel in, its spectrogram out. */

import { spectrogram } from "./spectrum";

export interface ToMake {
  readonly samples: Float32Array<ArrayBuffer>;
  readonly rate: number;
}

self.onmessage = ({ data: { samples, rate } }: MessageEvent<ToMake>) => {
  const made = spectrogram(samples, rate);
  postMessage(made, { transfer: [made.levels.buffer] });
};
