/** The account's separations, as a list that is kept up to date. */

import {
  type InfiniteData,
  type QueryClient,
  useInfiniteQuery,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { type RefObject, useEffect } from "react";
import { api } from "./client";
import { merged } from "./joblist";
import { answer, Problem } from "./problem";
import type { components } from "./schema";
import { followJob } from "./stream";

export type Job = components["schemas"]["ListedJob"];
export type Status = Job["status"];
type Page = components["schemas"]["Page_ListedJob_"];

const LIST = "jobs";
const QUEUE = ["queue"];
const PAGE = 100;
const ASK_AGAIN_MILLISECONDS = 4000;
/** How many of the waiting ones are shown in their turn. */
const NEXT_SHOWN = 5;

const UNFINISHED: ReadonlySet<Status> = new Set<Status>(["reserving", "queued", "running"]);

export function isUnfinished(job: Job): boolean {
  return UNFINISHED.has(job.status);
}

interface Wish {
  /** Empty for all. */
  status: Status | "";
  /** Part of the song's name; empty for all. */
  search: string;
  /** The batch whose songs they are; null for all. */
  batch: string | null;
}

function page({ status, search, batch }: Wish, cursor: string | null): Promise<Page> {
  const query = { limit: PAGE, cursor, status: status || null, search: search || null, batch_id: batch };
  return answer(api.GET("/v1/jobs", { params: { query } }));
}

/**
 * Newest first, a hundred more with each `fetchNextPage`. While something in it is unfinished, the hundred from the one
 * in view on are asked for again: however long the list is, that is one call.
 */
export function useJobs(wish: Wish, inView: RefObject<readonly string[]>) {
  const queries = useQueryClient();
  const queryKey = [LIST, wish.status, wish.search, wish.batch];
  const list = useInfiniteQuery({
    queryKey,
    queryFn: ({ pageParam }) => page(wish, pageParam),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next_cursor,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const jobs = list.data?.pages.flatMap((each) => each.items) ?? [];
  const changing = jobs.some(isUnfinished);
  useQuery({
    queryKey: ["renewed", ...queryKey],
    queryFn: async ({ signal }) => {
      const known = jobsOf(queries.getQueryData<InfiniteData<Page>>(queryKey));
      const first = known.findIndex((job) => job.id === inView.current[0]);
      const after = known[first - 1]?.id ?? null;
      const part = await page(wish, after);
      // It may be the answer to who was signed in before.
      if (!signal.aborted) change(queries, queryKey, (now) => merged(now, part, after));
      return null;
    },
    enabled: list.isSuccess,
    refetchInterval: changing ? ASK_AGAIN_MILLISECONDS : false,
    gcTime: 0,
  });
  // One alone: browsers keep six connections to a server, for all the windows in view.
  const watched = jobs.find((job) => job.status === "running")?.id;
  useEffect(() => (watched === undefined ? undefined : follow(watched, queries)), [watched, queries]);
  return { ...list, jobs };
}

function jobsOf(data: InfiniteData<Page> | undefined): Job[] {
  return data?.pages.flatMap((each) => each.items) ?? [];
}

/** Changes lists as they are known here, each to one long page that goes on where its last one ended. */
function change(queries: QueryClient, queryKey: readonly unknown[], changed: (jobs: Job[]) => Job[]): void {
  queries.setQueriesData<InfiniteData<Page>>({ queryKey }, (data) => {
    const last = data?.pages.at(-1);
    if (data === undefined || last === undefined) return data;
    return {
      pages: [{ items: changed(jobsOf(data)), next_cursor: last.next_cursor }],
      pageParams: data.pageParams.slice(0, 1),
    };
  });
}

function changeOne(queries: QueryClient, id: string, changed: (job: Job) => Job): void {
  change(queries, [LIST], (jobs) => jobs.map((job) => (job.id === id ? changed(job) : job)));
}

/** Writes what a job's stream tells into every list that has it. Returns how to stop. */
function follow(id: string, queries: QueryClient): () => void {
  return followJob<Job>(id, {
    progress: ({ playable_seconds, ...progress }) =>
      changeOne(queries, id, (job) => ({ ...job, playable_seconds, progress }) as Job),
    status: (told) => {
      changeOne(queries, id, (job) => ({ ...job, ...told }));
      return isUnfinished(told);
    },
  });
}

/** The first of the jobs that wait, in their turn. */
export function useQueue() {
  return useQuery({
    queryKey: QUEUE,
    queryFn: () => answer(api.GET("/v1/queue", { params: { query: { limit: NEXT_SHOWN } } })),
    select: ({ items }) => items,
    refetchInterval: ({ state }) => (state.data?.items.length ? ASK_AGAIN_MILLISECONDS : false),
  });
}

export type Action = "cancel" | "retry" | "delete" | "expedite";

/** Does something with a job, and has every list show it. */
export function useActOn(): (action: Action, id: string) => Promise<void> {
  const queries = useQueryClient();
  return async (action, id) => {
    const at = { params: { path: { job_id: id } } };
    if (action === "delete") {
      await unlessGone(answer(api.DELETE("/v1/jobs/{job_id}", at)));
      change(queries, [LIST], (jobs) => jobs.filter((job) => job.id !== id));
    } else if (action === "retry") {
      const again = await answer(api.POST("/v1/jobs/{job_id}/retry", at));
      change(queries, [LIST], (jobs) => {
        const filename = jobs.find((job) => job.id === id)?.filename ?? null;
        return [{ ...again, filename }, ...jobs];
      });
    } else {
      const path = action === "cancel" ? "/v1/jobs/{job_id}/cancel" : "/v1/jobs/{job_id}/expedite";
      const changed = await answer(api.POST(path, at));
      changeOne(queries, id, (job) => ({ ...job, ...changed }));
    }
    void queries.invalidateQueries({ queryKey: QUEUE });
  };
}

/** What somebody else has deleted meanwhile is deleted. */
async function unlessGone(asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (problem) {
    if (!(problem instanceof Problem && problem.status === 404)) throw problem;
  }
}
