import { Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useLocation } from "wouter";
import { api } from "../../api/client";
import { orders } from "../../api/orders";
import { answer, Problem } from "../../api/problem";
import type { components } from "../../api/schema";
import { useLanguage } from "../../app/language";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";
import { isComing, type Song, type UploadQueue } from "../../uploads/queue";
import { FORMATS, type Wish } from "./wish";

/** As many as one quote is of. */
const MOST_AT_ONCE = 1000;
/** Word of a song that has just become ready may be on its way yet. */
const MAY_PASS: ReadonlySet<string> = new Set(["upload_not_ready", "unavailable", "unreachable"]);
const MOST_TRIES = 5;
const TOGETHER_MILLISECONDS = 500;

type Asked = Pick<components["schemas"]["NewQuote"], "mode" | "tier" | "stems">;

/** What the songs cost together: one question, however many they are. */
function ask(uploads: readonly string[], asked: Asked) {
  const items = uploads.map((upload_id) => ({ upload_id }));
  return answer(api.POST("/v1/batches/quote", { body: { items, ...asked } }));
}

/** What it will cost, before anything is charged, and the order. */
export function Order({ songs, wish, queue }: { songs: readonly Song[]; wish: Wish; queue: UploadQueue }) {
  const { texts, formats } = useLanguage();
  const words = texts.newSeparation;
  const queries = useQueryClient();
  const [, go] = useLocation();
  const ready = songs.filter((song) => song.phase === "ready").slice(0, MOST_AT_ONCE);
  const stems = [...wish.stems];
  const tier = wish.mode === "full" ? wish.tier : "fast";
  const order = useMutation({
    mutationFn: async (now: readonly Song[]) => {
      const ordered: string[] = [];
      for (const { key, upload } of now) {
        const wanted = JSON.stringify([upload?.id, wish]);
        const job = await orders.order(wanted, (once) =>
          answer(
            api.POST("/v1/jobs", {
              params: { header: { "Idempotency-Key": once } },
              body: {
                upload_id: upload?.id ?? "",
                mode: wish.mode,
                tier,
                stems,
                output: FORMATS[wish.format],
              },
            }),
          ),
        );
        ordered.push(job.id);
        queue.leave(key);
      }
      return ordered;
    },
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: ["jobs"] });
      void queries.invalidateQueries({ queryKey: ["balance"] });
    },
  });
  const uploads = ready.map(({ upload }) => upload?.id ?? "").join(" ");
  // Those that become ready, or leave by being ordered, one after the other are one question.
  const [asked] = useDebouncedValue(uploads, TOGETHER_MILLISECONDS);
  const quote = useQuery({
    queryKey: ["quote", wish.mode, tier, stems, asked],
    queryFn: () => ask(asked.split(" "), { mode: wish.mode, tier, stems }),
    enabled: stems.length > 0 && asked !== "" && !order.isPending,
    staleTime: 60_000,
    // While one more song becomes ready, what was said of the others stands.
    placeholderData: keepPreviousData,
    retry: (count, problem) => count < MOST_TRIES && problem instanceof Problem && MAY_PASS.has(problem.code),
  });
  const found = stems.length > 0 && ready.length > 0 ? quote.data : undefined;
  // Of more previews than are left today, the first ones are made.
  const left = wish.mode === "preview" ? (found?.previews_left ?? null) : null;
  const now = left === null ? ready : ready.slice(0, left);
  // One song is listened to while it is made; many are watched together. Whoever has gone elsewhere meanwhile is left there.
  const press = () =>
    order.mutate(now, {
      onSuccess: ([id, ...more]) => go(more.length === 0 ? `/separations/${id}` : "/separations"),
    });
  const known = found !== undefined && !quote.isPlaceholderData && asked === uploads;
  const price = found?.price_credits ?? 0;
  const available = found?.available_credits ?? 0;
  const exhausted = found?.reason === "preview_allowance_exhausted" && now.length === ready.length;
  const affordable = known && price <= available && !exhausted && now.length > 0;
  const coming = songs.filter(isComing).length;
  return (
    <Sheet title={words.cost}>
      <Stack>
        <div role="status">
          {ready.length === 0 ? <Text c="dimmed">{words.costLater}</Text> : null}
          {known && wish.mode === "preview" && now.length > 0 ? (
            <Text>{words.free(formats.number(now.length))}</Text>
          ) : null}
          {known && now.length > 0 && now.length < ready.length ? (
            <Text>
              {words.onlySome(formats.number(now.length), formats.number(ready.length - now.length))}
            </Text>
          ) : null}
          {known && wish.mode === "full" ? (
            <Text>{words.price(formats.number(price), formats.number(available))}</Text>
          ) : null}
          {known && (exhausted || now.length === 0) ? <Text>{words.exhausted}</Text> : null}
          {known && price > available ? (
            <Text>
              {words.tooLittle}{" "}
              <Anchor component={Link} href="/credits">
                {texts.credits.packs}
              </Anchor>
            </Text>
          ) : null}
          {ready.length > 0 && coming > 0 ? (
            <Text c="dimmed">{words.coming(formats.number(coming))}</Text>
          ) : null}
        </div>
        <Refused problem={order.error ?? quote.error} />
        <Group>
          <Button disabled={!affordable} loading={order.isPending} onClick={press}>
            {now.length > 1 ? words.orderMany(formats.number(now.length)) : words.order}
          </Button>
        </Group>
      </Stack>
    </Sheet>
  );
}
