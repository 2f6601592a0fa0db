import { Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { Link } from "wouter";
import type { AccountView } from "../../../api/administration";
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

const TYPED_MILLISECONDS = 250;

export default function Users() {
  const texts = useTexts();
  const { users: words } = useWords();
  const [query, setQuery] = useState("");
  const [sought] = useDebouncedValue(query.trim(), TYPED_MILLISECONDS);
  const users = useItems(["administration", "users", sought], (cursor) =>
    answer(
      api.GET("/v1/admin/users", { params: { query: { query: sought || null, cursor: cursor ?? null } } }),
    ),
  );
  return (
    <Desk title={texts.administration.users}>
      <TextInput
        label={words.query}
        type="search"
        maxLength={254}
        value={query}
        onChange={(event) => setQuery(event.currentTarget.value)}
      />
      <Refused problem={users.error} />
      {users.items === undefined && users.error === null ? <Waiting /> : null}
      {users.items?.length === 0 ? <Text c="dimmed">{words.nothing}</Text> : null}
      {users.items?.length ? <Found users={users.items} /> : null}
      <More more={users.more} loading={users.loadsMore} />
    </Desk>
  );
}

function Found({ users }: { users: readonly AccountView[] }) {
  const all = useWords();
  const { users: words } = all;
  const formats = useFormats();
  return (
    <section className={classes.sheet} aria-label={words.title}>
      <Listing
        label={words.title}
        rows={users}
        keyOf={(user) => user.id}
        columns={[
          {
            name: words.email,
            cell: (user) => (
              <Link href={`/administration/users/${user.id}`}>
                <bdi>{user.email}</bdi>
              </Link>
            ),
          },
          { name: words.name, cell: (user) => <bdi>{user.display_name ?? all.none}</bdi> },
          { name: words.roles, cell: (user) => user.roles.map((role) => words.roleNames[role]).join(", ") },
          { name: words.plan, cell: (user) => <bdi>{user.plan}</bdi> },
          {
            name: words.state,
            cell: (user) =>
              user.disabled_at === null ? (
                <State state="live">{words.active}</State>
              ) : (
                <State state="failed">{words.suspended}</State>
              ),
          },
          { name: words.joined, cell: (user) => formats.day(user.created_at), end: true },
        ]}
      />
    </section>
  );
}
