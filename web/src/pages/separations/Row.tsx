import { Button, Group, Progress, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { type Action, isUnfinished, useAction, useNameOf } from "../../api/jobs";
import type { components } from "../../api/schema";
import { useLanguage } from "../../app/language";
import { Refused } from "../../components/Said";
import classes from "./separations.module.css";

/** One separation: what it is, how far it is, and what can be done with it. */
export function Row({ job }: { job: components["schemas"]["JobAnswer"] }) {
  const { texts, formats } = useLanguage();
  const words = texts.separations;
  const name = useNameOf(job.upload_id) ?? words.untitled;
  const action = useAction(job);
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
    <li className={classes.row}>
      <div className={classes.what}>
        <Link href={`/separations/${job.id}`} className={classes.name}>
          <bdi>{name}</bdi>
        </Link>
        <Text size="sm" c="dimmed">
          {words.modes[job.mode]} · {formats.moment(job.created_at)}
        </Text>
        <Text size="sm" role="status" {...(job.error ? { c: "var(--mantine-color-error)" } : {})}>
          {words.statuses[job.status]}
          {job.status === "running" ? ` · ${words.percent(formats.number(percent))}` : ""}
          {job.error ? ` · ${job.error.message}` : ""}
        </Text>
        {job.status === "running" ? (
          <Progress value={percent} size="sm" mt={6} aria-label={words.progressOf(name)} />
        ) : null}
        <Refused problem={action.error} />
      </div>
      <Group gap="xs">
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
    </li>
  );
}
