import classes from "./mixer.module.css";

interface Props {
  id?: string;
  name: string;
  /** What is written before it, where there is room for more than its value. */
  label?: string;
  min: number;
  max: number;
  step: number;
  /** Where a double click leads. */
  neutral: number;
  /** Its line begins there, and not at the lowest value. */
  fromNeutral?: boolean;
  value: number;
  text: string;
  color: string;
  change: (value: number) => void;
}

/** A native range with its value in words. From left to right in every language, as on every console. */
export function Fader({
  id,
  name,
  label,
  min,
  max,
  step,
  neutral,
  value,
  text,
  color,
  change,
  ...line
}: Props) {
  const part = (100 * (value - min)) / (max - min);
  const from = line.fromNeutral ? (100 * (neutral - min)) / (max - min) : 0;
  return (
    <div className={classes.fader}>
      {label === undefined ? null : <span className={classes.label}>{label}</span>}
      <input
        id={id}
        type="range"
        dir="ltr"
        min={min}
        max={max}
        step={step}
        value={value}
        aria-label={name}
        aria-valuetext={text}
        onChange={(event) => change(Number(event.currentTarget.value))}
        onDoubleClick={() => change(neutral)}
        style={{
          ["--fader-color" as string]: `var(${color})`,
          ["--fader-from" as string]: `${Math.min(part, from)}%`,
          ["--fader-to" as string]: `${Math.max(part, from)}%`,
        }}
      />
      <output className={classes.value}>{text}</output>
    </div>
  );
}
