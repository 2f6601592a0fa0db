import { Anchor, Button, Checkbox, Group, Progress, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { type Action, isUnfinished, type Job, useActOn } from "../../api/jobs";
import { reasonIn } from "../../api/problem";
import { useLanguage } from "../../app/language";
import { Refused } from "../../components/Said";
import classes from "./separations.module.css";

interface Props {
  job: Job;
  selected: boolean;
  select: (selected: boolean) => void;
}

/** One separation: what it is, how far it is, and what can be done with it. */
export function Row({ job, selected, select }: Props) {
  const { texts, formats } = useLanguage();
  const words = texts.separations;
  const name = job.filename ?? (job.status === "reserving" ? words.coming : words.untitled);
  const act = useActOn();
  const action = useMutation({ mutationFn: (what: Action) => act(what, job.id) });
  const [asked, setAsked] = useState(false);
  const percent = Math.floor(100 * job.progress.fraction);
  const unfinished = isUnfinished(job);
  const button = (what: Action, label: string) => (
    <Button
      size="compact-sm"
      variant="default"
      aria-label={words.named(label, name)}
      loading={action.isPending && action.variables === what}
      onClick={() => action.mutate(what)}
    >
      {label}
    </Button>
  );
  return (
    <div className={classes.row} data-selected={selected}>
      <Checkbox
        checked={selected}
        onChange={(event) => select(event.currentTarget.checked)}
        aria-label={words.named(words.select, name)}
      />
      <div className={classes.what}>
        <Link href={`/separations/${job.id}`} className={classes.name}>
          <bdi>{name}</bdi>
        </Link>
        <Text size="sm" c="dimmed">
          {words.modes[job.mode]} · {formats.moment(job.created_at)}
          {job.batch_id == null ? null : (
            <>
              {" · "}
              <Anchor component={Link} href={`/separations?batch=${job.batch_id}`} inherit>
                {words.batch}
              </Anchor>
            </>
          )}
        </Text>
        <Text size="sm" role="status" {...(job.error ? { c: "var(--mantine-color-error)" } : {})}>
          {words.statuses[job.status]}
          {job.status === "running" ? ` · ${words.percent(formats.number(percent))}` : ""}
          {job.error ? ` · ${reasonIn(job.error, texts)}` : ""}
        </Text>
        {job.status === "running" ? (
          <Progress value={percent} size="sm" mt={6} aria-label={words.progressOf(name)} />
        ) : null}
        <Refused problem={action.error} />
      </div>
      <Group gap="xs" className={classes.actions}>
        {job.status === "succeeded" ? (
          <Button
            component="a"
            href={`/v1/jobs/${job.id}/archive`}
            download
            size="compact-sm"
            variant="default"
            aria-label={words.named(words.download, name)}
          >
            {words.download}
          </Button>
        ) : null}
        {unfinished ? button("cancel", words.cancel) : null}
        {!unfinished && job.status !== "succeeded" ? button("retry", words.retry) : null}
        {unfinished || asked ? null : (
          <Button
            size="compact-sm"
            variant="subtle"
            color="gray"
            aria-label={words.named(words.delete, name)}
            onClick={() => setAsked(true)}
          >
            {words.delete}
          </Button>
        )}
        {asked && !unfinished ? (
          <>
            {button("delete", words.deleteReally)}
            <Button size="compact-sm" variant="subtle" color="gray" onClick={() => setAsked(false)}>
              {words.keep}
            </Button>
          </>
        ) : null}
      </Group>
    </div>
  );
}
