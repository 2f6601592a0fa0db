import { Badge, Button, Group, Progress, Stack, Text, Title } from "@mantine/core";
import { useLocation } from "wouter";
import { reasonIn } from "../../api/problem";
import { isFinal, type Job, useCancel, useRetry } from "../../api/separation";
import { useLanguage } from "../../app/language";
import { Refused } from "../../components/Said";
import { ShareButton } from "../share/ShareButton";
import { Musical } from "./Musical";
import classes from "./separation.module.css";

/** Which song, and how far it is. */
export function Head({ job, name }: { job: Job; name: string | null | undefined }) {
  const { texts, formats } = useLanguage();
  const words = texts.separation;
  const cancel = useCancel(job);
  const retry = useRetry(job);
  const [, go] = useLocation();
  const percent = Math.floor(100 * job.progress.fraction);
  const failed = isFinal(job) && job.status !== "succeeded";
  return (
    <Stack gap="sm">
      <Group justify="space-between" align="flex-start">
        <div>
          <Title order={1} style={{ overflowWrap: "anywhere" }}>
            <bdi>{name ?? (name === null ? texts.separations.untitled : words.untitled)}</bdi>
          </Title>
          <Group gap="xs" mt={6}>
            <Badge variant="default" size="lg" tt="none">
              {job.mode === "preview" ? words.preview : words.whole}
            </Badge>
            <Text c="dimmed" role="status">
              {words.status[job.status]}
              {job.status === "running" ? ` · ${words.percent(formats.number(percent))}` : ""}
            </Text>
          </Group>
        </div>
        {isFinal(job) ? null : (
          <Button variant="default" loading={cancel.isPending} onClick={() => cancel.mutate()}>
            {words.cancel}
          </Button>
        )}
        {job.status === "succeeded" ? <ShareButton jobId={job.id} name={name} /> : null}
        {failed ? (
          <Button
            className={classes.action}
            loading={retry.isPending}
            onClick={() => retry.mutate(undefined, { onSuccess: (again) => go(`/separations/${again.id}`) })}
          >
            {words.retry}
          </Button>
        ) : null}
      </Group>
      <Musical analysis={job.analysis} />
      {job.status === "running" ? (
        <Progress value={percent} size="sm" aria-label={words.status.running} />
      ) : null}
      {job.status === "running" && job.progress.fraction > 0 ? (
        <Text size="sm">{words.listenNow}</Text>
      ) : null}
      {failed ? (
        <Text>
          {job.error ? reasonIn(job.error, texts) : null} {words.notCharged}
        </Text>
      ) : null}
      <Refused problem={cancel.error ?? retry.error} />
    </Stack>
  );
}
