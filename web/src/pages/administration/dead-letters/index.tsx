import { Select, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { type DeadLetter, LETTER_STATUSES } from "../../../api/administration";
import { api } from "../../../api/client";
import { useItems } from "../../../api/lists";
import { answer } from "../../../api/problem";
import { useFormats, useTexts } from "../../../app/language";
import { More } from "../../../components/More";
import { Refused } from "../../../components/Said";
import { Waiting } from "../../../components/Waiting";
import { Desk } from "../Desk";
import classes from "../desk.module.css";
import { Listing } from "../Listing";
import { State } from "../State";
import { useWords } from "../words";

export default function DeadLetters() {
  const texts = useTexts();
  const { deadLetters: words } = useWords();
  const [status, setStatus] = useState<DeadLetter["status"] | "">("open");
  const letters = useItems(["administration", "dead-letters", status], (cursor) =>
    answer(
      api.GET("/v1/admin/dead-letters", {
        params: { query: { status: status || null, cursor: cursor ?? null } },
      }),
    ),
  );
  return (
    <Desk
      title={texts.administration.deadLetters}
      end={
        <Select
          aria-label={words.status}
          allowDeselect={false}
          data={[
            ...LETTER_STATUSES.map((value) => ({ value, label: words.statuses[value] })),
            { value: "", label: words.any },
          ]}
          value={status}
          onChange={(value) => setStatus((value ?? "") as DeadLetter["status"] | "")}
        />
      }
    >
      <Text c="dimmed">{words.lead}</Text>
      <Refused problem={letters.error} />
      {letters.items === undefined && letters.error === null ? <Waiting /> : null}
      {letters.items?.length === 0 ? <Text>{words.nothing}</Text> : null}
      {letters.items?.length ? <Found letters={letters.items} /> : null}
      <More more={letters.more} loading={letters.loadsMore} />
    </Desk>
  );
}

function Found({ letters }: { letters: readonly DeadLetter[] }) {
  const { deadLetters: words, none } = useWords();
  const formats = useFormats();
  return (
    <section className={classes.sheet} aria-label={words.title}>
      <Listing
        label={words.title}
        rows={letters}
        keyOf={(letter) => letter.id}
        columns={[
          {
            name: words.type,
            cell: (letter) => (
              <>
                <Link href={`/administration/dead-letters/${letter.id}`}>
                  <bdi>{letter.event_type.split(".").at(-1) || none}</bdi>
                </Link>
                <Text size="xs" c="dimmed">
                  <bdi>{letter.topic}</bdi>
                </Text>
              </>
            ),
          },
          { name: words.consumer, cell: (letter) => <bdi>{letter.consumer}</bdi> },
          { name: words.reason, cell: (letter) => <bdi>{letter.reason}</bdi> },
          {
            name: words.status,
            cell: (letter) => <State state={letter.status}>{words.statuses[letter.status]}</State>,
          },
          { name: words.when, cell: (letter) => formats.instant(letter.died_at), end: true },
        ]}
      />
    </section>
  );
}
