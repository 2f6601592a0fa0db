import { QueryClient } from "@tanstack/react-query";
import { csrfToken, onSessionNews } from "../api/client";
import { Problem } from "../api/problem";
import { forget } from "../api/session";

const AGAIN = new Set([0, 502, 503, 504]);

/** What is asked and kept of the API. A call that is answered 401 ends the session here too, which leads to signing in. One that is answered 403 has it asked anew what the account may do. */
export function newQueries(): QueryClient {
  const queries = new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 15_000,
        retry: (count, problem) => count < 3 && problem instanceof Problem && AGAIN.has(problem.status),
      },
    },
  });
  onSessionNews((news) => {
    if (news === "ended" || csrfToken() === null) forget(queries);
    else void queries.invalidateQueries({ queryKey: ["me"] });
  });
  return queries;
}
