import { Select, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { Link } from "wouter";
import { type AdminJob, STATUSES } from "../../../api/administration";
import { api } from "../../../api/client";
import { useItems } from "../../../api/lists";
import { answer } from "../../../api/problem";
import { useFormats, useTexts } from "../../../app/language";
import { More } from "../../../components/More";
import { Refused } from "../../../components/Said";
import { Waiting } from "../../../components/Waiting";
import { Desk } from "../Desk";
import classes from "../desk.module.css";
import { Id } from "../Figures";
import { Listing } from "../Listing";
import { State } from "../State";
import { useWords } from "../words";

const TYPED_MILLISECONDS = 250;
const START = { query: "", status: "", model: "", since: "", until: "" };

export default function Jobs() {
  const texts = useTexts();
  const words = useWords();
  const [wanted, setWanted] = useState(() => ({
    ...START,
    query: new URLSearchParams(location.search).get("query") ?? "",
  }));
  const [sought] = useDebouncedValue(wanted, TYPED_MILLISECONDS);
  const jobs = useItems(["administration", "jobs", sought], (cursor) =>
    answer(
      api.GET("/v1/admin/jobs", {
        params: {
          query: {
            cursor: cursor ?? null,
            query: sought.query.trim() || null,
            status: (sought.status || null) as AdminJob["status"] | null,
            model: sought.model.trim() || null,
            since: moment(sought.since),
            until: moment(sought.until),
          },
        },
      }),
    ),
  );
  const field = (name: keyof typeof START, label: string, type = "search") => (
    <TextInput
      label={label}
      type={type}
      dir="ltr"
      maxLength={80}
      value={wanted[name]}
      onChange={(event) => {
        const { value } = event.currentTarget;
        setWanted((before) => ({ ...before, [name]: value }));
      }}
    />
  );
  return (
    <Desk title={texts.administration.jobs}>
      <div className={classes.fields}>
        {field("query", words.jobs.query)}
        <Select
          label={words.jobs.status}
          size="md"
          allowDeselect={false}
          data={[
            { value: "", label: words.jobs.any },
            ...STATUSES.map((value) => ({ value, label: words.statuses[value] })),
          ]}
          value={wanted.status}
          onChange={(value) => setWanted((before) => ({ ...before, status: value ?? "" }))}
        />
        {field("model", words.jobs.model)}
        {field("since", words.jobs.since, "datetime-local")}
        {field("until", words.jobs.until, "datetime-local")}
      </div>
      <Refused problem={jobs.error} />
      {jobs.items === undefined && jobs.error === null ? <Waiting /> : null}
      {jobs.items?.length === 0 ? <Text c="dimmed">{words.jobs.nothing}</Text> : null}
      {jobs.items?.length ? <Found jobs={jobs.items} /> : null}
      <More more={jobs.more} loading={jobs.loadsMore} />
    </Desk>
  );
}

/** What a field for a local time holds, as the API takes it. */
function moment(local: string): string | null {
  return local === "" ? null : new Date(local).toISOString();
}

function Found({ jobs }: { jobs: readonly AdminJob[] }) {
  const words = useWords();
  const { jobs: texts } = words;
  const formats = useFormats();
  return (
    <section className={classes.sheet} aria-label={texts.title}>
      <Listing
        label={texts.title}
        rows={jobs}
        keyOf={(job) => job.id}
        columns={[
          {
            name: texts.job,
            cell: (job) => (
              <Link href={`/administration/jobs/${job.id}`}>
                <Id>{job.id}</Id>
              </Link>
            ),
          },
          {
            name: texts.status,
            cell: (job) => (
              <>
                <State state={job.status}>{words.statuses[job.status]}</State>
                {job.error ? (
                  <Text size="xs" c="dimmed">
                    <bdi>{job.error.code}</bdi>
                  </Text>
                ) : null}
              </>
            ),
          },
          { name: texts.account, cell: (job) => <Id>{job.account_id}</Id> },
          { name: texts.model, cell: (job) => <bdi>{job.model.name}</bdi> },
          {
            name: texts.audio,
            cell: (job) => (job.audio_seconds === null ? words.none : formats.duration(job.audio_seconds)),
            end: true,
          },
          { name: texts.made, cell: (job) => formats.moment(job.created_at), end: true },
        ]}
      />
    </section>
  );
}
