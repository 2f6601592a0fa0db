import type { ReactNode } from "react";
import classes from "./Rows.module.css";

/** A list of `Row`s, with lines between them. */
export function Rows({ children }: { children: ReactNode }) {
  return <ul className={classes.rows}>{children}</ul>;
}

/** What it is about at the start, and at the end what can be done with it or when it was. */
export function Row({ children, end }: { children: ReactNode; end?: ReactNode }) {
  return (
    <li className={classes.row}>
      <div>{children}</div>
      {end === undefined ? null : <div>{end}</div>}
    </li>
  );
}
