import type { ReactNode } from "react";
import classes from "./mixer.module.css";

interface Props {
  on: boolean;
  name: string;
  onClick: () => void;
  children: ReactNode;
}

/** A switch that stays in. */
export function Toggle({ on, name, onClick, children }: Props) {
  return (
    <button
      type="button"
      className={classes.toggle}
      aria-pressed={on}
      aria-label={name}
      title={name}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
