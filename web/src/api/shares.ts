/** Links by which others listen to a separation: as their owner has them, and as whoever follows one. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useReducer } from "react";
import { api } from "./client";
import { answer } from "./problem";
import type { components } from "./schema";

export type Share = components["schemas"]["ShareAnswer"];

/** Beyond it browsers fire at once. */
const LONGEST_TIMER_MILLISECONDS = 2 ** 31 - 1;

const keys = {
  ofJob: (jobId: string) => ["job", jobId, "shares"],
  followed: (token: string, part: string) => ["share", token, part],
};

/** The links to a job that work, newest first. */
export function useShares(jobId: string) {
  return useQuery({
    queryKey: keys.ofJob(jobId),
    queryFn: () => answer(api.GET("/v1/jobs/{job_id}/shares", { params: { path: { job_id: jobId } } })),
    select: ({ items }) => items,
  });
}

/** Of these, the ones that have not expired since; looked at again when the next of them does. */
export function useUnexpired(shares: readonly Share[] | undefined): readonly Share[] | undefined {
  const [, look] = useReducer((looks: number) => looks + 1, 0);
  const now = Date.now();
  const left = shares?.filter((share) => Date.parse(share.expires_at) > now);
  const next = Math.min(...(left ?? []).map((share) => Date.parse(share.expires_at)));
  useEffect(() => {
    if (next === Number.POSITIVE_INFINITY) return;
    const timer = setTimeout(look, Math.min(next - Date.now() + 1, LONGEST_TIMER_MILLISECONDS));
    return () => clearTimeout(timer);
  }, [next]);
  return left;
}

/** Makes a link; its token is in the answer this once. */
export function useMakeShare(jobId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: components["schemas"]["NewShare"]) =>
      answer(api.POST("/v1/jobs/{job_id}/shares", { params: { path: { job_id: jobId } }, body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.ofJob(jobId) }),
  });
}

export function useEndShare(jobId: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => answer(api.DELETE("/v1/shares/{share}", { params: { path: { share: id } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: keys.ofJob(jobId) }),
  });
}

function by(token: string) {
  return { params: { path: { share: token } } };
}

/** What the owner of a link lets its followers know, and what there is to hear. */
export function useShared(token: string) {
  return useQuery({
    queryKey: keys.followed(token, "playback"),
    queryFn: async () => {
      const [song, playback] = await Promise.all([
        answer(api.GET("/v1/shares/{share}", by(token))),
        answer(api.GET("/v1/shares/{share}/playback", by(token))),
      ]);
      return { ...song, playback };
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Peaks of every track; without them the mixer draws what it has heard. */
export function useSharedWaveforms(token: string) {
  return useQuery({
    queryKey: keys.followed(token, "waveforms"),
    queryFn: () => answer(api.GET("/v1/shares/{share}/waveforms", by(token))),
    staleTime: Number.POSITIVE_INFINITY,
  }).data;
}
