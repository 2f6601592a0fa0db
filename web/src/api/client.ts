import createClient, { type Middleware } from "openapi-fetch";
import type { paths } from "./schema";

const CSRF_COOKIE = /(?:^|;\s*)(?:__Host-)?stemwright-csrf=([^;]+)/;
const SAFE = new Set(["GET", "HEAD"]);

/** The token that goes with whatever changes something (decision 67); null where nobody is signed in. */
export function csrfToken(): string | null {
  return CSRF_COOKIE.exec(document.cookie)?.[1] ?? null;
}

const signed: Middleware = {
  onRequest({ request }) {
    const token = csrfToken();
    if (token !== null && !SAFE.has(request.method)) request.headers.set("X-CSRF-Token", token);
    return request;
  },
};

/** The public API, typed by its document; the browser sends the session's cookie by itself. */
export const api = createClient<paths>({ baseUrl: location.origin, credentials: "same-origin" });
api.use(signed);
