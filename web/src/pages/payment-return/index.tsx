import { Button, Group, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link, useParams } from "wouter";
import { api } from "../../api/client";
import { answer, Problem } from "../../api/problem";
import type { components } from "../../api/schema";
import { useUser } from "../../api/session";
import { useTexts } from "../../app/language";
import { HOME } from "../../app/pages";
import { useTitle } from "../../app/title";
import { Refused } from "../../components/Said";
import { Slip } from "../../components/Slip";
import { Waiting } from "../../components/Waiting";

type Return = components["schemas"]["ReturnView"];

const ASK_AGAIN_MILLISECONDS = 5000;
const COMING: ReadonlySet<string> = new Set(["open", "processing"]);
/** What more money has come of than the balance that is known here. */
const OF_MONEY = [["balance"], ["ledger"], ["payments"], ["subscription"]];

/** Where the provider leads back to, for whoever has the address: signed in or not, what has come of the payment. */
export default function PaymentReturn() {
  const { id = "" } = useParams();
  const { payment: words } = useTexts();
  const queries = useQueryClient();
  const checkout = useQuery({
    queryKey: ["checkout", id],
    queryFn: () =>
      answer(api.GET("/v1/billing/returns/{checkout_id}", { params: { path: { checkout_id: id } } })),
    refetchInterval: ({ state }) =>
      isAway(state.error) || COMING.has(state.data?.status ?? "") ? ASK_AGAIN_MILLISECONDS : false,
  });
  const paid = checkout.data?.status === "paid";
  useEffect(() => {
    if (paid) for (const queryKey of OF_MONEY) void queries.invalidateQueries({ queryKey });
  }, [paid, queries]);
  if (checkout.data) return <Told found={checkout.data} />;
  // The provider cannot be asked just now; what was paid is not lost by that.
  if (isAway(checkout.error)) return <Told found={{ status: "processing", name: "", url: null }} />;
  if (!checkout.error) return <Waiting />;
  return (
    <Slip title={words.title}>
      <Refused problem={checkout.error} />
      <On />
    </Slip>
  );
}

function isAway(problem: unknown): boolean {
  return problem instanceof Problem && (problem.status === 0 || problem.status >= 500);
}

function Told({ found }: { found: Return }) {
  const { payment: words, credits } = useTexts();
  const name = credits.names[found.name] ?? found.name;
  useTitle(words.titles[found.status]);
  return (
    <Slip title={words.titles[found.status]}>
      <Text role="status">{words.told[found.status](name)}</Text>
      <On paid={found.status === "paid"} url={found.status === "open" ? found.url : null} />
    </Slip>
  );
}

/** The way on: to the payment, where it can be gone on with, and to what was bought. */
function On({ paid = false, url = null }: { paid?: boolean; url?: string | null }) {
  const { payment: words } = useTexts();
  const user = useUser();
  const credits = user === null ? `/sign-in?next=${encodeURIComponent("/credits")}` : "/credits";
  return (
    <>
      {user === null ? <Text c="dimmed">{words.signedOut}</Text> : null}
      <Group>
        {url === null ? null : (
          <Button component="a" href={url}>
            {words.goOn}
          </Button>
        )}
        {paid && user !== null ? (
          <Button component={Link} href={HOME}>
            {words.separate}
          </Button>
        ) : null}
        <Button component={Link} href={credits} variant="default">
          {user === null ? words.signIn : words.credits}
        </Button>
      </Group>
    </>
  );
}
