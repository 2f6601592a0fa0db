import { Alert, Button, Stack, Text } from "@mantine/core";
import { useLedgerCheck, useProviderTotals } from "../../../api/administration";
import type { components } from "../../../api/schema";
import { useFormats, useTexts } from "../../../app/language";
import { Done, Refused } from "../../../components/Said";
import { Sheet } from "../../../components/Sheet";
import { Desk } from "../Desk";
import { Id } from "../Figures";
import { Listing } from "../Listing";
import { State } from "../State";
import { useWords } from "../words";

type Check = components["schemas"]["LedgerCheckView"];
type Day = components["schemas"]["DayTotalsView"];
type Amounts = Day["books"];

export default function Books() {
  const texts = useTexts();
  const { books: words } = useWords();
  const check = useLedgerCheck();
  const totals = useProviderTotals();
  return (
    <Desk title={texts.administration.books}>
      <Sheet title={words.check} lead={words.checkLead}>
        <Refused problem={check.error} />
        {check.data ? <Findings check={check.data} /> : null}
        <div>
          <Button size="sm" variant="default" loading={check.isFetching} onClick={() => void check.refetch()}>
            {words.again}
          </Button>
        </div>
      </Sheet>
      <Sheet title={words.provider} lead={words.providerLead}>
        <Refused problem={totals.error} />
        {totals.data ? <Totals days={totals.data.days} /> : null}
      </Sheet>
    </Desk>
  );
}

function Findings({ check }: { check: Check }) {
  const { books: words } = useWords();
  const formats = useFormats();
  if (check.ok)
    return <Done>{words.right(formats.number(check.transfers), formats.number(check.entries))}</Done>;
  const faults = Object.entries(words.faults) as [keyof typeof words.faults, string][];
  return (
    <Alert color="red" title={words.wrong} role="alert">
      <Stack gap="xs">
        {faults.map(([name, label]) =>
          check[name].length ? (
            <div key={name}>
              <Text fw={500}>{label}</Text>
              {check[name].map((id) => (
                <div key={id}>
                  <Id>{id}</Id>
                </div>
              ))}
            </div>
          ) : null,
        )}
      </Stack>
    </Alert>
  );
}

function Totals({ days }: { days: readonly Day[] }) {
  const { books: words } = useWords();
  const formats = useFormats();
  if (days.length === 0) return <Text c="dimmed">{words.quiet}</Text>;
  /** Ours, and beside it the provider's where that is another. */
  const amount = (name: keyof Amounts) => (day: Day) => {
    const [books, provider] = [day.books[name], day.provider[name]].map((minor) =>
      formats.money(minor, day.currency),
    );
    return <bdi>{books === provider ? books : `${books} ≠ ${provider}`}</bdi>;
  };
  return (
    <Listing
      label={words.provider}
      rows={days}
      keyOf={(day) => `${day.day} ${day.currency}`}
      columns={[
        { name: words.day, cell: (day) => formats.day(day.day) },
        { name: words.paid, cell: amount("paid_minor"), end: true },
        { name: words.refunded, cell: amount("refunded_minor"), end: true },
        { name: words.disputed, cell: amount("disputed_minor"), end: true },
        {
          name: "",
          cell: (day) => (
            <State state={day.agree ? "live" : "failed"}>{day.agree ? words.agree : words.differ}</State>
          ),
        },
      ]}
    />
  );
}
