import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { Problem } from "../api/problem";
import { forget } from "../api/session";

const AGAIN = new Set([0, 502, 503, 504]);

/** What is asked and kept of the API. A call that is answered 401 ends the session here too, which leads to signing in. */
export function newQueries(): QueryClient {
  const onError = (problem: unknown) => {
    if (problem instanceof Problem && problem.status === 401) forget(queries);
  };
  const queries: QueryClient = new QueryClient({
    queryCache: new QueryCache({ onError }),
    mutationCache: new MutationCache({ onError }),
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        retry: (count, problem) => count < 3 && problem instanceof Problem && AGAIN.has(problem.status),
      },
    },
  });
  return queries;
}
