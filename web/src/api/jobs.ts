/** The account's separations, as a list that is kept up to date. */

import {
  type InfiniteData,
  type QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useEffect } from "react";
import { api } from "./client";
import { answer, Problem } from "./problem";
import type { components } from "./schema";

type Job = components["schemas"]["JobAnswer"];
export type Status = Job["status"];
type Page = components["schemas"]["Page_JobAnswer_"];

const LIST = "jobs";
const PAGE = 25;
const ASK_AGAIN_MILLISECONDS = 4000;
/** Browsers keep six connections to a server, and pages need some. */
const STREAMS = 3;

const UNFINISHED: ReadonlySet<Status> = new Set<Status>(["reserving", "queued", "running"]);

export function isUnfinished(job: Job): boolean {
  return UNFINISHED.has(job.status);
}

/** Newest first; `status` and `search` (in the song's name) narrow it where they are not empty. */
export function useJobs(status: Status | "", search: string) {
  const queries = useQueryClient();
  const list = useInfiniteQuery({
    queryKey: [LIST, status, search],
    queryFn: ({ pageParam }) =>
      answer(
        api.GET("/v1/jobs", {
          params: {
            query: {
              limit: PAGE,
              cursor: pageParam,
              status: status || null,
              search: search || null,
            },
          },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    refetchInterval: ({ state }) => (jobsOf(state.data).some(isUnfinished) ? ASK_AGAIN_MILLISECONDS : false),
  });
  const jobs = jobsOf(list.data);
  const running = jobs.filter((job) => job.status === "running").map((job) => job.id);
  const watched = running.slice(0, STREAMS).join(" ");
  useEffect(() => {
    const streams = watched
      .split(" ")
      .filter(Boolean)
      .map((id) => follow(id, queries));
    return () => {
      for (const stream of streams) stream.close();
    };
  }, [watched, queries]);
  return { ...list, jobs };
}

function jobsOf(data: InfiniteData<Page> | undefined): Job[] {
  return data?.pages.flatMap((page) => page.items) ?? [];
}

/** Writes what a job's stream tells into every list that has it. */
function follow(id: string, queries: QueryClient): EventSource {
  const stream = new EventSource(`/v1/jobs/${encodeURIComponent(id)}/events`);
  stream.addEventListener("progress", (event) => {
    const { stage, fraction, playable_seconds } = JSON.parse(event.data);
    change(queries, id, (job) => ({ ...job, playable_seconds, progress: { stage, fraction } }));
  });
  stream.addEventListener("status", (event) => {
    const told: Job = JSON.parse(event.data);
    change(queries, id, () => told);
    if (!isUnfinished(told)) stream.close();
  });
  return stream;
}

function change(queries: QueryClient, id: string, changed: (job: Job) => Job): void {
  queries.setQueriesData<InfiniteData<Page>>({ queryKey: [LIST] }, (data) =>
    data === undefined
      ? data
      : {
          ...data,
          pages: data.pages.map((page) => ({
            ...page,
            items: page.items.map((job) => (job.id === id ? changed(job) : job)),
          })),
        },
  );
}

/** What the song was called; null where its upload was deleted, undefined until it is known. */
export function useNameOf(uploadId: string): string | null | undefined {
  return useQuery({
    queryKey: ["upload", uploadId, "name"],
    queryFn: async () => {
      try {
        const path = { upload_id: uploadId };
        return (await answer(api.GET("/v1/uploads/{upload_id}", { params: { path } }))).filename;
      } catch (problem) {
        if (problem instanceof Problem && problem.status === 404) return null;
        throw problem;
      }
    },
    staleTime: Number.POSITIVE_INFINITY,
  }).data;
}

export type Action = "cancel" | "retry" | "delete";

/** What can be done with a job of the list; the lists are asked anew afterwards. */
export function useAction(job: Job) {
  const queries = useQueryClient();
  const at = { params: { path: { job_id: job.id } } };
  return useMutation({
    mutationFn: async (action: Action): Promise<void> => {
      if (action === "cancel") await answer(api.POST("/v1/jobs/{job_id}/cancel", at));
      else if (action === "retry") await answer(api.POST("/v1/jobs/{job_id}/retry", at));
      else await answer(api.DELETE("/v1/jobs/{job_id}", at));
    },
    onSettled: () => queries.invalidateQueries({ queryKey: [LIST] }),
  });
}
