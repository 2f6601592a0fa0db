import type { Texts } from "../texts/en";

/** What a call was refused with (RFC 9457), or `code: "unreachable"` where no answer came. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly retryAfterSeconds: number | null = null,
    readonly requestId: string | null = null,
  ) {
    super(detail);
  }
}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

function textOf(body: unknown, name: string): string | null {
  const value =
    typeof body === "object" && body !== null ? (body as Record<string, unknown>)[name] : undefined;
  return typeof value === "string" ? value : null;
}

/** The data of a call of `api`. Throws a `Problem` where it was refused or did not arrive. */
export async function answer<T>(call: Promise<Answer<T>>): Promise<T> {
  let got: Answer<T>;
  try {
    got = await call;
  } catch {
    throw new Problem(0, "unreachable", "");
  }
  if (got.response.ok) return got.data as T;
  const wait = Number.parseInt(got.response.headers.get("Retry-After") ?? "", 10);
  throw new Problem(
    got.response.status,
    textOf(got.error, "code") ?? "unknown",
    textOf(got.error, "detail") ?? got.response.statusText,
    Number.isNaN(wait) ? null : wait,
    got.response.headers.get("X-Request-Id"),
  );
}

/** Of these only the API knows which field it is, or what is wrong with the file. */
const IN_PARTICULAR: ReadonlySet<string> = new Set(["invalid_request", "upload_rejected"]);

/** A problem in a sentence for a person: ours for its code, else the API's own. */
export function sentence(problem: unknown, texts: Texts): string {
  if (!(problem instanceof Problem)) return texts.problems.unknown;
  const { code, detail, status, retryAfterSeconds } = problem;
  const told = reasonIn({ code, message: detail }, texts);
  return status === 429 && retryAfterSeconds !== null
    ? `${told} ${texts.problems.waitSeconds(retryAfterSeconds)}`
    : told;
}

interface Reason {
  readonly code?: string | null;
  /** The API's own words. */
  readonly message?: string | null;
}

/** Why a call was refused, a song rejected or a separation in vain: ours for its code, else the API's own words. */
export function reasonIn({ code, message }: Reason, texts: Texts): string {
  const ours = (texts.problems.codes as Record<string, string | undefined>)[code ?? ""];
  if (ours === undefined) return message || texts.problems.unknown;
  // Isolated, for the API's words go from left to right in any language.
  return message && IN_PARTICULAR.has(code ?? "")
    ? `${ours.replace(/\.$/, "")}: \u2068${message}\u2069`
    : ours;
}
