import { type Query, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import classes from "./Settling.module.css";

/** How long a page waits for what it shows at first, before it shows itself as it is. */
const PATIENCE_MILLISECONDS = 1_500;

const firstTime = { predicate: (query: Query) => query.state.status === "pending" };

/**
 * Shows a page when the first answers that it asked for have come, so that nothing on it moves as they come in. It is
 * there all the while, transparent, for whoever does not see it and for what takes the focus.
 */
export function Settling({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const [settled, setSettled] = useState(false);
  useEffect(() => {
    if (settled) return;
    let frame = 0;
    // What came may lead to the next question, which is asked before the second frame from here.
    const look = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => {
        frame = requestAnimationFrame(() => {
          if (queries.isFetching(firstTime) === 0) setSettled(true);
        });
      });
    };
    const stop = queries.getQueryCache().subscribe(look);
    const enough = setTimeout(() => setSettled(true), PATIENCE_MILLISECONDS);
    look();
    return () => {
      stop();
      clearTimeout(enough);
      cancelAnimationFrame(frame);
    };
  }, [settled, queries]);
  return (
    <div
      className={settled ? undefined : classes.unsettled}
      aria-busy={!settled}
      data-coming={settled ? undefined : ""}
    >
      {children}
    </div>
  );
}
