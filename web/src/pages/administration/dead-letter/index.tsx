import { Group, Text } from "@mantine/core";
import { useParams } from "wouter";
import { type DeadLetter, discard, replay, useDeadLetter } from "../../../api/administration";
import { useFormats, useTexts } from "../../../app/language";
import { Refused } from "../../../components/Said";
import { Sheet } from "../../../components/Sheet";
import { Waiting } from "../../../components/Waiting";
import { Ask } from "../Ask";
import { Desk } from "../Desk";
import classes from "../desk.module.css";
import { Facts, Id } from "../Figures";
import { State } from "../State";
import { useWords } from "../words";

export default function Letter() {
  const texts = useTexts();
  const { deadLetters: words } = useWords();
  const { id = "" } = useParams();
  const letter = useDeadLetter(id);
  const known = letter.data;
  return (
    <Desk
      title={texts.administration.deadLetter}
      end={
        known?.status === "open" ? (
          <Group gap="xs">
            <Ask
              what={words.replay}
              lead={words.replayLead}
              act={(reason) => replay(known.id, reason)}
              button={{ size: "sm" }}
            />
            <Ask
              what={words.discard}
              lead={words.discardLead}
              act={(reason) => discard(known.id, reason)}
              button={{ size: "sm" }}
            />
          </Group>
        ) : null
      }
    >
      <Refused problem={letter.error} />
      {letter.isPending ? <Waiting /> : null}
      {known ? (
        <>
          <About letter={known} />
          <Sheet title={words.content} lead={words.contentLead}>
            {known.content ? (
              <section className={classes.content} aria-label={words.content} dir="ltr">
                <pre>{JSON.stringify(known.content, null, 2)}</pre>
              </section>
            ) : (
              <Text c="dimmed">{words.unreadable}</Text>
            )}
          </Sheet>
        </>
      ) : null}
    </Desk>
  );
}

function About({ letter }: { letter: DeadLetter }) {
  const { deadLetters: words, none } = useWords();
  const formats = useFormats();
  return (
    <Sheet title={letter.event_type.split(".").at(-1) || none}>
      <Facts
        of={[
          [
            words.status,
            <State key="status" state={letter.status}>
              {words.statuses[letter.status]}
            </State>,
          ],
          ...(letter.decided_at === null
            ? []
            : ([
                [
                  words.decided,
                  <span key="decided">
                    {formats.moment(letter.decided_at)}: <bdi>{letter.decided_because}</bdi>
                  </span>,
                ],
              ] as const)),
          [words.reason, <bdi key="reason">{letter.reason}</bdi>],
          [words.consumer, <bdi key="consumer">{letter.consumer}</bdi>],
          [words.when, formats.instant(letter.died_at)],
          [words.topic, <Id key="topic">{letter.topic}</Id>],
          [words.where, words.at(formats.number(letter.from_partition), formats.number(letter.from_offset))],
          [words.event, <Id key="event">{letter.event_id || none}</Id>],
          [words.account, <Id key="account">{letter.account_id ?? none}</Id>],
          [words.key, <Id key="key">{letter.key || none}</Id>],
          [words.size, formats.size(letter.size_bytes)],
        ]}
      />
    </Sheet>
  );
}
