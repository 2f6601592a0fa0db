import { csrfToken, lookAtSession } from "../api/client";
import { Problem } from "../api/problem";
import { onAccount } from "../api/session";
import { platform, type Store, type Upload } from "./store";

/** Where a song is on its way. `fetching`: the platform gets it from its address. `lost`: the connection is, and it is
 * tried again by itself. */
export type Phase =
  | "waiting"
  | "fetching"
  | "sending"
  | "lost"
  | "paused"
  | "checking"
  | "ready"
  | "rejected"
  | "refused";

export interface Song {
  readonly key: string;
  readonly name: string;
  /** In bytes; of a song that is fetched 0 until it is there. */
  readonly size: number;
  readonly phase: Phase;
  /** Bytes that have arrived or are on their way. */
  readonly sent: number;
  /** Null until the platform knows of it. */
  readonly upload: Upload | null;
  /** False after a reload: browsers do not keep files, so it has to be chosen again. */
  readonly hasFile: boolean;
  readonly problem: unknown;
}

const SETTLED: ReadonlySet<Phase> = new Set<Phase>(["ready", "rejected", "refused"]);

/** Whether a song is on its way to being ready. */
export function isComing(song: Song): boolean {
  return !SETTLED.has(song.phase);
}

/** How a file is recognised when it is chosen again. */
interface Remembered {
  id: string;
  name: string;
  size: number;
  modified: number;
}

const PARTS_AT_ONCE = 3;
const LONGEST_PAUSE_SECONDS = 30;
const LOOK_MILLISECONDS = 1000;
/** What another try with fresh addresses may mend: no answer, an address that is too old, a part of the platform that restarts. */
const WORTH_ANOTHER_TRY = new Set([0, 403, 408, 429, 500, 502, 503, 504]);

/**
 * Songs on their way to the platform, one after the other. What has arrived survives the page.
 *
 * Calls are made in the name of whoever the browser's cookie is of. So a queue acts under the session it was woken under
 * alone: it rests when that is over, and goes on where it was when its account is signed in again.
 */
export class UploadQueue {
  #resting = false;
  /** How often it was woken; what was begun before goes on no more. */
  #woken = 0;
  #session: string | null;
  #songs: readonly Song[] = [];
  readonly #files = new Map<string, File>();
  readonly #modified = new Map<string, number>();
  readonly #stops = new Map<string, AbortController>();
  readonly #listeners = new Set<() => void>();
  #next = 0;

  constructor(
    private readonly shelf: string,
    private readonly store: Store = platform,
    private readonly wait: (milliseconds: number) => Promise<void> = pause,
    private readonly session: () => string | null = csrfToken,
  ) {
    this.#session = session();
  }

  readonly songs = (): readonly Song[] => this.#songs;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Its account is not signed in any more: calls end, and nothing is sent until it is woken. */
  rest(): void {
    if (this.#resting) return;
    this.#resting = true;
    for (const song of this.#songs) {
      if (song.phase === "sending" || song.phase === "lost") this.#set(song.key, { phase: "waiting" });
    }
    for (const stop of this.#stops.values()) stop.abort(new Stopped());
  }

  /** Its account is signed in; goes on where it rested. */
  wake(): void {
    const session = this.session();
    if (!this.#resting && session === this.#session) return;
    this.#resting = false;
    this.#woken += 1;
    this.#session = session;
    for (const { key, phase, upload } of this.#songs) {
      if (upload !== null && (phase === "fetching" || phase === "checking")) void this.#check(key, upload);
    }
    void this.restore();
    this.#go();
  }

  /** Whether a call now would be one of its account. Where another tab has changed the session, that is looked into. */
  #awake(): boolean {
    if (!this.#resting && this.session() !== this.#session) {
      this.rest();
      lookAtSession();
    }
    return !this.#resting;
  }

  /** Takes up what was begun before the page was loaded. */
  async restore(): Promise<void> {
    for (const known of this.#remembered()) {
      if (this.#songs.some((song) => song.upload?.id === known.id)) continue;
      if (!this.#awake()) return;
      try {
        const upload = await this.store.look(known.id);
        if (this.#songs.some((song) => song.upload?.id === known.id)) continue;
        const key = this.#enter(known.name, known.size, known.modified, upload);
        if (upload.status === "pending" && !upload.source_url)
          this.#set(key, { phase: "paused", sent: arrived(upload) });
        else void this.#check(key, upload);
      } catch (problem) {
        if (problem instanceof Problem && problem.status === 404 && this.#awake()) this.#forget(known.id);
      }
    }
  }

  /** Files to be sent. One that was begun before goes on where it was; one that is here already is not sent twice. */
  add(files: Iterable<File>): void {
    for (const file of files) {
      const same = this.#songs.find(
        (song) =>
          song.name === file.name &&
          song.size === file.size &&
          this.#modified.get(song.key) === file.lastModified,
      );
      if (same?.hasFile || (same && same.phase !== "paused")) continue;
      const key = same?.key ?? this.#enter(file.name, file.size, file.lastModified, null);
      this.#files.set(key, file);
      this.#set(key, { hasFile: true, phase: "waiting", problem: null });
    }
    this.#go();
  }

  /** A song that the platform fetches. Rejects with a `Problem` where it does not take the address. */
  async addAddress(address: string): Promise<void> {
    if (!this.#awake()) throw new Problem(401, "unauthenticated", "");
    const upload = await this.store.name(address);
    this.#remember({ id: upload.id, name: upload.filename, size: 0, modified: 0 });
    void this.#check(this.#enter(upload.filename, 0, 0, upload), upload);
  }

  pause(key: string): void {
    this.#set(key, { phase: "paused" });
    this.#stops.get(key)?.abort(new Stopped());
  }

  /** Goes on with a song; one whose file has to be chosen again stays as it is. */
  resume(key: string): void {
    if (!this.#files.has(key)) return;
    this.#set(key, { phase: "waiting", problem: null });
    this.#go();
  }

  /** Takes a song off the list and deletes what of it has arrived. */
  async remove(key: string): Promise<void> {
    const song = this.#song(key);
    this.leave(key);
    if (song?.upload) await this.store.remove(song.upload.id).catch(() => undefined);
  }

  /** Takes a song off the list; what has arrived stays. */
  leave(key: string): void {
    const song = this.#song(key);
    this.#songs = this.#songs.filter((other) => other.key !== key);
    this.#files.delete(key);
    this.#stops.get(key)?.abort(new Stopped());
    if (song?.upload) this.#forget(song.upload.id);
    this.#tell();
  }

  #go(): void {
    if (!this.#awake()) return;
    if (this.#songs.some((song) => song.phase === "sending" || song.phase === "lost")) return;
    const song = this.#songs.find(({ phase }) => phase === "waiting");
    if (song) void this.#send(song.key).finally(() => this.#go());
  }

  async #send(key: string): Promise<void> {
    const file = this.#files.get(key);
    if (file === undefined) return;
    const stop = new AbortController();
    this.#stops.set(key, stop);
    this.#set(key, { phase: "sending" });
    try {
      const upload = await this.#patiently(key, stop.signal, () => this.#sendParts(key, file, stop.signal));
      this.#set(key, { phase: "checking", sent: file.size });
      void this.#check(key, upload);
    } catch (problem) {
      if (!(problem instanceof Stopped)) this.#refuse(key, problem);
    }
  }

  /** What is refused may be tried again; what the platform does not have any more from its start. */
  #refuse(key: string, problem: unknown): void {
    const upload = this.#song(key)?.upload;
    const gone = problem instanceof Problem && problem.status === 404;
    if (gone && upload) this.#forget(upload.id);
    this.#set(key, { phase: "refused", problem, ...(gone ? { upload: null, sent: 0 } : {}) });
  }

  /** Sends what is missing, and says that it is all. */
  async #sendParts(key: string, file: File, stop: AbortSignal): Promise<Upload> {
    if (!this.#awake()) throw new Stopped();
    const known = this.#song(key)?.upload;
    const upload = known ? await this.store.look(known.id) : await this.store.begin(file);
    stop.throwIfAborted();
    this.#set(key, { upload, phase: "sending" });
    this.#remember({ id: upload.id, name: file.name, size: file.size, modified: file.lastModified });
    if (upload.status !== "pending") return upload;
    const before = arrived(upload);
    const sent = new Map<number, number>();
    const missing = [...upload.parts];
    const one = async (): Promise<void> => {
      for (let part = missing.shift(); part !== undefined; part = missing.shift()) {
        const { number, url, size_bytes } = part;
        const begin = (number - 1) * upload.part_size_bytes;
        const told = (bytes: number) => {
          sent.set(number, Math.min(bytes, size_bytes));
          this.#set(key, { sent: before + [...sent.values()].reduce((sum, part) => sum + part, 0) });
        };
        await this.store.put(url, file.slice(begin, begin + size_bytes), told, stop);
        told(size_bytes);
      }
    };
    const hands = Array.from({ length: PARTS_AT_ONCE }, one);
    try {
      await Promise.all(hands);
    } finally {
      // What one of them fails at stops the others before it is tried again.
      missing.length = 0;
      await Promise.allSettled(hands);
    }
    if (!this.#awake()) throw new Stopped();
    return await this.store.complete(upload.id);
  }

  async #patiently<T>(key: string, stop: AbortSignal, call: () => Promise<T>): Promise<T> {
    for (let seconds = 1; ; seconds = Math.min(2 * seconds, LONGEST_PAUSE_SECONDS)) {
      try {
        return await call();
      } catch (problem) {
        if (stop.aborted) throw stop.reason;
        if (problem instanceof Problem && problem.status === 401) {
          this.rest();
          throw new Stopped();
        }
        if (!(problem instanceof Problem && WORTH_ANOTHER_TRY.has(problem.status))) throw problem;
        this.#set(key, { phase: "lost" });
        await this.wait(1000 * (problem.retryAfterSeconds ?? seconds));
        stop.throwIfAborted();
      }
    }
  }

  /** Waits for the verdict. */
  async #check(key: string, first: Upload): Promise<void> {
    const woken = this.#woken;
    const goesOn = () => this.#song(key) !== undefined && this.#awake() && this.#woken === woken;
    for (let upload = first; ; ) {
      if (upload.status === "ready" || upload.status === "rejected") {
        this.#set(key, { ...told(upload), phase: upload.status });
        return;
      }
      this.#set(key, { ...told(upload), phase: upload.status === "pending" ? "fetching" : "checking" });
      await this.wait(LOOK_MILLISECONDS);
      if (!goesOn()) return;
      try {
        upload = await this.store.look(upload.id);
      } catch (problem) {
        if (!goesOn()) return;
        if (problem instanceof Problem && WORTH_ANOTHER_TRY.has(problem.status)) continue;
        if (problem instanceof Problem && problem.status === 401) this.rest();
        else this.#refuse(key, problem);
        return;
      }
      if (!goesOn()) return;
    }
  }

  #enter(name: string, size: number, modified: number, upload: Upload | null): string {
    this.#next += 1;
    const key = `song-${this.#next}`;
    this.#modified.set(key, modified);
    const song: Song = { key, name, size, phase: "waiting", sent: 0, upload, hasFile: false, problem: null };
    this.#songs = [...this.#songs, song];
    return key;
  }

  #song(key: string): Song | undefined {
    return this.#songs.find((song) => song.key === key);
  }

  #set(key: string, changed: Partial<Song>): void {
    this.#songs = this.#songs.map((song) => (song.key === key ? { ...song, ...changed } : song));
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #remembered(): Remembered[] {
    try {
      return JSON.parse(localStorage.getItem(this.shelf) ?? "[]");
    } catch {
      return [];
    }
  }

  #remember(upload: Remembered): void {
    this.#keep([...this.#remembered().filter(({ id }) => id !== upload.id), upload]);
  }

  #forget(id: string): void {
    this.#keep(this.#remembered().filter((upload) => upload.id !== id));
  }

  #keep(uploads: Remembered[]): void {
    try {
      localStorage.setItem(this.shelf, JSON.stringify(uploads));
    } catch {
      // Where nothing can be kept an upload lasts as long as the page.
    }
  }
}

/** Somebody stopped it; no problem to tell. */
class Stopped extends Error {}

/** What a song that is on the platform is now. */
function told(upload: Upload): Partial<Song> {
  const fetched = upload.source_url ? { name: upload.filename } : {};
  return { upload, sent: upload.size_bytes, ...fetched };
}

function arrived(upload: Upload): number {
  return upload.uploaded_parts.reduce((sum, part) => sum + part.size_bytes, 0);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

const queues = new Map<string, UploadQueue>();

onAccount((signedIn) => {
  for (const [accountId, queue] of queues) {
    if (accountId === signedIn) queue.wake();
    else queue.rest();
  }
});

/** The queue of an account that is signed in, the same for as long as the page lives. */
export function queueOf(accountId: string): UploadQueue {
  let queue = queues.get(accountId);
  if (queue === undefined) {
    queue = new UploadQueue(`stemwright-uploads-${accountId}`);
    queues.set(accountId, queue);
    void queue.restore();
  }
  return queue;
}
