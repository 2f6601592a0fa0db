import { Anchor, Button, Checkbox, Group, Select, Stack, Text, TextInput, Title } from "@mantine/core";
import { useRef, useState } from "react";
import { Link } from "wouter";
import { type Job, useJobs } from "../../api/jobs";
import { useTexts } from "../../app/language";
import { Refused } from "../../components/Said";
import { Waiting } from "../../components/Waiting";
import { List } from "./List";
import { Queue } from "./Queue";
import { Selection } from "./Selection";
import { LONGEST_SEARCH, SHOWN, useNarrowing } from "./useNarrowing";

export default function Separations() {
  const texts = useTexts();
  const words = texts.separations;
  const { status, search, batch, typed, type, show } = useNarrowing();
  const inView = useRef<readonly string[]>([]);
  const list = useJobs({ status, search, batch }, inView);
  const narrowed = status !== "" || search !== "" || batch !== null;
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const chosen = list.jobs.filter((job) => selected.has(job.id));
  const keep = (jobs: readonly Job[]) => setSelected(new Set(jobs.map(({ id }) => id)));
  const select = (id: string, on: boolean) =>
    setSelected((before) => {
      const after = new Set(before);
      if (on) after.add(id);
      else after.delete(id);
      return after;
    });
  const more = list.hasNextPage && !list.isFetchingNextPage ? () => void list.fetchNextPage() : null;
  return (
    <Stack gap="lg">
      <Group justify="space-between">
        <Title order={1}>{words.title}</Title>
        <Button component={Link} href="/new">
          {texts.newSeparation.title}
        </Button>
      </Group>
      <Queue />
      <Group align="end">
        <TextInput
          label={words.search}
          type="search"
          maxLength={LONGEST_SEARCH}
          value={typed}
          onChange={(event) => type(event.currentTarget.value)}
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
          onChange={(value) => show(value ?? "")}
          flex="0 1 14rem"
        />
      </Group>
      {batch === null ? null : (
        <Group gap="sm">
          <Text>
            {words.ofBatch} <bdi>{batch}</bdi>
          </Text>
          <Anchor component={Link} href="/separations">
            {words.ofAll}
          </Anchor>
        </Group>
      )}
      <Refused problem={list.error} />
      {list.isPending ? <Waiting /> : null}
      {list.isSuccess && list.jobs.length === 0 ? (
        <Text c="dimmed">{narrowed ? words.noneFound : words.none}</Text>
      ) : null}
      {list.jobs.length ? (
        <>
          <Checkbox
            label={words.selectAll}
            checked={chosen.length === list.jobs.length}
            indeterminate={chosen.length > 0 && chosen.length < list.jobs.length}
            onChange={(event) => keep(event.currentTarget.checked ? list.jobs : [])}
            ps="1rem"
          />
          <List
            jobs={list.jobs}
            more={more}
            complete={!list.hasNextPage}
            inView={inView}
            selected={selected}
            select={select}
          />
        </>
      ) : null}
      {chosen.length ? <Selection jobs={chosen} keep={keep} /> : null}
    </Stack>
  );
}
