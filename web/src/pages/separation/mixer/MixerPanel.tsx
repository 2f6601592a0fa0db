import { Alert } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Problem } from "../../../api/problem";
import type { Playback, Stem, Waveforms } from "../../../api/separation";
import { forget } from "../../../api/session";
import { useLanguage } from "../../../app/language";
import { Icon } from "../../../components/Icon";
import { gainsOf, NEUTRAL } from "../../../mixer/desk";
import { type Mixer, ORIGINAL, type Region } from "../../../mixer/mixer";
import type { Peaks } from "../../../mixer/peaks";
import { NORMAL } from "../../../mixer/tempo";
import { following, type View, whole, zoomed } from "../../../mixer/view";
import { magnification } from "../../../mixer/waveform";
import { Keys } from "./Keys";
import { Lane } from "./Lane";
import classes from "./mixer.module.css";
import { Overview } from "./Overview";
import { Ruler } from "./Ruler";
import { StripControls } from "./StripControls";
import { TransportBar } from "./TransportBar";
import { useMixerState, usePosition } from "./useMixer";
import { endingAt, startingAt, useRegion } from "./useRegion";
import { useShortcuts } from "./useShortcuts";
import { useSpectral } from "./useSpectral";
import { useWheel } from "./useWheel";

interface Props {
  mixer: Mixer;
  /** What is known of the stems; those who merely listen are told nothing. */
  stems?: readonly Stem[];
  playback: Playback;
  waveforms: Waveforms | null | undefined;
  /** As it was marked at another visit. */
  given?: Region | null;
  /** Told whenever the region is marked: feedback can be about it. */
  onMark?: (region: Region | null) => void;
  /** Below the console. */
  children?: ReactNode;
}

const COLORS: Record<string, string> = { vocals: "--vocals", instrumental: "--instrumental" };

/** The console. */
export function MixerPanel({
  mixer,
  stems = [],
  playback,
  waveforms,
  given = null,
  onMark,
  children,
}: Props) {
  const { texts, formats } = useLanguage();
  const words = texts.mixer;
  const state = useMixerState(mixer);
  const duration = waveforms?.duration_seconds ?? playback.duration_seconds;
  const [view, setView] = useState<View>(whole(duration));
  const [chosen, setChosen] = useState(0);
  const marked = useRegion(mixer, state.loop !== null, duration, given, onMark);
  const gains = gainsOf(state.strips);
  const queries = useQueryClient();
  useEffect(() => {
    if (!(state.failure instanceof Problem)) return;
    if (state.failure.status === 401) forget(queries);
    // The page asks whether the separation, or the link to it, is there still.
    if (state.failure.status === 404) {
      void queries.invalidateQueries({ predicate: ({ queryKey: [of] }) => of === "job" || of === "share" });
    }
  }, [state.failure, queries]);

  const seek = useCallback(
    (seconds: number) => mixer.seek(Math.min(duration, Math.max(0, seconds))),
    [mixer, duration],
  );
  const zoom = useCallback(
    (factor: number, anchor = mixer.position()) =>
      setView((now) => zoomed(now, factor, Math.min(now.end, Math.max(now.start, anchor)), duration)),
    [mixer, duration],
  );
  const last = useRef(0);
  const follow = useCallback(
    (position: number) => {
      // Somebody who has moved the view away from what is heard is left alone.
      const was = last.current;
      last.current = position;
      if (was >= view.start && was <= view.end) setView(following(view, position, duration));
    },
    [view, duration],
  );
  usePosition(mixer, follow);
  const spectral = useSpectral(mixer, view, duration, setView);
  const wheel = useWheel(view, duration, zoom, setView);

  const stem = mixer.stems[chosen] ?? "";
  const strip = state.strips.get(stem);
  useShortcuts({
    toggle: () => void mixer.toggle(),
    seekBy: (seconds) => seek(mixer.position() + seconds),
    toStart: () => seek(0),
    toEnd: () => seek(duration),
    choose: (index) => {
      if (index >= mixer.stems.length) return;
      setChosen(index);
      document.getElementById(faderId(mixer.stems[index]))?.focus();
    },
    mute: () => mixer.setStrip(stem, { muted: !strip?.muted }),
    solo: () => mixer.setStrip(stem, { soloed: !strip?.soloed }),
    compare: () => mixer.compare(!state.comparing),
    regionStart: () => marked.mark(startingAt(mixer.position(), marked.region, duration)),
    regionEnd: () => marked.mark(endingAt(mixer.position(), marked.region, duration)),
    loop: marked.toggleLoop,
    spectrogram: spectral.toggle,
    zoom,
    speedBy: (by) => void mixer.setTempo({ speed: state.tempo.speed + by }),
    keyBy: (by) => void mixer.setTempo({ semitones: state.tempo.semitones + by }),
    asInTheSong: () => void mixer.setTempo(NORMAL),
  });

  const peaks = useMemo(
    () => new Map(Object.entries(waveforms?.tracks ?? {}).map(peaksOf(waveforms))),
    [waveforms],
  );

  const { arrived } = state;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `mixer.peaks` grows with what has arrived.
  const magnified = useMemo(
    () => magnification(peaks.size > 0 ? peaks.values() : mixer.peaks.all()),
    [peaks, mixer, arrived],
  );

  const tooWide = spectral.wanted && !spectral.shown;
  const hint = state.comparing ? words.equalLoudness : tooWide ? words.spectrogramNearer : words.regionHint;

  function noteOf(stem: string): string | null {
    const result = stems.find(({ name }) => name === stem);
    if (result?.silent) return words.silentStem;
    return typeof result?.loudness_lufs === "number"
      ? words.loudness(formats.number(Math.round(10 * result.loudness_lufs) / 10))
      : null;
  }

  return (
    <section className={classes.panel} aria-label={words.title}>
      <TransportBar mixer={mixer} duration={duration} marked={marked} spectral={spectral} zoom={zoom} />
      {state.failure !== null && state.transport === "waiting" ? (
        <Alert color="yellow" variant="light" icon={<Icon name="warning" />} role="status">
          {words.trouble}
        </Alert>
      ) : null}
      {state.tempoFailed ? (
        <Alert color="yellow" variant="light" icon={<Icon name="warning" />} role="status">
          {words.tempoFailed}
        </Alert>
      ) : null}
      <div className={classes.rows}>
        <div className={classes.caption}>
          <span>{words.stems[ORIGINAL]}</span>
        </div>
        <Overview
          mixer={mixer}
          duration={duration}
          view={view}
          peaks={peaks.get(ORIGINAL)}
          magnified={magnified}
          seek={seek}
        />
        <div className={classes.corner} />
        <Ruler mixer={mixer} view={view} duration={duration} marked={marked} seek={seek} />
        {mixer.stems.map((stem, index) => (
          <div key={stem} className={classes.row} ref={wheel}>
            <StripControls
              id={faderId(stem)}
              name={words.stems[stem] ?? stem}
              color={COLORS[stem] ?? "--quiet"}
              strip={state.strips.get(stem) ?? NEUTRAL}
              note={noteOf(stem)}
              chosen={index === chosen}
              choose={() => setChosen(index)}
              change={(to) => mixer.setStrip(stem, to)}
            />
            <Lane
              mixer={mixer}
              stem={stem}
              view={view}
              peaks={peaks.get(stem)}
              magnified={magnified}
              color={COLORS[stem] ?? "--quiet"}
              spectral={spectral.shown}
              heard={!state.comparing && gains.get(stem) !== 0}
              marked={marked}
              seek={seek}
            />
          </div>
        ))}
      </div>
      <div className={classes.hints}>
        <span>{hint}</span>
        <Keys />
      </div>
      {children}
    </section>
  );
}

function faderId(stem: string | undefined): string {
  return `fader-${stem}`;
}

function peaksOf(waveforms: Waveforms | null | undefined) {
  const secondsPerPeak = waveforms ? waveforms.samples_per_peak / waveforms.sample_rate_hz : 1;
  return ([track, values]: [string, number[]]): [string, Peaks] => [track, { secondsPerPeak, values }];
}
