import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type RefObject, useEffect, useRef } from "react";
import type { Job } from "../../api/jobs";
import { useTexts } from "../../app/language";
import { Row } from "./Row";
import classes from "./separations.module.css";

interface Props {
  jobs: readonly Job[];
  /** Asks for more, where there are more than these; null while it does. */
  more: (() => void) | null;
  complete: boolean;
  inView: RefObject<readonly string[]>;
  selected: ReadonlySet<string>;
  select: (id: string, selected: boolean) => void;
}

const USUAL_PIXELS = 104;
const GAP_PIXELS = 8;
const ROWS_AHEAD = 6;

/** As many rows as fit the window are in the document, of however many there are. */
export function List({ jobs, more, complete, inView, selected, select }: Props) {
  const { separations: words } = useTexts();
  const list = useRef<HTMLUListElement>(null);
  const rows = useWindowVirtualizer({
    count: jobs.length,
    estimateSize: () => USUAL_PIXELS,
    gap: GAP_PIXELS,
    overscan: ROWS_AHEAD,
    getItemKey: (index) => jobs[index]?.id ?? index,
    scrollMargin: list.current?.offsetTop ?? 0,
  });
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    inView.current = shown.map(({ key }) => String(key));
  }, [inView, shown]);
  useEffect(() => {
    if (last >= jobs.length - 2 * ROWS_AHEAD) more?.();
  }, [last, jobs.length, more]);
  return (
    <ul ref={list} className={classes.list} aria-label={words.title} style={{ height: rows.getTotalSize() }}>
      {shown.map(({ key, index, start }) => {
        const job = jobs[index];
        return job === undefined ? null : (
          <li
            key={key}
            ref={rows.measureElement}
            data-index={index}
            aria-posinset={index + 1}
            aria-setsize={complete ? jobs.length : -1}
            style={{ transform: `translateY(${start - rows.options.scrollMargin}px)` }}
          >
            <Row job={job} selected={selected.has(job.id)} select={(on) => select(job.id, on)} />
          </li>
        );
      })}
    </ul>
  );
}
