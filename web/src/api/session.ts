import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { api, csrfToken } from "./client";
import { answer, Problem } from "./problem";
import type { components } from "./schema";

export type User = components["schemas"]["UserView"];

const ME = ["me"];

async function me(): Promise<User | null> {
  if (csrfToken() === null) return null;
  try {
    return await answer(api.GET("/v1/me"));
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 401) return null;
    throw problem;
  }
}

/** Who is signed in: undefined until it is known, null for nobody. */
export function useUser(): User | null | undefined {
  // Without a session's cookie nobody is signed in, which need not be asked.
  const nobody = csrfToken() === null ? { initialData: null } : {};
  return useQuery({ queryKey: ME, queryFn: me, staleTime: 60_000, ...nobody }).data;
}

/** Forgets everything of an account; called when its session has ended, by whatever way. */
export function forget(queries: QueryClient): void {
  queries.removeQueries({ predicate: (query) => query.queryKey[0] !== ME[0] });
  queries.setQueryData(ME, null);
}

export function useSignIn() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: components["schemas"]["WebSignIn"]) => answer(api.POST("/v1/auth/session", { body })),
    onSuccess: ({ user }) => queries.setQueryData(ME, user),
  });
}

export function useSignOut() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => answer(api.DELETE("/v1/auth/session")),
    onSuccess: () => forget(queries),
  });
}

/** Changes the name of who is signed in; null takes it away. */
export function useRename() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (display_name: string | null) => answer(api.PATCH("/v1/me", { body: { display_name } })),
    onSuccess: (user) => queries.setQueryData(ME, user),
  });
}
