/** A mixer in this browser, over the API. */

import { Problem } from "../api/problem";
import { contextRate, Mixer, type Playback } from "./mixer";

/** Safari's, from 16.4 on; elsewhere there is none. */
interface AudioSessionNavigator {
  readonly audioSession?: { type: string };
}

/** `source` is the path of what is played, of a job or of a link to one. Raises `TooLargeToPlay`. */
export function openMixer(source: string, playback: Playback): Mixer {
  // Music is heard though the switch at a phone's side is on silent.
  const session = (navigator as AudioSessionNavigator).audioSession;
  if (session !== undefined) session.type = "playback";
  return new Mixer(playback, newContext(contextRate(playback)), async (track, segment, signal) => {
    const response = await fetch(`${source}/playback/${encodeURIComponent(track)}/${segment}`, { signal });
    if (!response.ok) throw new Problem(response.status, "segment_unavailable", response.statusText);
    return response.arrayBuffer();
  });
}

/** A browser that cannot play at the stems' rate plays at its own and converts each segment. */
function newContext(sampleRate: number): AudioContext {
  try {
    return new AudioContext({ sampleRate, latencyHint: "balanced" });
  } catch {
    return new AudioContext({ latencyHint: "balanced" });
  }
}
