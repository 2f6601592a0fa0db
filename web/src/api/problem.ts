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

/** A problem in a sentence for a person: ours for its code, else the API's own. */
export function sentence(problem: unknown, texts: Texts): string {
  if (!(problem instanceof Problem)) return texts.problems.unknown;
  const ours = (texts.problems.codes as Record<string, string | undefined>)[problem.code];
  if (problem.status === 429 && problem.retryAfterSeconds !== null) {
    return `${ours ?? texts.problems.tooMany} ${texts.problems.waitSeconds(problem.retryAfterSeconds)}`;
  }
  return ours ?? (problem.detail || texts.problems.unknown);
}
