import { Button, Group, NumberInput, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link, useParams } from "wouter";
import { type PaymentWithRefunds, type Refund, refund, usePayment } from "../../../api/administration";
import { minorDigits } from "../../../app/formats";
import { useFormats, useTexts } from "../../../app/language";
import { Done, Refused } from "../../../components/Said";
import { Sheet } from "../../../components/Sheet";
import { Waiting } from "../../../components/Waiting";
import { Desk } from "../Desk";
import { Facts, Id } from "../Figures";
import { Listing } from "../Listing";
import { Standing } from "../payments";
import { State } from "../State";
import { useWords } from "../words";

const STATES = { asked: "running", done: "live", refused: "failed", failed: "failed" } as const;

export default function Payment() {
  const texts = useTexts();
  const { id = "" } = useParams();
  const payment = usePayment(id);
  const known = payment.data;
  return (
    <Desk title={texts.administration.payment}>
      <Refused problem={payment.error} />
      {payment.isPending ? <Waiting /> : null}
      {known ? (
        <>
          <About payment={known} />
          <Refunds payment={known} />
        </>
      ) : null}
    </Desk>
  );
}

function About({ payment }: { payment: PaymentWithRefunds }) {
  const all = useWords();
  const { payments: words } = all;
  const formats = useFormats();
  const money = (minor: number) => formats.money(minor, payment.currency);
  return (
    <Sheet title={`${payment.name} · ${money(payment.amount_minor)}`}>
      <Facts
        of={[
          [words.state, <Standing key="state" payment={payment} />],
          [
            words.buyer,
            <Link key="buyer" href={`/administration/users/${payment.account_id}`}>
              <bdi>{payment.email ?? words.erased}</bdi>
            </Link>,
          ],
          [words.paidAt, formats.moment(payment.paid_at)],
          [words.tax, money(payment.tax_minor)],
          [words.refunded, money(payment.refunded_minor)],
          [words.credits, formats.number(payment.credits)],
          [words.returned, formats.number(payment.returned_credits)],
          [words.provider, <bdi key="provider">{payment.provider}</bdi>],
          [
            words.reference,
            payment.provider_reference ? <Id key="reference">{payment.provider_reference}</Id> : all.none,
          ],
          [words.id, <Id key="id">{payment.id}</Id>],
          [words.receipt, <bdi key="receipt">{payment.receipt_number}</bdi>],
        ]}
      />
    </Sheet>
  );
}

function Refunds({ payment }: { payment: PaymentWithRefunds }) {
  const { payments: words } = useWords();
  return (
    <Sheet title={words.refunds} lead={words.refundsLead}>
      {payment.refunds.length ? <Made refunds={payment.refunds} /> : null}
      {payment.refunded_minor < payment.amount_minor ? (
        <NewRefund payment={payment} />
      ) : (
        <Text c="dimmed">{words.nothingLeft}</Text>
      )}
    </Sheet>
  );
}

function Made({ refunds }: { refunds: readonly Refund[] }) {
  const { payments: words } = useWords();
  const formats = useFormats();
  return (
    <Listing
      label={words.refunds}
      rows={refunds}
      keyOf={(made) => made.id}
      columns={[
        { name: words.when, cell: (made) => formats.moment(made.created_at) },
        { name: words.amount, cell: (made) => formats.money(made.amount_minor, made.currency), end: true },
        { name: words.why, cell: (made) => <bdi>{made.reason}</bdi> },
        {
          name: words.by,
          cell: (made) => (
            <Link href={`/administration/users/${made.by}`}>
              <Id>{made.by}</Id>
            </Link>
          ),
        },
        {
          name: words.state,
          cell: (made) => <State state={STATES[made.state]}>{words.refundStates[made.state]}</State>,
        },
      ]}
    />
  );
}

function NewRefund({ payment }: { payment: PaymentWithRefunds }) {
  const all = useWords();
  const { payments: words } = all;
  const formats = useFormats();
  const queries = useQueryClient();
  const digits = minorDigits(payment.currency);
  const left = payment.amount_minor - payment.refunded_minor;
  const form = useForm({ initialValues: { amount: "" as number | "", reason: "" } });
  const made = useMutation({
    mutationFn: ({ amount, reason }: typeof form.values) =>
      refund(payment.id, {
        amount_minor: amount === "" ? null : Math.round(Number(amount) * 10 ** digits),
        reason: reason.trim(),
      }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["administration"] }),
  });
  return (
    <form onSubmit={form.onSubmit((values) => made.mutate(values, { onSuccess: () => form.reset() }))}>
      <Stack>
        <Group align="start" grow preventGrowOverflow={false}>
          <NumberInput
            label={words.amountOf(payment.currency.toUpperCase())}
            description={words.amountHint(formats.money(left, payment.currency))}
            inputWrapperOrder={["label", "input", "description"]}
            size="md"
            min={1 / 10 ** digits}
            max={left / 10 ** digits}
            decimalScale={digits}
            {...form.getInputProps("amount")}
          />
          <TextInput label={all.reason} required maxLength={200} {...form.getInputProps("reason")} />
        </Group>
        <Refused problem={made.error} />
        {made.data ? <Done>{words.refundStates[made.data.state]}</Done> : null}
        <div>
          <Button type="submit" size="sm" variant="default" loading={made.isPending}>
            {words.refund}
          </Button>
        </div>
      </Stack>
    </form>
  );
}
