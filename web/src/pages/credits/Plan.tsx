import { Button, Text } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { api } from "../../api/client";
import { answer, Problem } from "../../api/problem";
import { useFormats, useTexts } from "../../app/language";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";

async function plan() {
  try {
    return await answer(api.GET("/v1/billing/subscription"));
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 404) return null;
    throw problem;
  }
}

/** The plan that runs; nothing where there is none. */
export function Plan() {
  const { credits: texts } = useTexts();
  const formats = useFormats();
  const subscription = useQuery({ queryKey: ["subscription"], queryFn: plan });
  const portal = useMutation({
    mutationFn: () => answer(api.POST("/v1/billing/portal")),
    onSuccess: ({ url }) => location.assign(url),
  });
  const found = subscription.data;
  if (!found) return null;
  const day = formats.day(found.period_ends_at);
  return (
    <Sheet title={texts.yourPlan}>
      <Text>
        <strong>{texts.names[found.name] ?? found.name}</strong> ·{" "}
        {texts.aMonth(formats.money(found.amount_minor, found.currency))} ·{" "}
        {texts.credits(formats.number(found.credits_per_month))}
      </Text>
      <Text c="dimmed">
        {texts.states[found.state]} {found.ends_with_period ? texts.endsOn(day) : texts.renews(day)}
      </Text>
      <Refused problem={portal.error} />
      <div>
        <Button variant="default" onClick={() => portal.mutate()} loading={portal.isPending}>
          {texts.manage}
        </Button>
      </div>
    </Sheet>
  );
}
