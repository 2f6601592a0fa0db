import { Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { useMutation, useQueries, useQueryClient } from "@tanstack/react-query";
import { Link, useLocation } from "wouter";
import { api } from "../../api/client";
import { orders } from "../../api/orders";
import { answer } from "../../api/problem";
import { useLanguage } from "../../app/language";
import { Refused } from "../../components/Said";
import { Sheet } from "../../components/Sheet";
import { isComing, type Song, type UploadQueue } from "../../uploads/queue";
import { FORMATS, type Wish } from "./wish";

/** What it will cost, before anything is charged, and the order. */
export function Order({ songs, wish, queue }: { songs: readonly Song[]; wish: Wish; queue: UploadQueue }) {
  const { texts, formats } = useLanguage();
  const words = texts.newSeparation;
  const queries = useQueryClient();
  const [, go] = useLocation();
  const ready = songs.filter((song) => song.phase === "ready");
  const stems = [...wish.stems];
  const tier = wish.mode === "full" ? wish.tier : "fast";
  const quotes = useQueries({
    queries: ready.map(({ upload }) => ({
      queryKey: ["quote", upload?.id, wish.mode, tier, ...stems],
      queryFn: () =>
        answer(
          api.POST("/v1/quotes", { body: { upload_id: upload?.id ?? "", mode: wish.mode, tier, stems } }),
        ),
      enabled: stems.length > 0,
      staleTime: 60_000,
    })),
  });
  const order = useMutation({
    mutationFn: async () => {
      const ordered: string[] = [];
      for (const { key, upload } of ready) {
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
  // One song is listened to while it is made; many are watched together. Whoever has gone elsewhere meanwhile is left there.
  const press = () =>
    order.mutate(undefined, {
      onSuccess: ([id, ...more]) => go(more.length === 0 ? `/separations/${id}` : "/separations"),
    });
  const answers = quotes.map((quote) => quote.data);
  const known = stems.length > 0 && ready.length > 0 && answers.every((quote) => quote !== undefined);
  const price = answers.reduce((sum, quote) => sum + (quote?.price_credits ?? 0), 0);
  const available = answers[0]?.available_credits ?? 0;
  const exhausted = answers.some((quote) => quote?.reason === "preview_allowance_exhausted");
  const affordable = known && price <= available && !exhausted;
  const coming = songs.filter(isComing).length;
  return (
    <Sheet title={words.cost}>
      <Stack>
        <div role="status">
          {ready.length === 0 ? <Text c="dimmed">{words.costLater}</Text> : null}
          {known && wish.mode === "preview" ? <Text>{words.free(formats.number(ready.length))}</Text> : null}
          {known && wish.mode === "full" ? (
            <Text>{words.price(formats.number(price), formats.number(available))}</Text>
          ) : null}
          {known && exhausted ? <Text>{words.exhausted}</Text> : null}
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
        <Refused problem={order.error ?? quotes.find((quote) => quote.error)?.error} />
        <Group>
          <Button disabled={!affordable} loading={order.isPending} onClick={press}>
            {ready.length > 1 ? words.orderMany(formats.number(ready.length)) : words.order}
          </Button>
        </Group>
      </Stack>
    </Sheet>
  );
}
