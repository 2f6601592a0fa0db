import { Button, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type Job, useActOn, useQueue } from "../../api/jobs";
import { useTexts } from "../../app/language";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";
import classes from "./separations.module.css";

/** What comes next, where more than one thing waits; any of it can be put first. */
export function Queue() {
  const { separations: words } = useTexts();
  const queue = useQueue();
  if (!queue.data || queue.data.length < 2) return null;
  return (
    <Sheet title={words.queue} lead={words.queueLead}>
      <ol className={classes.queue}>
        {queue.data.map((job, index) => (
          <Waiting key={job.id} job={job} first={index === 0} />
        ))}
      </ol>
    </Sheet>
  );
}

function Waiting({ job, first }: { job: Job; first: boolean }) {
  const { separations: words } = useTexts();
  const act = useActOn();
  const expedite = useMutation({ mutationFn: () => act("expedite", job.id) });
  const name = job.filename ?? words.untitled;
  return (
    <li>
      <span>
        <bdi>{name}</bdi>{" "}
        <Text component="span" size="sm" c="dimmed">
          {words.modes[job.mode]}
        </Text>
      </span>
      {first ? null : (
        <Button
          size="compact-sm"
          variant="default"
          loading={expedite.isPending}
          aria-label={words.named(words.expedite, name)}
          onClick={() => expedite.mutate()}
        >
          {words.expedite}
        </Button>
      )}
      <Refused problem={expedite.error} />
    </li>
  );
}
