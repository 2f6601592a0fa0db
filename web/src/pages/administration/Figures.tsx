import type { ReactNode } from "react";
import classes from "./desk.module.css";

/** A few numbers that are looked at before anything else, by name. */
export function Figures({ of }: { of: readonly (readonly [string, string])[] }) {
  return (
    <dl className={classes.figures}>
      {of.map(([name, value]) => (
        <div key={name} className={classes.figure}>
          <dt>{name}</dt>
          <dd>
            <bdi>{value}</bdi>
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** What is known of one thing, by name. */
export function Facts({ of }: { of: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className={classes.facts}>
      {of.map(([name, value]) => (
        <div key={name} style={{ display: "contents" }}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** An id as it is copied. */
export function Id({ children }: { children: string }) {
  return (
    <span className={classes.id} dir="ltr">
      {children}
    </span>
  );
}

/** How much there is of each, as bars beside the numbers. */
export function Bars({
  of,
  format,
}: {
  of: readonly (readonly [string, number])[];
  format: (value: number) => string;
}) {
  const most = Math.max(...of.map(([, value]) => value), Number.MIN_VALUE);
  return (
    <dl className={classes.bars}>
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>
            <bdi>{name}</bdi>
          </dt>
          <dd>
            <div className={classes.bar} style={{ inlineSize: `${(100 * value) / most}%` }} />
          </dd>
          <dd>{format(value)}</dd>
        </div>
      ))}
    </dl>
  );
}
