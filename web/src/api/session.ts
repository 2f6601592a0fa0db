import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { api, csrfToken, lookAtSession, shownSession, showSession } from "./client";
import { answer, Problem } from "./problem";
import type { components } from "./schema";

export type User = components["schemas"]["UserView"];

const ME = ["me"];
const TAKEN_OVER = ["taken over"];
/** What is of no account: of links and receipts, for whoever has them, and of this window. */
const PUBLIC: ReadonlySet<unknown> = new Set(["share", "erasure", TAKEN_OVER[0]]);
const ASK_AGAIN_MILLISECONDS = 5000;

const followers = new Set<(accountId: string | null) => void>();

/** Calls back with the account that is signed in, whenever that is known anew; null for none. For what is no query. */
export function onAccount(follower: (accountId: string | null) => void): void {
  followers.add(follower);
}

function tellAccount(accountId: string | null): void {
  for (const follower of followers) follower(accountId);
}

/** Whose data each of them had last. */
const holders = new WeakMap<QueryClient, string>();

/** Makes room for what is of an account: nothing is kept of the one before. Returns whether there was another. */
function hold(queries: QueryClient, user: User): boolean {
  const before = holders.get(queries);
  holders.set(queries, user.id);
  if (before === undefined || before === user.id) return false;
  drop(queries);
  return true;
}

async function me(queries: QueryClient): Promise<User | null> {
  const session = csrfToken();
  if (session === null) return null;
  let user: User;
  try {
    user = await answer(api.GET("/v1/me"));
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 401) return null;
    throw problem;
  }
  // Somebody has signed in or out meanwhile.
  if (session !== csrfToken()) return me(queries);
  if (hold(queries, user)) queries.setQueryData(TAKEN_OVER, true);
  showSession(session);
  tellAccount(user.id);
  return user;
}

function useMe() {
  const queries = useQueryClient();
  // Without a session's cookie nobody is signed in, which need not be asked.
  const nobody = csrfToken() === null ? { initialData: null } : {};
  return useQuery({
    queryKey: ME,
    queryFn: () => me(queries),
    staleTime: 60_000,
    refetchInterval: ({ state }) => (state.status === "error" ? ASK_AGAIN_MILLISECONDS : false),
    ...nobody,
  });
}

/** Who is signed in: undefined until it is known, null for nobody. */
export function useUser(): User | null | undefined {
  return useMe().data;
}

/** Who is signed in; while that cannot be known why not, and how to ask at once. It is asked again by itself. */
export function useAsked(): { user: User | null | undefined; problem: unknown; ask: () => void } {
  const { data, error, refetch } = useMe();
  // The query forgets its error as soon as it is asked again; what is told stays until it is known.
  const told = useRef<unknown>(null);
  if (error !== null) told.current = error;
  // Whose the cookie is now cannot be asked: nothing is shown of who was there before.
  const unknown = error !== null && csrfToken() !== shownSession();
  const user = unknown ? undefined : data;
  return {
    user,
    problem: user === undefined ? told.current : null,
    ask: () => void refetch({ cancelRefetch: false }),
  };
}

/** Whether another window has put another account in the place of the one that this one showed; and to have it noted. */
export function useTakenOver(): [boolean, () => void] {
  const queries = useQueryClient();
  const { data } = useQuery({
    queryKey: TAKEN_OVER,
    queryFn: () => false,
    enabled: false,
    initialData: false,
  });
  return [data, () => queries.setQueryData(TAKEN_OVER, false)];
}

function drop(queries: QueryClient): void {
  queries.removeQueries({ predicate: ({ queryKey: [first] }) => first !== ME[0] && !PUBLIC.has(first) });
}

/** Forgets everything of an account; called when its session has ended, by whatever way. */
export function forget(queries: QueryClient): void {
  drop(queries);
  showSession(null);
  lookAtSession();
  // An answer that is on its way would tell of who was signed in.
  void queries.cancelQueries({ queryKey: ME });
  queries.setQueryData(ME, null);
  tellAccount(null);
}

export function useSignIn() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: components["schemas"]["WebSignIn"]) => answer(api.POST("/v1/auth/session", { body })),
    onSuccess: ({ user }) => {
      hold(queries, user);
      showSession(csrfToken());
      lookAtSession();
      void queries.cancelQueries({ queryKey: ME });
      queries.setQueryData(ME, user);
      tellAccount(user.id);
    },
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
    onSuccess: (user) => queries.setQueryData<User | null>(ME, (now) => (now?.id === user.id ? user : now)),
  });
}
