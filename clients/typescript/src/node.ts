/** Files, for Node.js: `import { separate } from "stemwright-client/node"`. */
import { createHash } from "node:crypto";
import { createReadStream, openAsBlob } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Client } from "./client.ts";
import { fetchInto } from "./downloads.ts";
import { ApiError, DownloadDamaged, JobFailed } from "./errors.ts";
import { keyOf } from "./keys.ts";
import { hasEnded, type Job, type OnProgress, type Order, type Progress, type Stem } from "./models.ts";
import { type Place, placesOf, RECORD } from "./places.ts";

export interface Separation {
  song: string;
  folder: string;
  job: Job;
  /** The paths of the stems, by their names. */
  files: Record<string, string>;
}

/** What is remembered of a song, in `separation.json` beside its stems. */
interface Remembered {
  song: string;
  sha256: string;
  size_bytes: number;
  order: Order;
  /** How often it was ordered and came to nothing: each time under another idempotency key. */
  tries: number;
  job_id: string | null;
}

/**
 * The stems of a song as files in `output/<name of the song>/`. Run again after it was stopped it goes on where it was,
 * and pays nothing twice: the job is in `separation.json`, and until it is there the order's key is made of the song.
 */
export async function separate(
  client: Client,
  song: string,
  output: string,
  order: Order = {},
  onProgress?: OnProgress,
): Promise<Separation> {
  return await separateInto(client, song, join(output, basename(song, extname(song))), order, onProgress);
}

/** Of one song of many: the one or the other. */
export interface Outcome {
  song: string;
  separation?: Separation;
  error?: unknown;
}

export interface ManyOptions {
  order?: Order;
  /** Songs at a time; 4 without it. */
  parallel?: number;
  onProgress?: (song: string, progress: Progress) => void;
  /** Called as soon as a song is done. */
  onOutcome?: (outcome: Outcome) => void;
}

/** Every song of a folder, at any depth; `output` gets the folders that are in it. */
export async function separateFolder(
  client: Client,
  folder: string,
  output: string,
  options: ManyOptions = {},
): Promise<Outcome[]> {
  return await separateMany(client, [folder], output, options);
}

/**
 * Files and folders, some at a time; what became of each, in the order of their paths. Killed and run again it goes on,
 * as `separate` does. A song that fails is an outcome with an `error` and stops no other; a key that does not work
 * (401, 403) ends the run, and so does a path that is not there, before anything is begun.
 */
export async function separateMany(
  client: Client,
  songs: readonly string[],
  output: string,
  options: ManyOptions = {},
): Promise<Outcome[]> {
  const { order = {}, parallel = 4, onProgress, onOutcome } = options;
  const places = await placesOf(songs, output);
  const outcomes: Outcome[] = new Array(places.length);
  let next = 0;
  let over = false;
  const work = async () => {
    for (let index = next++; index < places.length && !over; index = next++) {
      const { song, folder } = places[index] as Place;
      const tell = onProgress && ((progress: Progress) => onProgress(song, progress));
      let outcome: Outcome;
      try {
        outcome = { song, separation: await separateInto(client, song, folder, order, tell) };
      } catch (error) {
        over ||= client.connection.signal?.aborted === true;
        over ||= error instanceof ApiError && [401, 403].includes(error.status);
        if (over) throw error;
        outcome = { song, error };
      }
      outcomes[index] = outcome;
      onOutcome?.(outcome);
    }
  };
  // Those that are under way end first, so that nothing goes on behind the caller's back.
  const ended = await Promise.allSettled(Array.from({ length: Math.max(1, parallel) }, work));
  for (const each of ended) if (each.status === "rejected") throw each.reason;
  return outcomes;
}

async function separateInto(
  client: Client,
  song: string,
  folder: string,
  order: Order,
  onProgress?: OnProgress,
): Promise<Separation> {
  const sha256 = await sha256Of(song);
  let record = await recordOf(folder, {
    song: basename(song),
    sha256,
    size_bytes: (await stat(song)).size,
    order,
    tries: 0,
    job_id: null,
  });
  let job = await knownJob(client, record);
  if (job && hasEnded(job) && job.status !== "succeeded") {
    record = { ...record, tries: record.tries + 1, job_id: null };
    job = undefined;
  }
  if (job === undefined) {
    await write(folder, record); // a folder that cannot be written to is told of before the song is sent
    const blob = await openAsBlob(song);
    const upload = await client.upload(blob, { filename: basename(song), sha256, onProgress });
    try {
      job = await client.createJob(
        upload.id,
        order,
        await keyOf("job", upload.id, sha256, order, record.tries),
      );
    } catch (error) {
      // Nothing was made. The next run asks anew, not for the answer to this key.
      const refused = error instanceof ApiError && error.status < 500 && error.status !== 409;
      if (refused) await write(folder, { ...record, tries: record.tries + 1 });
      throw error;
    }
    record = { ...record, job_id: job.id };
    await write(folder, record);
  }
  job = await client.wait(job, { onProgress });
  if (job.status !== "succeeded") throw new JobFailed(job);
  return { song, folder, job, files: await download(client, job, folder, onProgress) };
}

/** The stems of a job that succeeded, `folder/<stem>.<format>`: each appears whole and checked, or not at all. */
export async function download(
  client: Client,
  job: Job,
  folder: string,
  onProgress?: OnProgress,
): Promise<Record<string, string>> {
  if (job.status !== "succeeded") throw new JobFailed(job);
  await mkdir(folder, { recursive: true });
  const whole = job.stems.reduce((sum, stem) => sum + stem.size_bytes, 0);
  const files: Record<string, string> = {};
  let before = 0;
  for (const stem of job.stems) {
    const path = join(folder, `${safe(stem.name)}.${safe(stem.format)}`);
    const there = before;
    const tell = (got: number) => onProgress?.({ stage: "downloading", fraction: (there + got) / whole });
    if (!(await isWhole(path, stem))) await fetched(client, job.id, stem, path, tell);
    before += stem.size_bytes;
    files[stem.name] = path;
  }
  return files;
}

async function fetched(
  client: Client,
  jobId: string,
  stem: Stem,
  path: string,
  tell: (got: number) => void,
): Promise<void> {
  // Named after what it is to hold, so that what another run has left of the same is gone on with.
  const draft = join(path, "..", `.${basename(path)}.${stem.sha256.slice(0, 12)}.part`);
  const file = await open(draft, "a");
  try {
    const sink = {
      length: async () => (await file.stat()).size,
      write: async (bytes: Uint8Array) => {
        await file.writeFile(bytes);
      },
      restart: () => truncate(draft),
    };
    await fetchInto(client.connection, jobId, stem, sink, tell);
  } finally {
    await file.close();
  }
  if ((await sha256Of(draft)) !== stem.sha256) {
    await rm(draft);
    throw new DownloadDamaged(basename(path));
  }
  await rename(draft, path);
}

async function isWhole(path: string, stem: Stem): Promise<boolean> {
  try {
    return (await stat(path)).size === stem.size_bytes && (await sha256Of(path)) === stem.sha256;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

async function knownJob(client: Client, record: Remembered): Promise<Job | undefined> {
  if (record.job_id === null) return undefined;
  try {
    return await client.getJob(record.job_id);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

async function recordOf(folder: string, fresh: Remembered): Promise<Remembered> {
  try {
    const known: Remembered = JSON.parse(await readFile(join(folder, RECORD), "utf-8"));
    const same = (await keyOf(known.sha256, known.order)) === (await keyOf(fresh.sha256, fresh.order));
    return same ? { ...fresh, ...known } : fresh;
  } catch {
    return fresh; // the key of the order is made of the song, so little is lost
  }
}

async function write(folder: string, record: Remembered): Promise<void> {
  await mkdir(folder, { recursive: true });
  const draft = join(folder, `.${RECORD}.${process.pid}`);
  await writeFile(draft, `${JSON.stringify(record, null, 2)}\n`);
  await rename(draft, join(folder, RECORD));
}

/** As a part of a file's name: nothing that a platform answers leads out of a folder. */
function safe(name: string): string {
  return name.replace(/[^\p{L}\p{N}_-]/gu, "_") || "_";
}
