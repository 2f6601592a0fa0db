import createClient, { type Middleware } from "openapi-fetch";
import type { paths } from "./schema";

const CSRF_COOKIE = /(?:^|;\s*)(?:__Host-)?stemwright-csrf=([^;]+)/;
const SAFE = new Set(["GET", "HEAD"]);

/**
 * The token that goes with whatever changes something (decision 67); null where nobody is signed in. Each session has its
 * own, for as long as it lasts, so it tells one from another.
 */
export function csrfToken(): string | null {
  return CSRF_COOKIE.exec(document.cookie)?.[1] ?? null;
}

/** `ended`: a call was answered 401. `another`: the cookie is of another session than before, as after a sign-in in another tab. */
export type SessionNews = "ended" | "another";

const listeners = new Set<(news: SessionNews) => void>();

/** Calls back with whatever calls show of the session. Returns how to stop. */
export function onSessionNews(listener: (news: SessionNews) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(news: SessionNews): void {
  for (const listener of listeners) listener(news);
}

let last: string | null = null;

/** Looks whose the cookie is; told is what differs from the last look. Every call of `api` looks before it leaves. */
export function lookAtSession(): void {
  const now = csrfToken();
  const before = last;
  last = now;
  if (before !== null && before !== now) tell("another");
}

/** Under which session each call left. */
const senders = new WeakMap<Request, string | null>();

const signed: Middleware = {
  onRequest({ request }) {
    lookAtSession();
    const token = csrfToken();
    senders.set(request, token);
    if (token !== null && !SAFE.has(request.method)) request.headers.set("X-CSRF-Token", token);
    return request;
  },
  onResponse({ request, response }) {
    const now = csrfToken();
    // A call that left before somebody else signed in says nothing about them.
    if (response.status === 401 && (now === null || now === senders.get(request))) tell("ended");
  },
};

/** The public API, typed by its document; the browser sends the session's cookie by itself. */
export const api = createClient<paths>({ baseUrl: location.origin, credentials: "same-origin" });
api.use(signed);
