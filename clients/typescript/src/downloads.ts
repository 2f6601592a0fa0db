/** The bytes of a stem, from where they broke off. */
import { type Connection, isPassing, once, Patience, send } from "./connection.ts";
import { ConnectionFailed, DownloadDamaged, StoreError } from "./errors.ts";
import type { Stem, StemLink } from "./models.ts";

/** What an object store says to an address whose hour is over. */
const EXPIRED = 403;

/** Where the bytes go, in order. */
export interface Sink {
  /** So many are there. */
  length(): number | Promise<number>;
  write(bytes: Uint8Array): void | Promise<void>;
  /** Forgets what is there: the store knows no ranges. */
  restart(): void | Promise<void>;
}

/** Fills the sink with the whole stem. Whether it is the right one is for the caller to see. */
export async function fetchInto(
  connection: Connection,
  jobId: string,
  stem: Stem,
  sink: Sink,
  got: (bytes: number) => void,
): Promise<void> {
  const patience = new Patience(connection);
  while ((await sink.length()) < stem.size_bytes) {
    const before = await sink.length();
    try {
      await appended(connection, jobId, stem, sink, got);
      if ((await sink.length()) < stem.size_bytes) throw new ConnectionFailed("the download broke off");
    } catch (error) {
      const expired = error instanceof StoreError && error.status === EXPIRED;
      if (!(error instanceof StoreError || error instanceof ConnectionFailed)) throw error;
      if (!(expired || isPassing(error))) throw error;
      if ((await sink.length()) > before) patience.renew();
      await patience.after(error);
    }
  }
}

async function appended(
  connection: Connection,
  jobId: string,
  stem: Stem,
  sink: Sink,
  got: (bytes: number) => void,
): Promise<void> {
  const path = `/v1/jobs/${jobId}/stems/${encodeURIComponent(stem.name)}`;
  const link = await send<StemLink>(connection, { method: "GET", path });
  let have = await sink.length();
  const headers: Record<string, string> = have > 0 ? { Range: `bytes=${have}-` } : {};
  const response = await once(connection, link.url, { headers });
  if (!response.ok || response.body === null) throw new StoreError(response.status);
  if (response.status !== 206 && have > 0) {
    await sink.restart();
    have = 0;
  }
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        connection.signal?.throwIfAborted();
        throw new ConnectionFailed(error);
      });
      if (done) return;
      have += value.length;
      if (have > stem.size_bytes) throw new DownloadDamaged(stem.name);
      await sink.write(value);
      got(have);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
