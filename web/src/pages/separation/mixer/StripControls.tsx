import { useLanguage } from "../../../app/language";
import { LOUDEST_DB, SILENT_DB, type Strip } from "../../../mixer/desk";
import { Fader } from "./Fader";
import classes from "./mixer.module.css";
import { Toggle } from "./Toggle";

interface Props {
  name: string;
  color: string;
  strip: Strip;
  /** Under the name: how loud it is, or that there is nothing in it. */
  note: string | null;
  chosen: boolean;
  change: (change: Partial<Strip>) => void;
  choose: () => void;
  /** The fader's id; the keyboard leads there. */
  id: string;
}

/** Name, switches, fader and panorama of one stem. */
export function StripControls({ name, color, strip, note, chosen, change, choose, id }: Props) {
  const { texts, formats } = useLanguage();
  const { mixer } = texts;
  const percent = formats.number(Math.round(Math.abs(strip.pan) * 100));
  return (
    <fieldset className={classes.strip} data-chosen={chosen} onFocus={choose} aria-label={name}>
      <div className={classes.name}>
        <span className={classes.dot} style={{ background: `var(${color})` }} />
        <span className={classes.title}>{name}</span>
        {note === null ? null : <span className={classes.note}>{note}</span>}
        <Toggle on={strip.muted} name={mixer.mute(name)} onClick={() => change({ muted: !strip.muted })}>
          M
        </Toggle>
        <Toggle on={strip.soloed} name={mixer.solo(name)} onClick={() => change({ soloed: !strip.soloed })}>
          S
        </Toggle>
      </div>
      <Volume
        id={id}
        name={mixer.volume(name)}
        gainDb={strip.gainDb}
        color={color}
        change={(gainDb) => change({ gainDb })}
      />
      <Fader
        name={mixer.pan(name)}
        label={mixer.panShort}
        min={-1}
        max={1}
        step={0.05}
        neutral={0}
        fromNeutral
        value={strip.pan}
        text={strip.pan === 0 ? mixer.center : strip.pan < 0 ? mixer.left(percent) : mixer.right(percent)}
        color={color}
        change={(pan) => change({ pan })}
      />
    </fieldset>
  );
}

interface VolumeProps {
  id?: string;
  name: string;
  label?: string;
  gainDb: number;
  color: string;
  change: (gainDb: number) => void;
}

/** A fader in decibels, down to silence. */
export function Volume({ gainDb, change, ...rest }: VolumeProps) {
  const { texts, formats } = useLanguage();
  const silent = gainDb === Number.NEGATIVE_INFINITY;
  return (
    <Fader
      {...rest}
      min={SILENT_DB}
      max={LOUDEST_DB}
      step={0.5}
      neutral={0}
      value={silent ? SILENT_DB : gainDb}
      text={silent ? texts.mixer.silent : texts.mixer.decibels(formats.number(gainDb))}
      change={(value) => change(value <= SILENT_DB ? Number.NEGATIVE_INFINITY : value)}
    />
  );
}
