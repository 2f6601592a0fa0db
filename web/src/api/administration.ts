/** What those who run the platform see; kept under one key, so that whatever is done has all of it asked anew. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { api } from "./client";
import { answer } from "./problem";
import type { components } from "./schema";

type Schemas = components["schemas"];
export type Overview = Schemas["Overview"];
export type Span = Overview["span"];
export type Queue = Schemas["QueueView"];
export type Worker = Schemas["WorkerView"];
export type AdminJob = Schemas["AdminJob"];

export const SPANS: readonly Span[] = ["hour", "day", "week"];
export const STATUSES: readonly AdminJob["status"][] = [
  "reserving",
  "queued",
  "running",
  "succeeded",
  "failed",
  "canceled",
  "rejected",
];

const LIVE_MILLISECONDS = 3000;
const SLOW_MILLISECONDS = 30_000;

const administration = (...key: readonly unknown[]) => ["administration", ...key];

export function useOverview(span: Span) {
  return useQuery({
    queryKey: administration("overview", span),
    queryFn: () => answer(api.GET("/v1/admin/overview", { params: { query: { span } } })),
    refetchInterval: SLOW_MILLISECONDS,
    placeholderData: keepPreviousData,
  });
}

export function useRevenue(span: Span, enabled: boolean) {
  return useQuery({
    queryKey: administration("revenue", span),
    queryFn: () => answer(api.GET("/v1/admin/revenue", { params: { query: { span } } })),
    refetchInterval: SLOW_MILLISECONDS,
    enabled,
  });
}

export function useQueue() {
  return useQuery({
    queryKey: administration("queue"),
    queryFn: () => answer(api.GET("/v1/admin/queue")),
    refetchInterval: LIVE_MILLISECONDS,
  });
}

export function useWorkers() {
  return useQuery({
    queryKey: administration("workers"),
    queryFn: () => answer(api.GET("/v1/admin/workers", { params: { query: { limit: 100 } } })),
    refetchInterval: LIVE_MILLISECONDS,
  });
}

export function useTimeline(id: string) {
  return useQuery({
    queryKey: administration("job", id),
    queryFn: () => answer(api.GET("/v1/admin/jobs/{job_id}", { params: { path: { job_id: id } } })),
    refetchInterval: LIVE_MILLISECONDS,
  });
}

export const pauseQueue = (reason: string) => answer(api.POST("/v1/admin/queue/pause", { body: { reason } }));
export const resumeQueue = () => answer(api.POST("/v1/admin/queue/resume"));

export const drain = (worker: Worker, reason: string) =>
  answer(
    api.POST("/v1/admin/workers/{worker_id}/drain", {
      params: { path: { worker_id: worker.id } },
      body: { reason },
    }),
  );
export const resume = (worker: Worker) =>
  answer(api.POST("/v1/admin/workers/{worker_id}/resume", { params: { path: { worker_id: worker.id } } }));

/** Answers with the job that is to be done, which for a failed one is another. */
export const requeue = (job: AdminJob, reason: string) =>
  answer(
    api.POST("/v1/admin/jobs/{job_id}/requeue", { params: { path: { job_id: job.id } }, body: { reason } }),
  );

export type Account = Schemas["AccountWithCredits"];
export type AccountView = Schemas["AccountView"];
export type PriceVersion = Schemas["PriceVersion"];
export type NewPrice = Schemas["NewPack"] | Schemas["NewPlan"] | Schemas["NewRate"];
export const ROLES: readonly AccountView["roles"][number][] = ["partner", "operator", "admin"];

export function useAccount(id: string) {
  return useQuery({
    queryKey: administration("user", id),
    queryFn: () => answer(api.GET("/v1/admin/users/{account_id}", { params: { path: { account_id: id } } })),
  });
}

export const changeAccount = (id: string, body: Schemas["AccountChange"]) =>
  answer(api.PATCH("/v1/admin/users/{account_id}", { params: { path: { account_id: id } }, body }));

export const adjustCredits = (id: string, body: Schemas["CreditAdjustment"]) =>
  answer(
    api.POST("/v1/admin/users/{account_id}/credits", {
      params: { path: { account_id: id }, header: { "Idempotency-Key": crypto.randomUUID() } },
      body,
    }),
  );

export type Payment = Schemas["AccountPayment"];
export type PaymentWithRefunds = Schemas["PaymentWithRefunds"];
export type Refund = Schemas["RefundView"];

export function usePayment(id: string) {
  return useQuery({
    queryKey: administration("payment", id),
    queryFn: () =>
      answer(api.GET("/v1/admin/payments/{payment_id}", { params: { path: { payment_id: id } } })),
  });
}

export const refund = (id: string, body: Schemas["NewRefund"]) =>
  answer(
    api.POST("/v1/admin/payments/{payment_id}/refunds", {
      params: { path: { payment_id: id }, header: { "Idempotency-Key": crypto.randomUUID() } },
      body,
    }),
  );

export const setPrice = (body: NewPrice) =>
  answer(
    api.POST("/v1/admin/prices", {
      params: { header: { "Idempotency-Key": crypto.randomUUID() } },
      body,
    }),
  );

export const withdrawPrice = (id: string) =>
  answer(api.DELETE("/v1/admin/prices/{price_id}", { params: { path: { price_id: id } } }));

export function useLedgerCheck() {
  return useQuery({
    queryKey: administration("ledger-check"),
    queryFn: () => answer(api.GET("/v1/admin/ledger-check")),
  });
}

export function useProviderTotals() {
  return useQuery({
    queryKey: administration("provider-totals"),
    queryFn: () => answer(api.GET("/v1/admin/provider-totals", { params: { query: { days: 7 } } })),
    retry: false,
  });
}

export type DeadLetter = Schemas["DeadLetterView"];
export const LETTER_STATUSES: readonly DeadLetter["status"][] = ["open", "replayed", "discarded"];

export function useDeadLetter(letter: string) {
  return useQuery({
    queryKey: administration("dead-letter", letter),
    queryFn: () => answer(api.GET("/v1/admin/dead-letters/{letter}", { params: { path: { letter } } })),
  });
}

export const replay = (letter: string, reason: string) =>
  answer(
    api.POST("/v1/admin/dead-letters/{letter}/replay", { params: { path: { letter } }, body: { reason } }),
  );
export const discard = (letter: string, reason: string) =>
  answer(
    api.POST("/v1/admin/dead-letters/{letter}/discard", { params: { path: { letter } }, body: { reason } }),
  );

export type GivenFeedback = Schemas["AdminFeedback"];
export type MarkedRegion = Schemas["MarkedRegion"];

export const markedRegion = (jobId: string) =>
  answer(api.GET("/v1/admin/feedback/{job_id}", { params: { path: { job_id: jobId } } }));

/** The address of a segment within a marked region. */
export function markedSegment(jobId: string, track: string, number: number): string {
  return `/v1/admin/feedback/${encodeURIComponent(jobId)}/playback/${encodeURIComponent(track)}/${number}`;
}
