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

/** `ended`: a call was answered 401. `refused`: one was answered 403, so what the account may do is not what is known of it. `another`: the cookie is of another session than before, or of none, as after a sign-in in another window. */
export type SessionNews = "ended" | "refused" | "another";

const listeners = new Set<(news: SessionNews) => void>();

/** Calls back with whatever calls show of the session. Returns how to stop. */
export function onSessionNews(listener: (news: SessionNews) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(news: SessionNews): void {
  for (const listener of listeners) listener(news);
}

let last = csrfToken();

/** Written by a window that has seen the session change, for which the browser calls all others. */
const CHANGED = "stemwright-session-changed";

function tellOtherWindows(): void {
  try {
    localStorage.setItem(CHANGED, crypto.randomUUID());
  } catch {
    // Where nothing can be kept the others look when they are come back to, and before each call.
  }
}

/**
 * Looks whose the cookie is; told, here and to the other windows, is what differs from the last look. Every call of `api`
 * looks before it leaves.
 */
export function lookAtSession(): void {
  const now = csrfToken();
  if (now === last) return;
  last = now;
  tellOtherWindows();
  tell("another");
}

addEventListener("storage", ({ key }) => {
  if (key === CHANGED) lookAtSession();
});
document.addEventListener("visibilitychange", lookAtSession);
addEventListener("focus", lookAtSession);

let shown: string | null = null;

/** Of which session this window shows the account; null while it shows none. */
export function shownSession(): string | null {
  return shown;
}

/** Takes the session for the one whose account this window shows from now on. */
export function showSession(session: string | null): void {
  shown = session;
}

/** What was pressed on the page of one account is not done in the name of another. */
function isOfAnother(token: string | null): boolean {
  return shown !== null && token !== null && token !== shown;
}

function refusal(): Response {
  return Response.json({ code: "another_account", detail: "" }, { status: 409 });
}

/** Under which session each call left. */
const senders = new WeakMap<Request, string | null>();

const signed: Middleware = {
  onRequest({ request }) {
    lookAtSession();
    const token = csrfToken();
    senders.set(request, token);
    if (SAFE.has(request.method)) return request;
    if (isOfAnother(token)) return refusal();
    if (token !== null) request.headers.set("X-CSRF-Token", token);
    return request;
  },
  onResponse({ request, response }) {
    const now = csrfToken();
    // A call that left before somebody else signed in says nothing about them.
    if (response.status === 401 && (now === null || now === senders.get(request))) tell("ended");
    // Who is signed in is asked then, and would be for ever if that were refused.
    if (response.status === 403 && !request.url.endsWith("/v1/me")) tell("refused");
  },
};

/** The public API, typed by its document; the browser sends the session's cookie by itself. */
export const api = createClient<paths>({ baseUrl: location.origin, credentials: "same-origin" });
api.use(signed);
