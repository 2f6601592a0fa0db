import { Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { Link } from "wouter";
import type { Payment } from "../../../api/administration";
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

export default function Payments() {
  const texts = useTexts();
  const { payments: words } = useWords();
  const [query, setQuery] = useState(() => new URLSearchParams(location.search).get("query") ?? "");
  const [sought] = useDebouncedValue(query.trim(), TYPED_MILLISECONDS);
  const payments = useItems(["administration", "payments", sought], (cursor) =>
    answer(
      api.GET("/v1/admin/payments", { params: { query: { query: sought || null, cursor: cursor ?? null } } }),
    ),
  );
  return (
    <Desk title={texts.administration.payments}>
      <TextInput
        label={words.query}
        type="search"
        maxLength={255}
        value={query}
        onChange={(event) => setQuery(event.currentTarget.value)}
      />
      <Refused problem={payments.error} />
      {payments.items === undefined && payments.error === null ? <Waiting /> : null}
      {payments.items?.length === 0 ? <Text c="dimmed">{words.nothing}</Text> : null}
      {payments.items?.length ? <Found payments={payments.items} /> : null}
      <More more={payments.more} loading={payments.loadsMore} />
    </Desk>
  );
}

function Found({ payments }: { payments: readonly Payment[] }) {
  const { payments: words } = useWords();
  const formats = useFormats();
  return (
    <section className={classes.sheet} aria-label={words.title}>
      <Listing
        label={words.title}
        rows={payments}
        keyOf={(payment) => payment.id}
        columns={[
          {
            name: words.receipt,
            cell: (payment) => (
              <Link href={`/administration/payments/${payment.id}`}>
                <bdi>{payment.receipt_number}</bdi>
              </Link>
            ),
          },
          { name: words.buyer, cell: (payment) => <bdi>{payment.email ?? words.erased}</bdi> },
          { name: words.bought, cell: (payment) => <bdi>{payment.name}</bdi> },
          {
            name: words.amount,
            cell: (payment) => formats.money(payment.amount_minor, payment.currency),
            end: true,
          },
          { name: words.state, cell: (payment) => <Standing payment={payment} /> },
          { name: words.paidAt, cell: (payment) => formats.moment(payment.paid_at), end: true },
        ]}
      />
    </section>
  );
}

/** How a payment stands: kept, paid back in part or whole, or taken back by the bank. */
export function Standing({ payment }: { payment: Payment }) {
  const { payments: words } = useWords();
  if (payment.disputed) return <State state="failed">{words.disputed}</State>;
  if (payment.refunded_minor === 0) return <State state="live">{words.kept}</State>;
  return (
    <State state="">{payment.refunded_minor < payment.amount_minor ? words.partly : words.refunded}</State>
  );
}
