import { Select, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import type { GivenFeedback } from "../../../api/administration";
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
import { useWords } from "../words";
import { Region } from "./Region";

const MOST = [1, 2, 3, 4] as const;

export default function Feedback() {
  const texts = useTexts();
  const { feedback: words } = useWords();
  const formats = useFormats();
  const [most, setMost] = useState("");
  const given = useItems(["administration", "feedback", most], (cursor) =>
    answer(
      api.GET("/v1/admin/feedback", {
        params: { query: { most: most === "" ? null : Number(most), cursor: cursor ?? null } },
      }),
    ),
  );
  return (
    <Desk
      title={texts.administration.feedback}
      end={
        <Select
          aria-label={words.most}
          allowDeselect={false}
          data={[
            { value: "", label: words.any },
            ...MOST.map((stars) => ({ value: String(stars), label: words.mostOf(formats.number(stars)) })),
          ]}
          value={most}
          onChange={(value) => setMost(value ?? "")}
        />
      }
    >
      <Text c="dimmed">{words.lead}</Text>
      <Refused problem={given.error} />
      {given.items === undefined && given.error === null ? <Waiting /> : null}
      {given.items?.length === 0 ? <Text>{words.nothing}</Text> : null}
      {given.items?.length ? <Given items={given.items} /> : null}
      <More more={given.more} loading={given.loadsMore} />
    </Desk>
  );
}

function Given({ items }: { items: readonly GivenFeedback[] }) {
  const { feedback: texts, mixer } = useTexts();
  const { feedback: words, none } = useWords();
  const formats = useFormats();
  const stem = (given: GivenFeedback) =>
    given.stem === null ? words.everything : (mixer.stems[given.stem] ?? given.stem);
  return (
    <section className={classes.sheet} aria-label={words.title}>
      <Listing
        label={words.title}
        rows={items}
        keyOf={(given) => given.job_id}
        columns={[
          {
            name: words.rating,
            cell: (given) => (
              <Link href={`/administration/jobs/${given.job_id}`}>
                {words.stars(formats.number(given.rating))}
              </Link>
            ),
          },
          {
            name: words.about,
            cell: (given) => (
              <>
                {stem(given)}
                <Text size="xs" c="dimmed">
                  <bdi>{given.model.name}</bdi>
                </Text>
              </>
            ),
          },
          {
            name: words.noticed,
            cell: (given) =>
              given.tags.map((tag) => (texts.tags as Record<string, string>)[tag] ?? tag).join(", ") || none,
          },
          { name: words.said, cell: (given) => <bdi>{given.comment ?? none}</bdi> },
          {
            name: words.region,
            cell: (given) =>
              given.start_seconds === null || given.end_seconds === null ? (
                none
              ) : (
                <>
                  <bdi>{`${formats.duration(given.start_seconds)} – ${formats.duration(given.end_seconds)}`}</bdi>
                  {given.audible ? <Region given={given} /> : null}
                </>
              ),
          },
          { name: words.when, cell: (given) => formats.moment(given.updated_at), end: true },
        ]}
      />
    </section>
  );
}
