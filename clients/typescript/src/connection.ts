/** Requests, as often as they take. */
import { ApiError, ConnectionFailed, type Problem, StemwrightError, StoreError } from "./errors.ts";

export const FIRST_PAUSE_SECONDS = 0.5;
const LONGEST_PAUSE_SECONDS = 30;
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);
const REPEATABLE = new Set(["GET", "HEAD", "PUT", "DELETE"]);

export interface Connection {
  url: string;
  key: string;
  fetch: typeof fetch;
  patienceSeconds: number;
  firstPauseSeconds: number;
  signal: AbortSignal | undefined;
  warn: (sentence: string) => void;
}

export interface Call {
  method: string;
  path: string;
  query?: Record<string, string | number | readonly string[] | null | undefined>;
  body?: unknown;
  key?: string;
  /** It may be sent again although nobody knows if it arrived. */
  harmless?: boolean;
  headers?: Record<string, string>;
}

/** How long something is tried again: so many seconds from the first failure in a row. */
export class Patience {
  readonly #connection: Connection;
  #failures = 0;
  #until = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Something went well: what fails next fails for the first time. */
  renew(): void {
    this.#failures = 0;
  }

  /** Pauses, or throws the error where there is no time left for it. */
  async after(error: StemwrightError): Promise<void> {
    const { firstPauseSeconds, patienceSeconds, signal } = this.#connection;
    if (this.#failures === 0) this.#until = performance.now() + patienceSeconds * 1000;
    const asked = error instanceof ApiError ? error.retryAfterSeconds : undefined;
    const longest = Math.min(LONGEST_PAUSE_SECONDS, firstPauseSeconds * 2 ** this.#failures);
    const pause = asked === undefined ? Math.random() * longest : asked + Math.random() * firstPauseSeconds;
    if (performance.now() + pause * 1000 > this.#until) throw error;
    this.#failures += 1;
    await sleep(pause, signal);
  }
}

export function sleep(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Whether the same may succeed a moment later. */
export function isPassing(error: unknown): error is StemwrightError {
  if (error instanceof ApiError) {
    // 409 with Retry-After: the same request is being answered at this moment.
    return PASSING.has(error.status) || (error.status === 409 && error.retryAfterSeconds !== undefined);
  }
  return error instanceof ConnectionFailed || (error instanceof StoreError && PASSING.has(error.status));
}

/** One request to anywhere, once; the key goes to the platform alone. Throws ConnectionFailed. */
export async function once(connection: Connection, url: string, init: RequestInit): Promise<Response> {
  const { signal } = connection;
  try {
    return await connection.fetch(url, { redirect: "manual", ...init, ...(signal ? { signal } : {}) });
  } catch (error) {
    signal?.throwIfAborted();
    throw new ConnectionFailed(error);
  }
}

/** The open answer of the platform, once. Throws ApiError where it refused, `unexpected_answer` where another did. */
export async function opened(connection: Connection, call: Call): Promise<Response> {
  const headers: Record<string, string> = {
    Accept: "application/json",
    ...call.headers,
    Authorization: `Bearer ${connection.key}`,
  };
  if (call.key !== undefined) headers["Idempotency-Key"] = call.key;
  const init: RequestInit = { method: call.method, headers };
  if (call.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(call.body);
  }
  const response = await once(connection, connection.url + call.path + queryOf(call.query), init);
  if (!response.ok) throw await refusal(response);
  return response;
}

/** The answer as JSON. Throws ApiError or ConnectionFailed. */
export async function send<T>(connection: Connection, call: Call): Promise<T> {
  const patience = new Patience(connection);
  for (;;) {
    try {
      const response = await opened(connection, call);
      const text = await read(connection, response);
      return (text === "" ? undefined : parsed(text)) as T;
    } catch (error) {
      // What was refused by a limit was not done; of anything else that failed nobody knows.
      const certainlyNotDone = error instanceof ApiError && error.status === 429;
      const repeatable = call.harmless || call.key !== undefined || REPEATABLE.has(call.method);
      if (!isPassing(error) || !(repeatable || certainlyNotDone)) throw error;
      await patience.after(error);
    }
  }
}

async function read(connection: Connection, response: Response): Promise<string> {
  try {
    return await response.text();
  } catch (error) {
    connection.signal?.throwIfAborted();
    throw new ConnectionFailed(error);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw noPlatform("the answer is no JSON");
  }
}

function noPlatform(why: string): StemwrightError {
  return new StemwrightError("unexpected_answer", `there is no platform at this address: ${why}`);
}

function queryOf(query: Call["query"]): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (Array.isArray(value)) for (const each of value) found.append(name, each);
    else if (value !== null && value !== undefined) found.append(name, String(value));
  }
  return found.size > 0 ? `?${found}` : "";
}

async function refusal(response: Response): Promise<StemwrightError> {
  const { status } = response;
  const problem: Problem | null = await response.json().catch(() => null);
  // A proxy before the platform answers too, for a while.
  if (problem?.code === undefined && status >= 400 && !PASSING.has(status)) {
    return noPlatform(`it answered ${status}, without a code`);
  }
  return new ApiError(status, problem ?? {}, retryAfter(response.headers.get("Retry-After")));
}

/** Seconds from now: the header names a number of them, or a date. */
export function retryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  if (/^\d+$/.test(value)) return Number(value);
  const date = Date.parse(value);
  return Number.isNaN(date) || /^-?\d/.test(value) ? undefined : Math.max(0, (date - Date.now()) / 1000);
}
