import { Anchor, Button, Text } from "@mantine/core";
import { Link, useLocation } from "wouter";
import { type Job, useOrderWhole, useQuoteOfWhole } from "../../api/separation";
import { useLanguage } from "../../app/language";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";
import classes from "./separation.module.css";

/** From a preview to the whole song, with its price before anything is ordered. */
export function Upgrade({ job }: { job: Job }) {
  const { texts, formats } = useLanguage();
  const words = texts.results;
  const quote = useQuoteOfWhole(job);
  const order = useOrderWhole(job);
  const [, go] = useLocation();
  const available = formats.number(quote.data?.available_credits ?? 0);
  const deducted = quote.data?.preview_credit_credits ?? 0;
  return (
    <Sheet title={words.upgrade} lead={words.upgradeLead}>
      <Refused problem={order.error ?? quote.error} />
      {quote.data ? (
        <div>
          <Button
            className={classes.action}
            disabled={!quote.data.affordable}
            loading={order.isPending}
            onClick={() => order.mutate(undefined, { onSuccess: (whole) => go(`/separations/${whole.id}`) })}
          >
            {words.order(formats.number(quote.data.price_credits))}
          </Button>
          <Text c="dimmed" size="sm" mt="xs">
            {deducted > 0 ? `${words.deducted(formats.number(deducted))} ` : ""}
            {quote.data.affordable ? words.have(available) : `${words.tooFew(available)} `}
            {quote.data.affordable ? null : (
              <Anchor component={Link} href="/credits" inherit>
                {texts.credits.packs}
              </Anchor>
            )}
          </Text>
        </div>
      ) : null}
    </Sheet>
  );
}
