import { useLanguage } from "../../../app/language";
import type { Mixer } from "../../../mixer/mixer";
import { FASTEST, isNormal, MOST_SEMITONES, SLOWEST, type Tempo } from "../../../mixer/tempo";
import { Fader } from "./Fader";
import classes from "./mixer.module.css";
import { useMixerState } from "./useMixer";

const COLOR = "--mantine-color-text";

/** Speed and key, in words and numbers. */
export function useTempoTexts({ speed, semitones }: Tempo): { speed: string; key: string } {
  const { texts, formats } = useLanguage();
  const { mixer } = texts;
  const sign = semitones > 0 ? "+" : "";
  return {
    speed: mixer.percent(formats.number(Math.round(100 * speed))),
    key: semitones === 0 ? mixer.sameKey : mixer.semitones(`${sign}${formats.number(semitones)}`),
  };
}

/** Faders for speed and key, and the way back to the song's own. */
export function TempoControls({ mixer, id }: { mixer: Mixer; id: string }) {
  const { mixer: words } = useLanguage().texts;
  const { tempo } = useMixerState(mixer);
  const told = useTempoTexts(tempo);
  return (
    <fieldset id={id} className={classes.tempo} aria-label={words.tempo}>
      <Fader
        name={words.speed}
        label={words.speed}
        min={100 * SLOWEST}
        max={100 * FASTEST}
        step={1}
        neutral={100}
        fromNeutral
        value={Math.round(100 * tempo.speed)}
        text={told.speed}
        color={COLOR}
        change={(percent) => void mixer.setTempo({ speed: percent / 100 })}
      />
      <Fader
        name={words.key}
        label={words.key}
        min={-MOST_SEMITONES}
        max={MOST_SEMITONES}
        step={1}
        neutral={0}
        fromNeutral
        value={tempo.semitones}
        text={told.key}
        color={COLOR}
        change={(semitones) => void mixer.setTempo({ semitones })}
      />
      <button
        type="button"
        className={classes.tool}
        disabled={isNormal(tempo)}
        onClick={() => void mixer.setTempo({ speed: 1, semitones: 0 })}
      >
        {words.asInTheSong}
      </button>
    </fieldset>
  );
}
