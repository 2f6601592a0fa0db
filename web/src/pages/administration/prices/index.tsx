import { Button, NumberInput, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { useForm } from "@mantine/form";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type NewPrice, type PriceVersion, setPrice, withdrawPrice } from "../../../api/administration";
import { api } from "../../../api/client";
import { useItems } from "../../../api/lists";
import { answer } from "../../../api/problem";
import { useFormats, useTexts } from "../../../app/language";
import { More } from "../../../components/More";
import { Done, Refused } from "../../../components/Said";
import { Sheet } from "../../../components/Sheet";
import { Ask } from "../Ask";
import { Desk } from "../Desk";
import classes from "../desk.module.css";
import { Listing } from "../Listing";
import { State } from "../State";
import { useWords } from "../words";

type Kind = PriceVersion["kind"];
const KINDS: readonly Kind[] = ["pack", "plan", "rate"];

export default function Prices() {
  const texts = useTexts();
  const { prices: words } = useWords();
  const prices = useItems(["administration", "prices"], (cursor) =>
    answer(api.GET("/v1/admin/prices", { params: { query: { cursor: cursor ?? null } } })),
  );
  return (
    <Desk title={texts.administration.prices}>
      <Text c="dimmed">{words.lead}</Text>
      <Sheet title={words.all}>
        <Refused problem={prices.error} />
        {prices.items ? <Versions prices={prices.items} /> : null}
        <More more={prices.more} loading={prices.loadsMore} />
      </Sheet>
      <NewVersion />
    </Desk>
  );
}

function stateOf(price: PriceVersion): "inForce" | "over" | "toCome" {
  const now = Date.now();
  if (price.valid_to !== null && Date.parse(price.valid_to) <= now) return "over";
  return Date.parse(price.valid_from) > now ? "toCome" : "inForce";
}

function Versions({ prices }: { prices: readonly PriceVersion[] }) {
  const all = useWords();
  const { prices: words } = all;
  const formats = useFormats();
  const cost = (price: PriceVersion) =>
    price.millicredits_per_second === null
      ? formats.money(price.amount_minor ?? 0, price.currency ?? "eur")
      : words.perSecond(formats.number(price.millicredits_per_second / 1000));
  return (
    <Listing
      label={words.all}
      rows={prices}
      keyOf={(price) => price.id}
      columns={[
        {
          name: words.name,
          cell: (price) => (
            <>
              <bdi>{price.name}</bdi>
              <Text size="xs" c="dimmed">
                {words.kinds[price.kind]} · <bdi>{price.code}</bdi>
              </Text>
            </>
          ),
        },
        {
          name: words.credits,
          cell: (price) => (price.credits === null ? all.none : formats.number(price.credits)),
          end: true,
        },
        { name: words.amount, cell: (price) => <bdi>{cost(price)}</bdi>, end: true },
        { name: words.from, cell: (price) => formats.moment(price.valid_from) },
        {
          name: words.until,
          cell: (price) => (price.valid_to === null ? all.none : formats.moment(price.valid_to)),
        },
        {
          name: words.state,
          cell: (price) => {
            const state = stateOf(price);
            return <State state={state === "inForce" ? "live" : state}>{words.states[state]}</State>;
          },
        },
        {
          name: "",
          end: true,
          cell: (price) =>
            stateOf(price) === "over" ? null : (
              <Ask
                what={words.withdraw}
                whose={price.name}
                lead={words.withdrawLead}
                asksWhy={false}
                act={() => withdrawPrice(price.id)}
              />
            ),
        },
      ]}
    />
  );
}

const EMPTY = {
  code: "",
  name: "",
  credits: "" as number | "",
  amount: "" as number | "",
  currency: "eur",
  model: "*",
  tier: "fast" as "fast" | "relaxed",
  millicredits: "" as number | "",
  from: "",
};

function bodyOf(kind: Kind, values: typeof EMPTY): NewPrice {
  const shared = {
    name: values.name,
    valid_from: values.from === "" ? null : new Date(values.from).toISOString(),
  };
  if (kind === "rate") {
    const { model, tier } = values;
    return { ...shared, kind, model, tier, millicredits_per_second: Number(values.millicredits) };
  }
  const sold = { code: values.code, credits: Number(values.credits), amount_minor: Number(values.amount) };
  return { ...shared, ...sold, kind, currency: values.currency };
}

function NewVersion() {
  const { prices: words } = useWords();
  const queries = useQueryClient();
  const [kind, setKind] = useState<Kind>("pack");
  const form = useForm({ initialValues: EMPTY });
  const make = useMutation({
    mutationFn: setPrice,
    onSuccess: () => {
      form.reset();
      return queries.invalidateQueries({ queryKey: ["administration"] });
    },
  });
  return (
    <Sheet title={words.make}>
      <form onSubmit={form.onSubmit((values) => make.mutate(bodyOf(kind, values)))}>
        <Stack>
          <SegmentedControl
            aria-label={words.kind}
            value={kind}
            onChange={(value) => setKind(value as Kind)}
            data={KINDS.map((value) => ({ value, label: words.kinds[value] }))}
          />
          <div className={classes.fields}>
            <TextInput label={words.name} required maxLength={100} {...form.getInputProps("name")} />
            {kind === "rate" ? (
              <>
                <TextInput
                  label={words.model}
                  description={words.modelHint}
                  inputWrapperOrder={["label", "input", "description"]}
                  dir="ltr"
                  required
                  maxLength={32}
                  {...form.getInputProps("model")}
                />
                <Select
                  label={words.tier}
                  size="md"
                  allowDeselect={false}
                  data={Object.entries(words.tiers).map(([value, label]) => ({ value, label }))}
                  {...form.getInputProps("tier")}
                />
                <NumberInput
                  label={words.millicredits}
                  size="md"
                  required
                  min={1}
                  allowDecimal={false}
                  {...form.getInputProps("millicredits")}
                />
              </>
            ) : (
              <>
                <TextInput
                  label={words.code}
                  description={words.codeHint}
                  inputWrapperOrder={["label", "input", "description"]}
                  dir="ltr"
                  required
                  maxLength={40}
                  {...form.getInputProps("code")}
                />
                <NumberInput
                  label={kind === "plan" ? words.creditsMonth : words.credits}
                  size="md"
                  required
                  min={1}
                  allowDecimal={false}
                  {...form.getInputProps("credits")}
                />
                <NumberInput
                  label={words.amount}
                  description={words.amountHint}
                  inputWrapperOrder={["label", "input", "description"]}
                  size="md"
                  required
                  min={0}
                  allowDecimal={false}
                  {...form.getInputProps("amount")}
                />
                <TextInput
                  label={words.currency}
                  dir="ltr"
                  required
                  maxLength={3}
                  {...form.getInputProps("currency")}
                />
              </>
            )}
            <TextInput
              label={words.from}
              description={words.fromHint}
              inputWrapperOrder={["label", "input", "description"]}
              type="datetime-local"
              {...form.getInputProps("from")}
            />
          </div>
          <Refused problem={make.error} />
          {make.isSuccess ? <Done>{words.made}</Done> : null}
          <div>
            <Button type="submit" size="sm" loading={make.isPending}>
              {words.set}
            </Button>
          </div>
        </Stack>
      </form>
    </Sheet>
  );
}
