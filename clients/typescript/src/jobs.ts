/** The end of a job: by its stream, and by asking where there is none. */
import { type Connection, isPassing, opened, Patience, send, sleep } from "./connection.ts";
import { ConnectionFailed } from "./errors.ts";
import { hasEnded, type Job, type OnProgress } from "./models.ts";

/** So many streams in a row that broke off without a word: somebody in between keeps them back. */
const SILENT_STREAMS = 3;
/** Two seconds, as pauses are. */
const ASK_AFTER_PAUSES = 4;

/** One event of a job's stream: `status` (the whole job) or `progress`. */
export interface StreamEvent {
  type: string;
  data: Record<string, unknown>;
  id: string | undefined;
}

/** The job when it has ended, however it did. */
export async function wait(
  connection: Connection,
  known: Job,
  onProgress: OnProgress | undefined,
): Promise<Job> {
  const tell = onProgress ?? (() => {});
  const patience = new Patience(connection);
  let job = known;
  let lastEventId: string | undefined;
  let silent = 0;
  toldOf(job, tell);
  while (!hasEnded(job)) {
    if (silent < SILENT_STREAMS) {
      silent += 1;
      try {
        for await (const event of stream(connection, job.id, lastEventId)) {
          silent = 0;
          patience.renew();
          lastEventId = event.id ?? lastEventId;
          if (event.type === "status") job = event.data as unknown as Job;
          if (event.type === "status") toldOf(job, tell);
          else tell({ stage: "separating", fraction: (event.data.fraction as number | undefined) ?? null });
          if (hasEnded(job)) return job;
        }
      } catch (error) {
        if (!isPassing(error)) throw error;
        await patience.after(error);
      }
    }
    await sleep(ASK_AFTER_PAUSES * connection.firstPauseSeconds, connection.signal);
    job = await send<Job>(connection, { method: "GET", path: `/v1/jobs/${job.id}` });
    toldOf(job, tell);
  }
  return job;
}

/** Each event as it happens; a stream that breaks off is opened again, until the job has ended. */
export async function* events(connection: Connection, jobId: string): AsyncGenerator<StreamEvent, void> {
  const patience = new Patience(connection);
  let lastEventId: string | undefined;
  for (;;) {
    let failure: unknown = new ConnectionFailed("the stream ended before the job did");
    try {
      for await (const event of stream(connection, jobId, lastEventId)) {
        patience.renew();
        lastEventId = event.id ?? lastEventId;
        yield event;
        if (event.type === "status" && hasEnded(event.data as unknown as Job)) return;
      }
    } catch (error) {
      failure = error;
    }
    if (!isPassing(failure)) throw failure;
    await patience.after(failure);
  }
}

async function* stream(
  connection: Connection,
  jobId: string,
  lastEventId: string | undefined,
): AsyncGenerator<StreamEvent, void> {
  const headers: Record<string, string> = { Accept: "text/event-stream" };
  if (lastEventId !== undefined) headers["Last-Event-ID"] = lastEventId;
  const response = await opened(connection, { method: "GET", path: `/v1/jobs/${jobId}/events`, headers });
  if (response.body === null || response.status === 204) return;
  let read = { type: "message", data: "", id: undefined as string | undefined };
  for await (const line of lines(connection, response.body)) {
    if (line !== "") {
      const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (name === "event") read.type = value ?? "";
      else if (name === "data") read.data += (read.data ? "\n" : "") + value;
      else if (name === "id") read.id = value;
      continue;
    }
    if (read.data) yield { type: read.type, data: JSON.parse(read.data), id: read.id };
    read = { type: "message", data: "", id: undefined };
  }
}

/** Server-sent events are lines (WHATWG HTML, section 9.2.6). */
async function* lines(
  connection: Connection,
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<string, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const found = rest.split(/\r\n|\n|\r(?!$)/);
      rest = found.pop() ?? "";
      yield* found;
    }
  } catch (error) {
    connection.signal?.throwIfAborted();
    throw new ConnectionFailed(error);
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function toldOf(job: Job, tell: OnProgress): void {
  if (job.status === "reserving" || job.status === "queued") tell({ stage: "waiting", fraction: null });
  else if (job.status === "running") tell({ stage: "separating", fraction: job.progress.fraction });
}
