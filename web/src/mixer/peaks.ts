/** Peaks of what has arrived, for a song whose waveforms the server does not have yet. */

import type { DecodedAudio } from "./segments";

/** Extremes at a constant distance: minimum and maximum in turn, -1 to 1. */
export interface Peaks {
  readonly secondsPerPeak: number;
  readonly values: ArrayLike<number>;
}

const PEAKS_PER_SECOND = 50;

/** A few hundred bytes for each second that was here once; never dropped. */
export class SegmentPeaks {
  private readonly tracks = new Map<string, Float32Array>();
  private readonly perSegment: number;

  constructor(segmentSeconds: number) {
    this.perSegment = segmentSeconds * PEAKS_PER_SECOND;
  }

  /** From the song's start; where nothing has arrived there is silence. Undefined before anything has. */
  of(track: string): Peaks | undefined {
    const values = this.tracks.get(track);
    return values && { secondsPerPeak: 1 / PEAKS_PER_SECOND, values };
  }

  all(): Peaks[] {
    return [...this.tracks.values()].map((values) => ({ secondsPerPeak: 1 / PEAKS_PER_SECOND, values }));
  }

  add(segment: number, audio: ReadonlyMap<string, DecodedAudio>): void {
    for (const [track, one] of audio) {
      const end = 2 * (segment + 1) * this.perSegment;
      let values = this.tracks.get(track);
      if (values === undefined || values.length < end) {
        const longer = new Float32Array(end);
        if (values !== undefined) longer.set(values);
        this.tracks.set(track, longer);
        values = longer;
      }
      extremes(one, values.subarray(end - 2 * this.perSegment, end));
    }
  }
}

function extremes(audio: DecodedAudio, into: Float32Array): void {
  const step = audio.sampleRate / PEAKS_PER_SECOND;
  for (let channel = 0; channel < audio.numberOfChannels; channel++) {
    const samples = audio.getChannelData(channel);
    for (let peak = 0; 2 * peak < into.length; peak++) {
      const end = Math.min(Math.round((peak + 1) * step), samples.length);
      let lowest = into[2 * peak] ?? 0;
      let highest = into[2 * peak + 1] ?? 0;
      for (let i = Math.round(peak * step); i < end; i++) {
        const sample = samples[i] ?? 0;
        if (sample < lowest) lowest = sample;
        else if (sample > highest) highest = sample;
      }
      into[2 * peak] = lowest;
      into[2 * peak + 1] = highest;
    }
  }
}
