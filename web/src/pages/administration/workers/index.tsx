import { Alert, Group, Stack, Text } from "@mantine/core";
import { Link } from "wouter";
import {
  drain,
  pauseQueue,
  type Queue,
  resume,
  resumeQueue,
  useQueue,
  useWorkers,
  type Worker,
} from "../../../api/administration";
import { useFormats, useTexts } from "../../../app/language";
import { Refused } from "../../../components/Said";
import { Sheet } from "../../../components/Sheet";
import { Act, Ask } from "../Ask";
import { Desk } from "../Desk";
import { Figures, Id } from "../Figures";
import { Listing } from "../Listing";
import { State } from "../State";
import { useWords } from "../words";

export default function Workers() {
  const texts = useTexts();
  const words = useWords();
  const queue = useQueue();
  const workers = useWorkers();
  return (
    <Desk
      title={texts.administration.workers}
      end={
        queue.data && !queue.data.paused ? (
          <Ask
            what={words.queue.pause}
            lead={words.queue.pauseLead}
            act={pauseQueue}
            button={{ size: "sm" }}
          />
        ) : null
      }
    >
      <Refused problem={queue.error} />
      {queue.data ? <QueueNow queue={queue.data} /> : null}
      <Sheet title={words.workers.title}>
        <Refused problem={workers.error} />
        {workers.data ? <Heard workers={workers.data.items} /> : null}
      </Sheet>
    </Desk>
  );
}

function QueueNow({ queue }: { queue: Queue }) {
  const words = useWords();
  const formats = useFormats();
  return (
    <>
      {queue.paused ? (
        <Alert color="ember" title={words.queue.paused(formats.moment(queue.paused.since))}>
          <Group justify="space-between">
            <Text>
              <bdi>{queue.paused.reason}</bdi>
            </Text>
            <Act what={words.queue.resume} act={resumeQueue} />
          </Group>
        </Alert>
      ) : null}
      <Figures
        of={[
          [words.queue.queued, formats.number(queue.queued)],
          [words.queue.running, formats.number(queue.running)],
          [words.queue.reserving, formats.number(queue.reserving)],
          [words.queue.oldest, formats.duration(queue.oldest_wait_seconds)],
          [words.overview.outstanding, formats.duration(queue.outstanding_audio_seconds)],
        ]}
      />
      <Sheet title={words.queue.title}>
        {queue.loads.length ? (
          <Listing
            label={words.queue.title}
            rows={queue.loads}
            keyOf={(load) => `${load.model} ${load.mode}`}
            columns={[
              { name: words.queue.model, cell: (load) => <bdi>{load.model}</bdi> },
              { name: words.queue.mode, cell: (load) => words.modes[load.mode] },
              { name: words.queue.queued, cell: (load) => formats.number(load.queued), end: true },
              { name: words.queue.running, cell: (load) => formats.number(load.running), end: true },
              {
                name: words.overview.outstanding,
                cell: (load) => formats.duration(load.outstanding_audio_seconds),
                end: true,
              },
            ]}
          />
        ) : (
          <Text c="dimmed">{words.queue.idle}</Text>
        )}
      </Sheet>
    </>
  );
}

function Heard({ workers }: { workers: readonly Worker[] }) {
  const words = useWords();
  const { workers: texts } = words;
  const formats = useFormats();
  if (workers.length === 0) return <Text c="dimmed">{texts.none}</Text>;
  return (
    <Listing
      label={texts.title}
      rows={workers}
      keyOf={(worker) => worker.id}
      columns={[
        {
          name: texts.machine,
          cell: (worker) => (
            <>
              <bdi>{worker.host}</bdi> <State state={worker.state}>{texts.states[worker.state]}</State>
              <Text size="xs" c="dimmed">
                <Id>{worker.id}</Id>
              </Text>
            </>
          ),
        },
        { name: texts.device, cell: (worker) => <bdi>{worker.device}</bdi> },
        {
          name: texts.models,
          cell: (worker) => (
            <Stack gap={0}>
              {worker.models.map((model) => (
                <bdi key={model.name} title={model.digest ?? undefined}>
                  {model.name}
                </bdi>
              ))}
            </Stack>
          ),
        },
        {
          name: texts.speed,
          cell: (worker) => texts.times(formats.number(Math.round(worker.speed * 10) / 10)),
        },
        {
          name: texts.slots,
          cell: (worker) =>
            texts.slotsOf(formats.number(worker.running.length), formats.number(worker.slots)),
        },
        {
          name: texts.runs,
          cell: (worker) =>
            worker.running.length ? (
              <Stack gap={0}>
                {worker.running.map(({ job_id }) => (
                  <Link key={job_id} href={`/administration/jobs/${job_id}`}>
                    <Id>{job_id}</Id>
                  </Link>
                ))}
              </Stack>
            ) : (
              words.none
            ),
        },
        { name: texts.heard, cell: (worker) => formats.moment(worker.last_seen_at) },
        {
          name: "",
          end: true,
          cell: (worker) =>
            worker.drained_at !== null || worker.state === "passed_over" ? (
              <Act what={texts.resume} whose={worker.host} act={() => resume(worker)} />
            ) : worker.state === "silent" || worker.state === "stopping" ? null : (
              <Ask
                what={texts.drain}
                whose={worker.host}
                lead={texts.drainLead}
                act={(reason) => drain(worker, reason)}
              />
            ),
        },
      ]}
    />
  );
}
