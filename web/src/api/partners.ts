/** Webhook endpoints of the account, what was delivered to them, and the feed of its events. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api } from "./client";
import { useItems } from "./lists";
import { answer } from "./problem";
import type { components } from "./schema";

export type Endpoint = components["schemas"]["EndpointView"];
export type Delivery = components["schemas"]["DeliveryView"];
export type DeliveryStatus = Delivery["status"];
export type PublicEvent = components["schemas"]["EventView"];
export type EventType = Endpoint["event_types"][number];

const TYPES: Record<EventType, true> = {
  "upload.ready": true,
  "upload.rejected": true,
  "job.queued": true,
  "job.started": true,
  "job.succeeded": true,
  "job.failed": true,
  "job.canceled": true,
  "job.rejected": true,
  "job.deleted": true,
  "batch.completed": true,
  "payment.succeeded": true,
  "credits.low": true,
  "webhook_endpoint.disabled": true,
};
/** The types of events there are. */
export const EVENT_TYPES = Object.keys(TYPES) as EventType[];

const ENDPOINTS = ["webhook-endpoints"];
const DELIVERIES = "webhook-deliveries";
/** A delivery that waits for its next attempt is looked at this often. */
const LOOK_MILLISECONDS = 3_000;
/** No number of an event is greater. */
const LAST_NUMBER = Number.MAX_SAFE_INTEGER;
const SHOWN_EVENTS = 20;
const WAIT_SECONDS = 20;
const PAUSE_MILLISECONDS = 5_000;

export function useEndpoints() {
  return useItems(ENDPOINTS, (cursor) =>
    answer(api.GET("/v1/webhook-endpoints", { params: { query: { cursor: cursor ?? null } } })),
  );
}

/** One endpoint; null where the account has none of this id. */
export function useEndpoint(id: string) {
  return useQuery({
    queryKey: [...ENDPOINTS, id],
    queryFn: async () => {
      let cursor: string | null = null;
      do {
        const part: components["schemas"]["Page_EndpointView_"] = await answer(
          api.GET("/v1/webhook-endpoints", { params: { query: { limit: 100, cursor } } }),
        );
        const found = part.items.find((endpoint) => endpoint.id === id);
        if (found) return found;
        cursor = part.next_cursor;
      } while (cursor !== null);
      return null;
    },
  });
}

/** Adds an endpoint; its secret is in the answer this once. */
export function useAddEndpoint() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: components["schemas"]["NewEndpoint"]) =>
      answer(api.POST("/v1/webhook-endpoints", { body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ENDPOINTS }),
  });
}

/** What can be done with one endpoint. */
export function useEndpointActions(endpoint_id: string) {
  const queries = useQueryClient();
  const params = { path: { endpoint_id } };
  const anew = () => queries.invalidateQueries({ queryKey: ENDPOINTS });
  const deliveriesAnew = () => queries.invalidateQueries({ queryKey: [DELIVERIES] });
  return {
    change: useMutation({
      mutationFn: (body: components["schemas"]["EndpointChange"]) =>
        answer(api.PATCH("/v1/webhook-endpoints/{endpoint_id}", { params, body })),
      onSettled: anew,
    }),
    remove: useMutation({
      mutationFn: () => answer(api.DELETE("/v1/webhook-endpoints/{endpoint_id}", { params })),
      onSettled: anew,
    }),
    rotate: useMutation({
      mutationFn: () => answer(api.POST("/v1/webhook-endpoints/{endpoint_id}/rotate-secret", { params })),
      onSettled: anew,
    }),
    test: useMutation({
      mutationFn: () => answer(api.POST("/v1/webhook-endpoints/{endpoint_id}/test", { params })),
      onSettled: deliveriesAnew,
    }),
    redeliverFailed: useMutation({
      mutationFn: () =>
        answer(api.POST("/v1/webhook-endpoints/{endpoint_id}/redeliver", { params, body: {} })),
      onSettled: deliveriesAnew,
    }),
    redeliver: useMutation({
      mutationFn: (delivery_id: string) =>
        answer(
          api.POST("/v1/webhook-deliveries/{delivery_id}/redeliver", { params: { path: { delivery_id } } }),
        ),
      onSettled: deliveriesAnew,
    }),
  };
}

export function useDeliveries(endpoint_id: string, status: DeliveryStatus | null) {
  return useItems(
    [DELIVERIES, endpoint_id, status],
    (cursor) =>
      answer(
        api.GET("/v1/webhook-endpoints/{endpoint_id}/deliveries", {
          params: { path: { endpoint_id }, query: { status, limit: 20, cursor: cursor ?? null } },
        }),
      ),
    (items) => (items.some((delivery) => delivery.status === "pending") ? LOOK_MILLISECONDS : false),
  );
}

async function eventsAfter(after: number, wait: number, signal: AbortSignal) {
  return answer(api.GET("/v1/events", { params: { query: { after, wait, limit: 100 } }, signal }));
}

/** The account's last events, the newest first, and those that come while the page is open. */
export function useFeed(): { events: PublicEvent[] | undefined; error: unknown } {
  const [events, setEvents] = useState<PublicEvent[]>();
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const leaving = new AbortController();
    const { signal } = leaving;
    async function follow(): Promise<void> {
      // Where nothing can follow, the answer tells the number of the last event.
      const last = (await eventsAfter(LAST_NUMBER, 0, signal)).next_after;
      let after = Math.max(0, last - SHOWN_EVENTS);
      for (let wait = 0; !signal.aborted; wait = WAIT_SECONDS) {
        const page = await eventsAfter(after, wait, signal);
        after = page.next_after;
        setError(null);
        setEvents((known) => [...page.items.toReversed(), ...(known ?? [])].slice(0, SHOWN_EVENTS));
      }
    }
    async function keepFollowing(): Promise<void> {
      while (!signal.aborted) {
        try {
          await follow();
        } catch (problem) {
          if (signal.aborted) return;
          setError(problem);
          setEvents(undefined);
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
        }
      }
    }
    void keepFollowing();
    return () => leaving.abort();
  }, []);
  return { events, error };
}
