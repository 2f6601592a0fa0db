/** One separation as its page sees it: the job, told live, and what was made of it. */

import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api } from "./client";
import { orders } from "./orders";
import { answer, Problem } from "./problem";
import type { components } from "./schema";
import { followJob, isStreamed } from "./stream";

export type Job = components["schemas"]["JobAnswer"];
export type Stem = components["schemas"]["StemResult"];
export type Feedback = components["schemas"]["NewFeedback"];
export type Waveforms = components["schemas"]["Waveforms"];

type Tag = NonNullable<Feedback["tags"]>[number];
export const TAGS: readonly Tag[] = ["bleed", "artifacts", "muffled", "missing", "clicks", "perfect"];

const FINAL: ReadonlySet<Job["status"]> = new Set(["succeeded", "failed", "canceled", "rejected"]);
/** Where the stream says nothing; and where there is none: other windows have theirs, or the page is hidden, where music may go on. */
const ASK_AGAIN_MILLISECONDS = 10_000;
const ASK_WITHOUT_STREAM_MILLISECONDS = 4000;
const again = (id: string) => (isStreamed(id) ? ASK_AGAIN_MILLISECONDS : ASK_WITHOUT_STREAM_MILLISECONDS);

export function isFinal(job: Job): boolean {
  return FINAL.has(job.status);
}

const keys = {
  job: (id: string) => ["job", id],
  part: (id: string, part: string) => ["job", id, part],
};

function at(id: string) {
  return { params: { path: { job_id: id } } };
}

/** Whether somebody has deleted it, here or elsewhere. */
export function isGone(problem: unknown): boolean {
  return problem instanceof Problem && problem.status === 404;
}

/** The answer, or null where the API says that there is none (yet). */
async function unlessAbsent<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (problem) {
    if (problem instanceof Problem && (problem.status === 404 || problem.status === 409)) return null;
    throw problem;
  }
}

/** A job, kept up to date by its event stream until it has ended. */
export function useJob(id: string) {
  const queries = useQueryClient();
  const job = useQuery({
    queryKey: keys.job(id),
    queryFn: () => answer(api.GET("/v1/jobs/{job_id}", at(id))),
    refetchInterval: ({ state }) =>
      state.data && !isFinal(state.data) && !isGone(state.error) ? again(id) : false,
    refetchIntervalInBackground: true,
  });
  const live = job.data !== undefined && !isFinal(job.data) && !isGone(job.error);
  useEffect(() => (live ? follow(id, queries) : undefined), [id, live, queries]);
  return job;
}

/** Writes what the stream tells into what is known. Returns how to stop. */
function follow(id: string, queries: QueryClient): () => void {
  const playback = keys.part(id, "playback");
  return followJob<Job>(id, {
    status: (job) => {
      queries.setQueryData(keys.job(id), job);
      void queries.invalidateQueries({ queryKey: playback });
      return !isFinal(job);
    },
    progress: ({ playable_seconds, ...progress }) => {
      queries.setQueryData<Job>(keys.job(id), (job) => job && ({ ...job, progress } as Job));
      queries.setQueryData<Playback | null>(playback, (known) => {
        if (known && typeof playable_seconds === "number") return { ...known, playable_seconds };
        return known;
      });
      if (!queries.getQueryData(playback)) void queries.invalidateQueries({ queryKey: playback });
    },
  });
}

export type Playback = components["schemas"]["PlaybackAnswer"];

/** What can be listened to; null where there is nothing, or not yet. What was there stays while another worker begins anew. */
export function usePlayback(job: Job) {
  const queries = useQueryClient();
  const queryKey = keys.part(job.id, "playback");
  return useQuery({
    queryKey,
    queryFn: async () => {
      const playback = await unlessAbsent(answer(api.GET("/v1/jobs/{job_id}/playback", at(job.id))));
      if (playback !== null || isFinal(job)) return playback;
      return queries.getQueryData<Playback | null>(queryKey) ?? null;
    },
    refetchInterval: () => (isFinal(job) ? false : again(job.id)),
    refetchIntervalInBackground: true,
  });
}

/** Peaks of every track; null until the stems are made. */
export function useWaveforms(job: Job) {
  return useQuery({
    queryKey: keys.part(job.id, "waveforms"),
    queryFn: () => unlessAbsent(answer(api.GET("/v1/jobs/{job_id}/waveforms", at(job.id)))),
    enabled: job.status === "succeeded",
    staleTime: Number.POSITIVE_INFINITY,
  }).data;
}

/** What the song was called when it was uploaded; null where that is not known any more. */
export function useSongName(job: Job) {
  return useQuery({
    queryKey: ["upload", job.upload_id],
    queryFn: () =>
      unlessAbsent(
        answer(api.GET("/v1/uploads/{upload_id}", { params: { path: { upload_id: job.upload_id } } })),
      ),
    staleTime: Number.POSITIVE_INFINITY,
    select: (upload) => upload?.filename.replace(/\.[^.]{1,5}$/, "") ?? null,
  }).data;
}

export function useCancel(job: Job) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => answer(api.POST("/v1/jobs/{job_id}/cancel", at(job.id))),
    onSuccess: (canceled) => queries.setQueryData(keys.job(job.id), canceled),
  });
}

/** A new job like one that did not succeed. */
export function useRetry(job: Job) {
  return useMutation({ mutationFn: () => answer(api.POST("/v1/jobs/{job_id}/retry", at(job.id))) });
}

export function useRemove(job: Job) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => answer(api.DELETE("/v1/jobs/{job_id}", at(job.id))),
    onSuccess: () => queries.removeQueries({ queryKey: keys.job(job.id) }),
  });
}

/** What the whole song of a preview costs. */
export function useQuoteOfWhole(job: Job) {
  return useQuery({
    queryKey: keys.part(job.id, "quote"),
    queryFn: () =>
      answer(
        api.POST("/v1/quotes", {
          body: { upload_id: job.upload_id, mode: "full", tier: job.tier, stems: job.requested_stems },
        }),
      ),
  });
}

/** Orders the whole song, otherwise as the preview was ordered; pressed twice it is one order. */
export function useOrderWhole(job: Job) {
  return useMutation({
    mutationFn: () =>
      orders.order(`whole of ${job.id}`, (key) =>
        answer(
          api.POST("/v1/jobs", {
            params: { header: { "Idempotency-Key": key } },
            body: {
              upload_id: job.upload_id,
              mode: "full",
              tier: job.tier,
              stems: job.requested_stems,
              output: job.output,
              model: job.model.name,
            },
          }),
        ),
      ),
  });
}

export function useFeedback(job: Job) {
  return useQuery({
    queryKey: keys.part(job.id, "feedback"),
    queryFn: () => unlessAbsent(answer(api.GET("/v1/jobs/{job_id}/feedback", at(job.id)))),
    enabled: job.status === "succeeded",
  });
}

export function useSendFeedback(job: Job) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: Feedback) => answer(api.PUT("/v1/jobs/{job_id}/feedback", { ...at(job.id), body })),
    onSuccess: (stored) => queries.setQueryData(keys.part(job.id, "feedback"), stored),
  });
}
