import { useEffect, useState, useSyncExternalStore } from "react";
import type { Playback } from "../../../api/separation";
import type { Mixer, MixerState } from "../../../mixer/mixer";
import { openMixer } from "../../../mixer/open";

/**
 * A mixer for as long as the page shows it: undefined at first, null where the recording is too large.
 * `source` is the path of the job, or of a link to it.
 */
export function useMixer(source: string, playback: Playback, complete: boolean): Mixer | null | undefined {
  const [mixer, setMixer] = useState<Mixer | null>();
  const [first] = useState(playback);
  const { playable_seconds } = playback;
  useEffect(() => {
    let made: Mixer;
    try {
      made = openMixer(source, first);
    } catch {
      setMixer(null);
      return;
    }
    setMixer(made);
    return () => void made.close();
  }, [source, first]);
  useEffect(() => mixer?.extend(playable_seconds, complete), [mixer, playable_seconds, complete]);
  return mixer;
}

export function useMixerState(mixer: Mixer): MixerState {
  return useSyncExternalStore(mixer.subscribe, mixer.getState);
}

/** Calls `draw` with the position in seconds: with every frame while it moves, else when it was moved. */
export function usePosition(mixer: Mixer, draw: (position: number) => void): void {
  useEffect(() => {
    let frame = 0;
    const step = () => {
      draw(mixer.position());
      frame = mixer.getState().transport === "playing" ? requestAnimationFrame(step) : 0;
    };
    const changed = () => {
      if (frame === 0) frame = requestAnimationFrame(step);
    };
    const stop = mixer.subscribe(changed);
    draw(mixer.position());
    changed();
    return () => {
      stop();
      cancelAnimationFrame(frame);
    };
  }, [mixer, draw]);
}
