import { SegmentedControl } from "@mantine/core";
import { useCallback, useId, useRef, useState } from "react";
import { useLanguage } from "../../../app/language";
import { Icon } from "../../../components/Icon";
import type { Mixer } from "../../../mixer/mixer";
import { isNormal } from "../../../mixer/tempo";
import classes from "./mixer.module.css";
import { Volume } from "./StripControls";
import { TempoControls, useTempoTexts } from "./TempoControls";
import { Toggle } from "./Toggle";
import { useMixerState, usePosition } from "./useMixer";
import type { Marked } from "./useRegion";
import { SPACE_PLAYS } from "./useShortcuts";

interface Props {
  mixer: Mixer;
  duration: number;
  marked: Marked;
  spectral: { readonly wanted: boolean; readonly toggle: () => void };
  zoom: (factor: number) => void;
}

/** Play, time, region, nearness, spectrograms, speed and key, mix or original, master. */
export function TransportBar({ mixer, duration, marked, spectral, zoom }: Props) {
  const { texts, formats } = useLanguage();
  const words = texts.mixer;
  const { transport, comparing, masterDb, tempo } = useMixerState(mixer);
  const told = useTempoTexts(tempo);
  const [changing, setChanging] = useState(false);
  const tempoId = useId();
  const time = useRef<HTMLSpanElement>(null);
  const tell = useCallback(
    (position: number) => {
      const text = formats.duration(Math.floor(position));
      if (time.current && time.current.textContent !== text) time.current.textContent = text;
    },
    [formats],
  );
  usePosition(mixer, tell);
  const active = transport === "playing" || transport === "waiting";
  const name = active ? words.pause : words.play;
  return (
    <div className={classes.bar}>
      <button
        type="button"
        className={classes.play}
        aria-label={name}
        title={name}
        data-waiting={transport === "waiting"}
        onClick={() => void mixer.toggle()}
      >
        <Icon name={active ? "pause" : "play"} size={26} />
      </button>
      <div className={classes.time} dir="ltr">
        <span ref={time} />
        <span className={classes.of}>{formats.duration(duration)}</span>
      </div>
      <div className={classes.tools}>
        <Toggle on={marked.looping} name={words.loop} onClick={marked.toggleLoop}>
          <Icon name="loop" />
        </Toggle>
        {marked.region ? (
          <Toggle on={false} name={words.unmark} onClick={() => marked.mark(null)}>
            <Icon name="close" />
          </Toggle>
        ) : null}
        <button
          type="button"
          className={classes.tool}
          aria-label={words.zoomOut}
          title={words.zoomOut}
          onClick={() => zoom(0.5)}
        >
          <Icon name="minus" />
        </button>
        <button
          type="button"
          className={classes.tool}
          aria-label={words.zoomIn}
          title={words.zoomIn}
          onClick={() => zoom(2)}
        >
          <Icon name="plus" />
        </button>
        <Toggle on={spectral.wanted} name={words.spectrogram} onClick={spectral.toggle}>
          <Icon name="spectrum" />
        </Toggle>
        {mixer.canStretch ? (
          <button
            type="button"
            className={classes.tool}
            aria-label={`${words.tempo}: ${told.speed}, ${told.key}`}
            title={words.tempo}
            aria-expanded={changing}
            aria-controls={tempoId}
            data-changed={!isNormal(tempo)}
            onClick={() => setChanging(!changing)}
          >
            {told.speed} · {told.key}
          </button>
        ) : null}
      </div>
      {mixer.hasOriginal ? (
        <SegmentedControl
          className={classes.compare}
          {...{ [SPACE_PLAYS]: "" }}
          aria-label={words.listenTo}
          value={comparing ? "original" : "mix"}
          onChange={(value) => mixer.compare(value === "original")}
          data={[
            { value: "mix", label: words.mix },
            { value: "original", label: words.original },
          ]}
        />
      ) : null}
      <div className={classes.master}>
        <Volume
          name={words.master}
          label={words.masterShort}
          gainDb={masterDb}
          color="--mantine-color-text"
          change={(gainDb) => mixer.setMaster(gainDb)}
        />
      </div>
      {changing ? <TempoControls mixer={mixer} id={tempoId} /> : null}
    </div>
  );
}
