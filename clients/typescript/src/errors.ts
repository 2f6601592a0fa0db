import type { Job } from "./models.ts";

/** What can go wrong: each error has a `code` that programs may rely on. */
export class StemwrightError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Nobody answered, or the answer broke off. */
export class ConnectionFailed extends StemwrightError {
  constructor(cause: unknown) {
    super("connection_failed", `no answer: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

/** The document of a refusal (RFC 9457). */
export interface Problem {
  code?: string;
  detail?: string;
  title?: string;
  request_id?: string;
  [more: string]: unknown;
}

/** The platform refused. */
export class ApiError extends StemwrightError {
  readonly status: number;
  readonly problem: Problem;
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, problem: Problem, retryAfterSeconds?: number) {
    super(problem.code ?? `status_${status}`, problem.detail ?? problem.title ?? `the answer was ${status}`);
    this.status = status;
    this.problem = problem;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  get requestId(): string | undefined {
    return this.problem.request_id;
  }
}

/** The object store refused a part or a download. */
export class StoreError extends StemwrightError {
  readonly status: number;

  constructor(status: number) {
    super("store_refused", `the object store answered ${status}`);
    this.status = status;
  }
}

/** The file is no song that can be separated; `code` is the platform's. */
export class UploadRejected extends StemwrightError {}

/** The job ended otherwise than by succeeding. */
export class JobFailed extends StemwrightError {
  readonly job: Job;

  constructor(job: Job) {
    super(job.error?.code ?? `job_${job.status}`, job.error?.message ?? `the job was ${job.status}`);
    this.job = job;
  }
}

/** A stem did not arrive as it was made. */
export class DownloadDamaged extends StemwrightError {
  constructor(name: string) {
    super("download_damaged", `${name} did not arrive as it was made`);
  }
}

/** The feed no longer holds what follows the place; what is left begins with `oldestSequence`. */
export class EventsMissed extends StemwrightError {
  readonly oldestSequence: number;

  constructor(after: number, oldestSequence: number) {
    super("events_missed", `events ${after + 1} to ${oldestSequence - 1} are kept no more`);
    this.oldestSequence = oldestSequence;
  }
}

/** A webhook is not from the platform. */
export class SignatureInvalid extends StemwrightError {
  constructor(why: string) {
    super("signature_invalid", why);
  }
}
