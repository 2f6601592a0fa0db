/** A file to the platform, in parts that are sent again where they did not arrive. */
import { type Connection, isPassing, once, Patience, send, sleep } from "./connection.ts";
import { ApiError, ConnectionFailed, StoreError, UploadRejected } from "./errors.ts";
import { hex, keyOf } from "./keys.ts";
import type { OnProgress, Upload } from "./models.ts";

/** A larger file would have to lie in memory for the browser's own SHA-256. */
const HASHED_BYTES = 256 * 1024 * 1024;
const FIRST_LOOK_SECONDS = 0.25;
const LAST_LOOK_SECONDS = 3;
/** What an object store says to an address whose hour is over. */
const EXPIRED = 403;

export interface UploadOptions {
  filename?: string;
  onProgress?: OnProgress | undefined;
  /** Of the file, where it is known. */
  sha256?: string | undefined;
}

export async function upload(connection: Connection, song: Blob, options: UploadOptions): Promise<Upload> {
  if (song.size === 0) throw new UploadRejected("audio_empty", "The file is empty.");
  const filename = options.filename ?? (song instanceof File ? song.name : "song");
  const sha256 = options.sha256 ?? (song.size <= HASHED_BYTES ? await sha256Of(song) : undefined);
  const tell = options.onProgress ?? (() => {});
  const made = await begun(connection, filename, song, sha256);
  return await checked(connection, await sent(connection, song, made, tell), tell);
}

export async function uploadUrl(
  connection: Connection,
  sourceUrl: string,
  options: UploadOptions,
): Promise<Upload> {
  const body = { source_url: sourceUrl, ...(options.filename ? { filename: options.filename } : {}) };
  const key = crypto.randomUUID(); // what is at an address may be another file the next time
  const made = await send<Upload>(connection, { method: "POST", path: "/v1/uploads", body, key });
  return await checked(connection, made, options.onProgress ?? (() => {}));
}

async function sha256Of(song: Blob): Promise<string> {
  return hex(await crypto.subtle.digest("SHA-256", await song.arrayBuffer()));
}

async function begun(
  connection: Connection,
  filename: string,
  song: Blob,
  sha256: string | undefined,
): Promise<Upload> {
  const body = { filename, size_bytes: song.size, ...(sha256 ? { sha256 } : {}) };
  const modified = song instanceof File ? song.lastModified : undefined;
  let key = await keyOf("upload", body, sha256 ? null : (modified ?? crypto.randomUUID()));
  for (;;) {
    try {
      const made = await send<Upload>(connection, { method: "POST", path: "/v1/uploads", body, key });
      // The answer to a key that was used before is the first one; what has arrived since stands in the upload.
      return await send<Upload>(connection, { method: "GET", path: `/v1/uploads/${made.id}` });
    } catch (error) {
      const gone = ["upload_not_found", "upload_deleted"];
      if (!(error instanceof ApiError && gone.includes(error.code))) throw error;
      key = crypto.randomUUID(); // it was deleted meanwhile, and its key with it
    }
  }
}

async function sent(connection: Connection, song: Blob, begun: Upload, tell: OnProgress): Promise<Upload> {
  const patience = new Patience(connection);
  let made = begun;
  while (made.status === "pending") {
    const failure = await partsSent(connection, song, made, tell, patience);
    if (failure) await patience.after(failure);
    try {
      made = await send<Upload>(connection, {
        ...(failure
          ? { method: "GET", path: `/v1/uploads/${made.id}` }
          : { method: "POST", path: `/v1/uploads/${made.id}/complete`, body: {}, harmless: true }),
      });
    } catch (error) {
      const codes = ["upload_incomplete", "upload_not_pending", "upload_replaced"];
      if (!(error instanceof ApiError && codes.includes(error.code))) throw error;
      if (error.code === "upload_incomplete") await patience.after(error);
      made = await send<Upload>(connection, { method: "GET", path: `/v1/uploads/${made.id}` });
    }
  }
  return made;
}

/** Sends what is missing. What stopped it, if it may pass, so that fresh addresses are asked for. */
async function partsSent(
  connection: Connection,
  song: Blob,
  made: Upload,
  tell: OnProgress,
  patience: Patience,
): Promise<StoreError | ConnectionFailed | undefined> {
  let there = made.uploaded_parts.reduce((sum, part) => sum + part.size_bytes, 0);
  for (const part of made.parts) {
    const start = (part.number - 1) * made.part_size_bytes;
    try {
      const body = song.slice(start, start + part.size_bytes);
      const response = await once(connection, part.url, { method: "PUT", body });
      await response.body?.cancel();
      if (!response.ok) throw new StoreError(response.status);
    } catch (error) {
      const expired = error instanceof StoreError && error.status === EXPIRED;
      if (!(error instanceof StoreError || error instanceof ConnectionFailed)) throw error;
      if (!(expired || isPassing(error))) throw error;
      return error;
    }
    patience.renew();
    there += part.size_bytes;
    tell({ stage: "uploading", fraction: there / made.size_bytes });
  }
  return undefined;
}

async function checked(connection: Connection, sent: Upload, tell: OnProgress): Promise<Upload> {
  let made = sent;
  for (let pause = FIRST_LOOK_SECONDS; made.status !== "ready" && made.status !== "rejected"; pause *= 1.5) {
    tell({ stage: "checking", fraction: null });
    await sleep(Math.min(pause, LAST_LOOK_SECONDS), connection.signal);
    made = await send<Upload>(connection, { method: "GET", path: `/v1/uploads/${made.id}` });
  }
  if (made.status === "rejected") {
    throw new UploadRejected(made.code ?? "upload_rejected", made.reason ?? "the platform gave no reason");
  }
  if (made.audio && !made.audio.complete) {
    const seconds = made.audio.duration_seconds.toFixed(1);
    connection.warn(`${made.filename} is damaged or ends early: ${seconds} s of it can be read`);
  }
  return made;
}
