import { type Call, type Connection, FIRST_PAUSE_SECONDS, send, sleep } from "./connection.ts";
import { fetchInto } from "./downloads.ts";
import { DownloadDamaged, EventsMissed, JobFailed, StemwrightError } from "./errors.ts";
import * as jobs from "./jobs.ts";
import { hex, keyOf } from "./keys.ts";
import type {
  Balance,
  Batch,
  BatchSong,
  Delivery,
  Event,
  EventPage,
  EventTopic,
  Job,
  ListedJob,
  MadeEventTopic,
  MadeWebhookEndpoint,
  OnProgress,
  Order,
  Page,
  Quote,
  Redelivered,
  RotatedSecret,
  Stem,
  Upload,
  WebhookEndpoint,
} from "./models.ts";
import { type UploadOptions, upload, uploadUrl } from "./uploads.ts";

const LONGEST_WAIT_SECONDS = 25;
const PAGE = 100;
const FIRST_LOOK_SECONDS = 1;
const LAST_LOOK_SECONDS = 15;

export interface ClientOptions {
  /** Of the platform, without `/v1`; in a page of the platform itself an empty string. */
  url: string;
  /** Or an access token. A key in a page is everybody's who opens it. */
  apiKey: string;
  /** What passes by itself is tried again for so long, where that can do no harm. */
  patienceSeconds?: number;
  /** Stops whatever is under way. */
  signal?: AbortSignal;
  /** Told what somebody should know although nothing failed, such as that a song ends early. `console.warn` without it. */
  onWarning?: (sentence: string) => void;
  fetch?: typeof fetch;
}

/**
 * One account's view of the platform. Every method throws ApiError where the platform refuses and ConnectionFailed
 * where nobody answers for longer than the client's patience; each error has a `code`.
 */
export class Client {
  readonly connection: Connection;

  constructor(options: ClientOptions) {
    if (!options.apiKey) throw new StemwrightError("no_key", "no API key was given");
    this.connection = {
      url: options.url.replace(/\/+$/, "").replace(/\/v1$/, ""),
      key: options.apiKey,
      fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
      patienceSeconds: options.patienceSeconds ?? 300,
      firstPauseSeconds: FIRST_PAUSE_SECONDS,
      signal: options.signal,
      // biome-ignore lint/suspicious/noConsole: who asked for nothing else would not be told
      warn: options.onWarning ?? ((sentence) => console.warn(sentence)),
    };
  }

  /** Any other call of the API. One with a body and no key is not sent twice. */
  call<T>(call: Call): Promise<T> {
    return send<T>(this.connection, call);
  }

  /**
   * Sends a file in parts and waits until the platform has checked it. Sent again it is the same upload, with what is
   * still missing of it. Throws UploadRejected.
   */
  upload(song: Blob, options: UploadOptions = {}): Promise<Upload> {
    return upload(this.connection, song, options);
  }

  /**
   * Has the platform fetch a file and waits until it has checked it; each call is another upload. Throws
   * UploadRejected.
   */
  uploadUrl(sourceUrl: string, options: Omit<UploadOptions, "sha256"> = {}): Promise<Upload> {
    return uploadUrl(this.connection, sourceUrl, options);
  }

  getUpload(id: string): Promise<Upload> {
    return this.call({ method: "GET", path: `/v1/uploads/${encodeURIComponent(id)}` });
  }

  uploads(): AsyncGenerator<Upload, void> {
    return this.#every("/v1/uploads");
  }

  deleteUpload(id: string): Promise<void> {
    return this.call({ method: "DELETE", path: `/v1/uploads/${encodeURIComponent(id)}` });
  }

  /** What an order would cost, exactly, until the quote expires. */
  quote(uploadId: string, order: Order = {}): Promise<Quote> {
    const { mode, tier, stems, model } = order;
    const body = { upload_id: uploadId, mode, tier, stems, model };
    return this.call({ method: "POST", path: "/v1/quotes", body, harmless: true });
  }

  /** Orders a job. Without a key of yours the same order is the same job, within 24 hours. */
  async createJob(uploadId: string, order: Order = {}, idempotencyKey?: string): Promise<Job> {
    const body = { ...order, upload_id: uploadId };
    const key = idempotencyKey ?? (await keyOf("job", body));
    return await this.call({ method: "POST", path: "/v1/jobs", body, key });
  }

  getJob(id: string): Promise<Job> {
    return this.call({ method: "GET", path: `/v1/jobs/${encodeURIComponent(id)}` });
  }

  jobs(query: { status?: string; search?: string } = {}): AsyncGenerator<ListedJob, void> {
    return this.#every("/v1/jobs", query);
  }

  /** The job when it has ended, however it did: by its stream, or by asking where none comes through. */
  async wait(job: Job | string, options: { onProgress?: OnProgress | undefined } = {}): Promise<Job> {
    const known = typeof job === "string" ? await this.getJob(job) : job;
    return await jobs.wait(this.connection, known, options.onProgress);
  }

  jobEvents(jobId: string): AsyncGenerator<jobs.StreamEvent, void> {
    return jobs.events(this.connection, jobId);
  }

  cancelJob(id: string): Promise<Job> {
    return this.call({ method: "POST", path: `/v1/jobs/${encodeURIComponent(id)}/cancel`, harmless: true });
  }

  async retryJob(id: string): Promise<Job> {
    const path = `/v1/jobs/${encodeURIComponent(id)}/retry`;
    return await this.call({ method: "POST", path, key: await keyOf("retry", id) });
  }

  deleteJob(id: string): Promise<void> {
    return this.call({ method: "DELETE", path: `/v1/jobs/${encodeURIComponent(id)}` });
  }

  /**
   * Orders up to 1,000 songs as one: all or none. A song is an upload's id, or that or an address with wishes of its
   * own. Without a key of yours the same songs under the same order are the same batch, within 24 hours.
   */
  async createBatch(
    songs: readonly (string | BatchSong)[],
    order: Omit<Order, "preview"> = {},
    idempotencyKey?: string,
  ): Promise<Batch> {
    const items = songs.map((song) => (typeof song === "string" ? { upload_id: song } : song));
    const body = { ...order, items };
    const key = idempotencyKey ?? (await keyOf("batch", body));
    return await this.call({ method: "POST", path: "/v1/batches", body, key });
  }

  getBatch(id: string): Promise<Batch> {
    return this.call({ method: "GET", path: `/v1/batches/${encodeURIComponent(id)}`, query: { limit: 1 } });
  }

  /** The batch when its last song has ended, however that did; by asking less and less often. */
  async waitForBatch(id: string): Promise<Batch> {
    for (let pause = FIRST_LOOK_SECONDS; ; pause = Math.min(pause * 1.5, LAST_LOOK_SECONDS)) {
      const batch = await this.getBatch(id);
      if (["completed", "canceled", "rejected"].includes(batch.status)) return batch;
      await sleep(pause, this.connection.signal);
    }
  }

  batches(): AsyncGenerator<Batch, void> {
    return this.#every("/v1/batches");
  }

  /** The jobs of its songs, in the order in which these were named. */
  batchJobs(id: string): AsyncGenerator<ListedJob, void> {
    return this.#every(`/v1/batches/${encodeURIComponent(id)}`);
  }

  cancelBatch(id: string): Promise<Batch> {
    return this.call({
      method: "POST",
      path: `/v1/batches/${encodeURIComponent(id)}/cancel`,
      harmless: true,
    });
  }

  /** A stem in memory, whole and with the right SHA-256. `stemwright-client/node` has files. */
  async download(job: Job, name: string, onProgress?: OnProgress): Promise<Blob> {
    const stem = stemOf(job, name);
    let pieces: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    await fetchInto(
      this.connection,
      job.id,
      stem,
      {
        length: () => length,
        write: (bytes) => {
          pieces.push(new Uint8Array(bytes));
          length += bytes.length;
        },
        restart: () => {
          pieces = [];
          length = 0;
        },
      },
      (bytes) => onProgress?.({ stage: "downloading", fraction: bytes / stem.size_bytes }),
    );
    const whole = new Blob(pieces);
    if (hex(await crypto.subtle.digest("SHA-256", await whole.arrayBuffer())) !== stem.sha256) {
      throw new DownloadDamaged(name);
    }
    return whole;
  }

  balance(): Promise<Balance> {
    return this.call({ method: "GET", path: "/v1/billing/balance" });
  }

  /** One page of the feed; `next_after` is the `after` of the next. */
  eventPage(
    query: { after?: number; types?: readonly string[]; wait?: number; limit?: number } = {},
  ): Promise<EventPage> {
    return this.call({ method: "GET", path: "/v1/events", query });
  }

  /**
   * What happened after a number, in order; `follow` waits for more, for ever. Keep an event's `sequence` when you are
   * done with it: it is the `after` of your next start. Throws EventsMissed.
   */
  async *events(
    options: { after?: number; types?: readonly string[]; follow?: boolean } = {},
  ): AsyncGenerator<Event, void> {
    const { types, follow } = options;
    let after = options.after;
    for (;;) {
      const page = await this.eventPage({
        ...(after === undefined ? {} : { after }),
        ...(types === undefined ? {} : { types }),
        ...(follow ? { wait: LONGEST_WAIT_SECONDS } : {}),
        limit: PAGE,
      });
      const oldest = page.oldest_sequence;
      if (after !== undefined && oldest !== null && oldest > after + 1) throw new EventsMissed(after, oldest);
      yield* page.items;
      after = page.next_after;
      if (page.items.length > 0) continue;
      if (!follow) return;
      await sleep(1, this.connection.signal); // a fifth long call of an account is answered at once
    }
  }

  webhookEndpoints(): AsyncGenerator<WebhookEndpoint, void> {
    return this.#every("/v1/webhook-endpoints");
  }

  /** The endpoint with its secret, told this once. */
  createWebhookEndpoint(url: string, eventTypes?: readonly string[]): Promise<MadeWebhookEndpoint> {
    const body = { url, event_types: eventTypes };
    return this.call({ method: "POST", path: "/v1/webhook-endpoints", body, key: crypto.randomUUID() });
  }

  changeWebhookEndpoint(id: string, changes: Partial<WebhookEndpoint>): Promise<WebhookEndpoint> {
    const path = `/v1/webhook-endpoints/${encodeURIComponent(id)}`;
    return this.call({ method: "PATCH", path, body: changes, harmless: true });
  }

  deleteWebhookEndpoint(id: string): Promise<void> {
    return this.call({ method: "DELETE", path: `/v1/webhook-endpoints/${encodeURIComponent(id)}` });
  }

  rotateWebhookSecret(id: string): Promise<RotatedSecret> {
    return this.call({
      method: "POST",
      path: `/v1/webhook-endpoints/${encodeURIComponent(id)}/rotate-secret`,
    });
  }

  sendTestEvent(id: string): Promise<Delivery> {
    return this.call({ method: "POST", path: `/v1/webhook-endpoints/${encodeURIComponent(id)}/test` });
  }

  webhookDeliveries(id: string, query: { status?: string } = {}): AsyncGenerator<Delivery, void> {
    return this.#every(`/v1/webhook-endpoints/${encodeURIComponent(id)}/deliveries`, query);
  }

  /** The secret that signs what is sent to `callback_url`s; for 24 hours the one before signs too. */
  rotateCallbackSecret(): Promise<RotatedSecret> {
    return this.call({ method: "POST", path: "/v1/callbacks/rotate-secret" });
  }

  callbackDeliveries(query: { status?: string } = {}): AsyncGenerator<Delivery, void> {
    return this.#every("/v1/callbacks/deliveries", query);
  }

  redeliver(deliveryId: string): Promise<Delivery> {
    const path = `/v1/webhook-deliveries/${encodeURIComponent(deliveryId)}/redeliver`;
    return this.call({ method: "POST", path });
  }

  /** All that was given up, or the events of a range of numbers: at most 1,000 a call. */
  redeliverEvents(
    endpointId: string,
    range: { from_sequence?: number; to_sequence?: number } = {},
  ): Promise<Redelivered> {
    const path = `/v1/webhook-endpoints/${encodeURIComponent(endpointId)}/redeliver`;
    return this.call({ method: "POST", path, body: range });
  }

  async eventTopics(): Promise<EventTopic[]> {
    return (await this.call<Page<EventTopic>>({ method: "GET", path: "/v1/event-topics" })).items;
  }

  /** A Kafka topic of your own with the same events, where the operator allows it; the password is told this once. */
  createEventTopic(): Promise<MadeEventTopic> {
    return this.call({ method: "POST", path: "/v1/event-topics" });
  }

  deleteEventTopic(id: string): Promise<void> {
    return this.call({ method: "DELETE", path: `/v1/event-topics/${encodeURIComponent(id)}` });
  }

  async *#every<T>(path: string, query: Record<string, string> = {}): AsyncGenerator<T, void> {
    let cursor: string | null = null;
    do {
      const page: Page<T> = await this.call({
        method: "GET",
        path,
        query: { ...query, limit: PAGE, cursor },
      });
      yield* page.items;
      cursor = page.next_cursor;
    } while (cursor !== null);
  }
}

/** Throws JobFailed where it has not succeeded. */
export function stemOf(job: Job, name: string): Stem {
  if (job.status !== "succeeded") throw new JobFailed(job);
  const stem = job.stems.find((each) => each.name === name);
  if (stem === undefined) throw new StemwrightError("stem_not_found", `the job has no stem ${name}`);
  return stem;
}
