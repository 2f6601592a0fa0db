import { Button, Text } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { api } from "../../api/client";
import { answer } from "../../api/problem";
import { useFormats, useTexts } from "../../app/language";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";
import classes from "./credits.module.css";

/** A checkout of one price; the browser goes where the person pays. */
function useCheckout() {
  return useMutation({
    mutationFn: (price_id: string) =>
      answer(
        api.POST("/v1/billing/checkouts", {
          body: { price_id },
          params: { header: { "Idempotency-Key": crypto.randomUUID() } },
        }),
      ),
    onSuccess: ({ url }) => {
      if (url !== null) location.assign(url);
    },
  });
}

export function Prices() {
  const { credits: texts } = useTexts();
  const formats = useFormats();
  const prices = useQuery({
    queryKey: ["prices"],
    queryFn: () => answer(api.GET("/v1/billing/prices")),
    staleTime: 600_000,
  });
  const nameOf = (sold: { name: string }) => texts.names[sold.name] ?? sold.name;
  const checkout = useCheckout();
  const buying = (id: string) => checkout.isPending && checkout.variables === id;
  const plans = prices.data?.plans ?? [];
  // What everybody has is not promised to who pays.
  const forAll = prices.data?.previews_per_day ?? 0;
  const ofPlan = plans.some((plan) => plan.id === checkout.variables);
  return (
    <>
      <Sheet title={texts.packs} lead={texts.packsLead}>
        <Refused problem={prices.error ?? (ofPlan ? null : checkout.error)} />
        <ul className={classes.offers}>
          {prices.data?.packs.map((pack) => (
            <li key={pack.id} className={classes.offer}>
              <Text fw={500}>{nameOf(pack)}</Text>
              <span className={classes.amount}>{formats.money(pack.amount_minor, pack.currency)}</span>
              <Text c="dimmed">{texts.credits(formats.number(pack.credits))}</Text>
              <Button
                aria-label={texts.buyOf(nameOf(pack))}
                onClick={() => checkout.mutate(pack.id)}
                loading={buying(pack.id)}
              >
                {texts.buy}
              </Button>
            </li>
          ))}
        </ul>
      </Sheet>
      {plans.length > 0 ? (
        <Sheet title={texts.plans} lead={texts.plansLead}>
          <Refused problem={ofPlan ? checkout.error : null} />
          <ul className={classes.offers}>
            {plans.map((plan) => (
              <li key={plan.id} className={classes.offer}>
                <Text fw={500}>{nameOf(plan)}</Text>
                <span className={classes.amount}>
                  {texts.aMonth(formats.money(plan.amount_minor, plan.currency))}
                </span>
                <Text c="dimmed">
                  {texts.credits(formats.number(plan.credits_per_month))}
                  {plan.previews_per_day > forAll
                    ? ` · ${texts.previews(formats.number(plan.previews_per_day))}`
                    : ""}
                </Text>
                <Button
                  variant="default"
                  aria-label={texts.chooseOf(nameOf(plan))}
                  onClick={() => checkout.mutate(plan.id)}
                  loading={buying(plan.id)}
                >
                  {texts.choose}
                </Button>
              </li>
            ))}
          </ul>
        </Sheet>
      ) : null}
    </>
  );
}
