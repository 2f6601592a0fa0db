import { Button, Group, Select, Stack, Text, TextInput, Title } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { Link } from "wouter";
import { type Status, useJobs } from "../../api/jobs";
import { useTexts } from "../../app/language";
import { Refused } from "../../components/Said";
import { Waiting } from "../../components/Waiting";
import { Row } from "./Row";
import classes from "./separations.module.css";

const SHOWN: readonly Status[] = ["running", "queued", "succeeded", "failed", "canceled", "rejected"];
const TYPED_MILLISECONDS = 250;

export default function Separations() {
  const texts = useTexts();
  const words = texts.separations;
  const [status, setStatus] = useState<Status | "">("");
  const [search, setSearch] = useState("");
  const [sought] = useDebouncedValue(search.trim(), TYPED_MILLISECONDS);
  const list = useJobs(status, sought);
  const narrowed = status !== "" || sought !== "";
  return (
    <Stack gap="lg">
      <Group justify="space-between">
        <Title order={1}>{words.title}</Title>
        <Button component={Link} href="/new">
          {texts.newSeparation.title}
        </Button>
      </Group>
      <Group align="end">
        <TextInput
          label={words.search}
          type="search"
          maxLength={100}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          flex="1 1 14rem"
        />
        <Select
          label={words.filter}
          size="md"
          allowDeselect={false}
          data={[
            { value: "", label: words.all },
            ...SHOWN.map((value) => ({ value, label: words.statuses[value] })),
          ]}
          value={status}
          onChange={(value) => setStatus((value ?? "") as Status | "")}
          flex="0 1 14rem"
        />
      </Group>
      <Refused problem={list.error} />
      {list.isPending ? <Waiting /> : null}
      {list.isSuccess && list.jobs.length === 0 ? (
        <Text c="dimmed">{narrowed ? words.noneFound : words.none}</Text>
      ) : null}
      {list.jobs.length ? (
        <ul className={classes.list} aria-label={words.title}>
          {list.jobs.map((job) => (
            <Row key={job.id} job={job} />
          ))}
        </ul>
      ) : null}
      {list.hasNextPage ? (
        <Group justify="center">
          <Button
            variant="default"
            loading={list.isFetchingNextPage}
            onClick={() => void list.fetchNextPage()}
          >
            {words.more}
          </Button>
        </Group>
      ) : null}
    </Stack>
  );
}
