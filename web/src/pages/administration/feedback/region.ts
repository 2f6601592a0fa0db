/** Plays the region that an owner marked: its tracks in step on one clock, one of them heard. */

import { type MarkedRegion, markedSegment } from "../../../api/administration";
import { Problem } from "../../../api/problem";
import { piecesOf } from "./pieces";

const GLIDE_SECONDS = 0.015;

export interface Playing {
  hear: (track: string) => void;
  stop: () => void;
}

/** Loads all of it, half a minute at most, and plays it from its start. Rejects with a `Problem` where a segment is not to be had. */
export async function play(
  jobId: string,
  region: MarkedRegion,
  heard: string,
  signal: AbortSignal,
  onEnd: () => void,
): Promise<Playing> {
  // At the rate of the stems, so that pieces meet to the sample.
  const context = new AudioContext({ sampleRate: region.sample_rate_hz });
  const end = () => {
    if (context.state !== "closed") void context.close();
  };
  signal.addEventListener("abort", end);
  try {
    const pieces = piecesOf(region);
    const tracks = await Promise.all(
      region.tracks.map(async (track) => {
        const audio = await Promise.all(
          pieces.map(({ number }) => fetched(context, markedSegment(jobId, track, number), signal)),
        );
        return { track, audio };
      }),
    );
    const begin = context.currentTime + 0.1;
    const gains = new Map<string, GainNode>();
    for (const { track, audio } of tracks) {
      const gain = new GainNode(context, { gain: track === heard ? 1 : 0 });
      gain.connect(context.destination);
      gains.set(track, gain);
      pieces.forEach(({ at, from, length }, index) => {
        const source = new AudioBufferSourceNode(context, { buffer: audio[index] ?? null });
        source.connect(gain);
        source.start(begin + at, from, length);
        if (track === heard && index === pieces.length - 1) {
          source.onended = () => {
            end();
            if (!signal.aborted) onEnd();
          };
        }
      });
    }
    return {
      hear: (track) => {
        for (const [name, gain] of gains) {
          gain.gain.setTargetAtTime(name === track ? 1 : 0, context.currentTime, GLIDE_SECONDS);
        }
      },
      stop: end,
    };
  } catch (problem) {
    end();
    throw problem;
  }
}

async function fetched(context: AudioContext, address: string, signal: AbortSignal): Promise<AudioBuffer> {
  const response = await fetch(address, { signal });
  if (!response.ok) throw new Problem(response.status, "segment_unavailable", response.statusText);
  return context.decodeAudioData(await response.arrayBuffer());
}
