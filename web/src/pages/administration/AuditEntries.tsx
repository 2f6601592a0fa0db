import { Stack, Text } from "@mantine/core";
import { Link } from "wouter";
import { api } from "../../api/client";
import { useItems } from "../../api/lists";
import { answer } from "../../api/problem";
import type { components } from "../../api/schema";
import { clientName } from "../../app/client-name";
import { useFormats, useTexts } from "../../app/language";
import { More } from "../../components/More";
import { Refused } from "../../components/Said";
import { Id } from "./Figures";
import { type Column, Listing } from "./Listing";
import { useWords } from "./words";

type Entry = components["schemas"]["AuditLogEntry"];
export type Kind = Entry["kind"];

/** Entries of the audit log, of one account or of all, of one kind or of any. */
export function AuditEntries({ accountId, kind }: { accountId: string | null; kind: Kind | null }) {
  const { account: events } = useTexts();
  const { audit: words } = useWords();
  const formats = useFormats();
  const entries = useItems(["administration", "audit-log", accountId, kind], (cursor) =>
    answer(
      api.GET("/v1/admin/audit-log", {
        params: { query: { account_id: accountId, kind, cursor: cursor ?? null } },
      }),
    ),
  );
  const whose: Column<Entry> = {
    name: words.whose,
    cell: (entry) => (entry.account_id === null ? "–" : <UserLink id={entry.account_id} />),
  };
  return (
    <Stack>
      <Refused problem={entries.error} />
      {entries.items?.length === 0 ? <Text c="dimmed">{words.nothing}</Text> : null}
      {entries.items?.length ? (
        <Listing
          label={words.title}
          rows={entries.items}
          keyOf={(entry) => entry.id}
          columns={[
            { name: words.when, cell: (entry) => formats.moment(entry.occurred_at) },
            { name: words.what, cell: (entry) => events.kinds[entry.kind] },
            ...(accountId === null ? [whose] : []),
            { name: words.who, cell: (entry) => <Who actor={entry.actor} /> },
            { name: words.from, cell: (entry) => <From entry={entry} /> },
            { name: words.details, cell: (entry) => <Details of={entry.details} /> },
          ]}
        />
      ) : null}
      <More more={entries.more} loading={entries.loadsMore} />
    </Stack>
  );
}

function UserLink({ id }: { id: string }) {
  return (
    <Link href={`/administration/users/${id}`}>
      <Id>{id}</Id>
    </Link>
  );
}

function Who({ actor }: { actor: string | null }) {
  const { audit: words } = useWords();
  if (actor === null) return words.itself;
  return actor.startsWith("usr_") ? <UserLink id={actor} /> : <bdi>{actor}</bdi>;
}

function From({ entry }: { entry: Entry }) {
  return (
    <>
      {entry.user_agent === null ? null : <bdi>{clientName(entry.user_agent)}</bdi>}
      {entry.network === null ? null : (
        <>
          {" "}
          <bdi>{entry.network}</bdi>
        </>
      )}
    </>
  );
}

/** Names and values as they were noted, for whoever looks into it. */
function Details({ of }: { of: Record<string, unknown> }) {
  return Object.entries(of).map(([name, value]) => (
    <div key={name}>
      <bdi>{`${name}: ${Array.isArray(value) ? value.join(", ") : String(value)}`}</bdi>
    </div>
  ));
}
