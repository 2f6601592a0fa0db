import { Group, Text } from "@mantine/core";
import { Link, useLocation, useParams } from "wouter";
import { type AdminJob, requeue, useTimeline } from "../../../api/administration";
import type { components } from "../../../api/schema";
import { useFormats, useTexts } from "../../../app/language";
import { Refused } from "../../../components/Said";
import { Sheet } from "../../../components/Sheet";
import { Waiting } from "../../../components/Waiting";
import { Ask } from "../Ask";
import { Desk } from "../Desk";
import classes from "../desk.module.css";
import { Bars, Facts, Id } from "../Figures";
import { State } from "../State";
import { useWords } from "../words";

export default function Job() {
  const texts = useTexts();
  const words = useWords();
  const formats = useFormats();
  const { id = "" } = useParams();
  const timeline = useTimeline(id);
  const known = timeline.data;
  return (
    <Desk title={texts.administration.job} end={known ? <Requeue job={known.job} /> : null}>
      <Refused problem={timeline.error} />
      {timeline.isPending ? <Waiting /> : null}
      {known ? (
        <>
          <About job={known.job} traceId={known.trace_id} />
          <Sheet title={words.jobs.timeline}>
            <ol className={classes.timeline}>
              {known.entries.map((entry) => (
                <Moment key={`${entry.at} ${entry.what} ${entry.attempt}`} entry={entry} />
              ))}
            </ol>
          </Sheet>
          {known.stages.length ? (
            <Sheet title={words.jobs.stages}>
              <Bars
                of={known.stages.map(({ stage, seconds }) => [stage, seconds])}
                format={(seconds) => words.seconds(formats.number(Math.round(seconds * 100) / 100))}
              />
            </Sheet>
          ) : null}
        </>
      ) : null}
    </Desk>
  );
}

function Requeue({ job }: { job: AdminJob }) {
  const { jobs: texts } = useWords();
  const [, go] = useLocation();
  const lead = (texts.requeueLead as Partial<Record<AdminJob["status"], string>>)[job.status];
  if (!job.requeueable || lead === undefined) return null;
  return (
    <Ask
      what={texts.requeue}
      lead={lead}
      act={async (reason) => {
        const made = await requeue(job, reason);
        if (made.id !== job.id) go(`/administration/jobs/${made.id}`);
      }}
      button={{ size: "sm" }}
    />
  );
}

function About({ job, traceId }: { job: AdminJob; traceId: string | null }) {
  const words = useWords();
  const { jobs: texts } = words;
  const formats = useFormats();
  const found = (id: string) => (
    <Link href={`/administration/jobs?query=${id}`}>
      <Id>{id}</Id>
    </Link>
  );
  return (
    <Sheet title={words.modes[job.mode]}>
      <Facts
        of={[
          [texts.job, <Id key="id">{job.id}</Id>],
          [
            texts.status,
            <Group key="status" gap="xs">
              <State state={job.status}>{words.statuses[job.status]}</State>
              {job.status === "running"
                ? `${formats.number(Math.floor(100 * job.progress_fraction))} %`
                : null}
            </Group>,
          ],
          ...(job.error
            ? ([[texts.error, <bdi key="error">{`${job.error.code}: ${job.error.message}`}</bdi>]] as const)
            : []),
          [texts.account, found(job.account_id)],
          [texts.upload, found(job.upload_id)],
          ...(job.worker_id ? ([[texts.worker, found(job.worker_id)]] as const) : []),
          [texts.model, <bdi key="model">{job.model.name}</bdi>],
          [texts.audio, job.audio_seconds === null ? words.none : formats.duration(job.audio_seconds)],
          [
            texts.price,
            job.price_credits === null ? words.none : texts.credits(formats.number(job.price_credits)),
          ],
          [texts.settled, job.settled ? texts.settledYes : texts.settledNo],
          [texts.attempt, formats.number(job.attempt)],
          ...(job.retry_of
            ? ([
                [
                  texts.retryOf,
                  <Link key="retry" href={`/administration/jobs/${job.retry_of}`}>
                    <Id>{job.retry_of}</Id>
                  </Link>,
                ],
              ] as const)
            : []),
          ...(traceId ? ([[texts.trace, <Id key="trace">{traceId}</Id>]] as const) : []),
        ]}
      />
    </Sheet>
  );
}

function Moment({ entry }: { entry: components["schemas"]["TimelineEntry"] }) {
  const { jobs: texts } = useWords();
  const formats = useFormats();
  return (
    <li className={classes.moment}>
      <div>
        <Text fw={500}>{texts.happened[entry.what]}</Text>
        <Text size="sm" c="dimmed">
          {formats.instant(entry.at)} · {texts.services[entry.service]}
          {entry.attempt === null ? "" : ` · ${texts.attemptOf(formats.number(entry.attempt))}`}
          {entry.worker_id === null ? null : (
            <>
              {" · "}
              <Id>{entry.worker_id}</Id>
            </>
          )}
        </Text>
      </div>
    </li>
  );
}
