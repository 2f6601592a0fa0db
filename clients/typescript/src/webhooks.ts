/** Whether a webhook is from the platform (Standard Webhooks 1.0). */
import { SignatureInvalid } from "./errors.ts";
import type { Event } from "./models.ts";

/** So far off the time of a webhook may be, either way. */
const TOLERANCE_SECONDS = 300;

export interface VerifyOptions {
  /** Seconds since 1970; by default this machine's. */
  now?: number;
}

/**
 * The event, if one of the signatures is by this secret. An event may come more than once: know it by its `id`.
 *
 * @param body as it came, before anything parsed it
 * @param headers of the request, or an object with names in any case
 * @param secret of the endpoint, `whsec_...`
 * @throws SignatureInvalid
 */
export async function verify(
  body: string | Uint8Array,
  headers: Headers | Record<string, string | string[] | undefined>,
  secret: string,
  options: VerifyOptions = {},
): Promise<Event> {
  const [id, sentAt, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) =>
    header(headers, name),
  ) as [string, string, string];
  if (!/^\d+$/.test(sentAt)) throw new SignatureInvalid("webhook-timestamp is no number of seconds");
  const off = (options.now ?? Date.now() / 1000) - Number(sentAt);
  if (Math.abs(off) > TOLERANCE_SECONDS) throw new SignatureInvalid(`it is ${Math.round(off)} seconds old`);
  const raw = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const key = await crypto.subtle.importKey("raw", keyOf(secret), { name: "HMAC", hash: "SHA-256" }, false, [
    "verify",
  ]);
  const prefix = new TextEncoder().encode(`${id}.${sentAt}.`);
  const content = new Uint8Array(prefix.length + raw.length);
  content.set(prefix);
  content.set(raw, prefix.length);
  for (const given of signatures.split(" ")) {
    const signature = given.startsWith("v1,") ? bytesOf(given.slice(3)) : undefined;
    // `verify` compares in constant time.
    if (signature && (await crypto.subtle.verify("HMAC", key, signature, content))) return eventOf(raw);
  }
  throw new SignatureInvalid("no signature is by this secret");
}

function header(headers: Parameters<typeof verify>[1], name: string): string {
  const value =
    headers instanceof Headers
      ? headers.get(name)
      : Object.entries(headers).find(([each]) => each.toLowerCase() === name)?.[1];
  if (typeof value !== "string") throw new SignatureInvalid(`the header ${name} is missing`);
  return value;
}

function keyOf(secret: string): Uint8Array<ArrayBuffer> {
  const key = bytesOf(secret.replace(/^whsec_/, ""));
  if (!key?.length) throw new SignatureInvalid("the secret is none: it begins with whsec_ and is base64");
  return key;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function eventOf(raw: Uint8Array): Event {
  try {
    const event = JSON.parse(new TextDecoder().decode(raw));
    if (typeof event?.id === "string" && typeof event?.type === "string") return event;
  } catch {
    // It is told below.
  }
  throw new SignatureInvalid("the body is no event");
}
