/** What tests put in the browser's place. */

/** Has the browser hold the cookie of a session, or of none. */
export function setSession(token: string | null): void {
  // biome-ignore lint/suspicious/noDocumentCookie: as the gateway sets it, and without waiting
  document.cookie = token === null ? "stemwright-csrf=; max-age=0" : `stemwright-csrf=${token}`;
}
