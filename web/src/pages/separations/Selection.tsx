import { Button, Group, Progress, Text } from "@mantine/core";
import { useRef, useState } from "react";
import { type Action, isUnfinished, type Job, useActOn } from "../../api/jobs";
import { inTurn } from "../../app/inTurn";
import { useLanguage } from "../../app/language";
import { Refused } from "../../components/Said";
import classes from "./separations.module.css";

/** As many as the API packs into one zip. */
const MOST_IN_A_ZIP = 50;

interface Props {
  jobs: readonly Job[];
  /** Leaves these selected. */
  keep: (jobs: readonly Job[]) => void;
}

interface Work {
  done: number;
  of: number;
}

/** What can be done with all that is selected, at the lower edge of the window. */
export function Selection({ jobs, keep }: Props) {
  const { texts, formats } = useLanguage();
  const words = texts.separations;
  const act = useActOn();
  const [asked, setAsked] = useState(false);
  const [work, setWork] = useState<Work | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const stop = useRef(new AbortController());

  const made = jobs.filter((job) => job.status === "succeeded");
  const open = jobs.filter(isUnfinished);
  const ended = jobs.filter((job) => !isUnfinished(job));
  const archive = `/v1/archives?${made.map((job) => `job_id=${job.id}`).join("&")}`;

  async function each(action: Action, chosen: readonly Job[]): Promise<void> {
    stop.current = new AbortController();
    setAsked(false);
    setProblem(null);
    setWork({ done: 0, of: chosen.length });
    const { failed } = await inTurn(chosen, (job) => act(action, job.id), {
      signal: stop.current.signal,
      tell: (done) => setWork({ done, of: chosen.length }),
    });
    setWork(null);
    setProblem(failed[0]?.problem ?? null);
    keep(failed.map(({ item }) => item));
  }

  return (
    <section className={classes.selection} aria-label={words.selection}>
      <Refused problem={problem} />
      {work ? (
        <Group>
          <Text role="status">{words.doneOf(formats.number(work.done), formats.number(work.of))}</Text>
          <Progress flex="1 1 8rem" value={(100 * work.done) / work.of} aria-label={words.selection} />
          <Button variant="default" size="compact-md" onClick={() => stop.current.abort()}>
            {words.stop}
          </Button>
        </Group>
      ) : (
        <Group gap="xs">
          <Text fw={500} role="status" me="auto">
            {words.selected(formats.number(jobs.length))}
          </Text>
          {made.length > 0 && made.length <= MOST_IN_A_ZIP ? (
            <Button component="a" href={archive} download size="compact-md" variant="default">
              {words.downloadMany(formats.number(made.length))}
            </Button>
          ) : null}
          {made.length > MOST_IN_A_ZIP ? (
            <Text size="sm" c="dimmed">
              {words.tooManyToDownload(formats.number(MOST_IN_A_ZIP))}
            </Text>
          ) : null}
          {open.length > 0 ? (
            <Button size="compact-md" variant="default" onClick={() => void each("cancel", open)}>
              {words.cancelMany(formats.number(open.length))}
            </Button>
          ) : null}
          {ended.length > 0 && !asked ? (
            <Button size="compact-md" variant="default" onClick={() => setAsked(true)}>
              {words.deleteMany(formats.number(ended.length))}
            </Button>
          ) : null}
          {asked ? (
            <Button size="compact-md" color="red" onClick={() => void each("delete", ended)}>
              {words.deleteManyReally(formats.number(ended.length))}
            </Button>
          ) : null}
          <Button size="compact-md" variant="subtle" color="gray" onClick={() => keep([])}>
            {words.unselect}
          </Button>
        </Group>
      )}
    </section>
  );
}
