// @vitest-environment happy-dom

import { beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../api/problem";
import { type Song, UploadQueue } from "./queue";
import type { Store, Upload } from "./store";

const PART = 4;

/** A platform in memory: parts of four bytes, and failures on demand. */
class Platform implements Store {
  readonly parts = new Map<string, Map<number, string>>();
  readonly #sizes = new Map<string, number>();
  readonly #status = new Map<string, Upload["status"]>();
  begun = 0;
  failures: unknown[] = [];
  /** Set: a part stays on its way until it is told to stop. */
  hanging = false;
  verdict: Upload["status"] = "ready";
  /** Set: no call is answered otherwise. */
  refusal: Problem | null = null;
  /** Of whom the cookie is; it is they who get what is begun. */
  session: string | null = "a";
  readonly owners: (string | null)[] = [];

  async begin(file: File): Promise<Upload> {
    if (this.refusal !== null) throw this.refusal;
    this.begun += 1;
    this.owners.push(this.session);
    const id = `upl_${this.begun}`;
    this.parts.set(id, new Map());
    this.#sizes.set(id, file.size);
    this.#status.set(id, "pending");
    return this.look(id);
  }

  /** Of songs that are fetched: what their looks tell, the last from then on. */
  fetched: Partial<Upload>[] = [];

  async name(address: string): Promise<Upload> {
    this.begun += 1;
    return { ...(await this.#fetched()), source_url: address };
  }

  async #fetched(): Promise<Upload> {
    const now = this.fetched.length > 1 ? this.fetched.shift() : this.fetched[0];
    return { id: "upl_fetched", parts: [], uploaded_parts: [], source_url: "https://a", ...now } as Upload;
  }

  async look(id: string): Promise<Upload> {
    if (this.refusal !== null) throw this.refusal;
    if (id === "upl_fetched") return this.#fetched();
    const size = this.#sizes.get(id);
    const status = this.#status.get(id);
    if (size === undefined || status === undefined) throw new Problem(404, "upload_not_found", "");
    const numbers = Array.from({ length: Math.ceil(size / PART) }, (_, index) => index + 1);
    const bytes = (number: number) => Math.min(PART, size - PART * (number - 1));
    const there = this.parts.get(id) ?? new Map();
    return {
      id,
      status,
      size_bytes: size,
      part_size_bytes: PART,
      parts:
        status === "pending"
          ? numbers
              .filter((number) => !there.has(number))
              .map((number) => ({ number, url: `${id}/${number}`, size_bytes: bytes(number) }))
          : [],
      uploaded_parts: [...there.keys()].map((number) => ({ number, etag: "", size_bytes: bytes(number) })),
    } as unknown as Upload;
  }

  async complete(id: string): Promise<Upload> {
    this.#status.set(id, this.verdict);
    return this.look(id);
  }

  async settle(id: string): Promise<void> {
    this.#status.set(id, "ready");
  }

  async remove(id: string): Promise<void> {
    this.#sizes.delete(id);
  }

  async put(url: string, part: Blob, sent: (bytes: number) => void, signal: AbortSignal): Promise<void> {
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    if (this.hanging) {
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }
    const [id, number] = url.split("/") as [string, string];
    sent(part.size);
    this.parts.get(id)?.set(Number(number), await part.text());
  }
}

function file(name: string, content: string): File {
  return new File([content], name, { lastModified: 1 });
}

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; !holds(); turn += 1) {
    if (turn > 10_000) throw new Error("It did not come to hold.");
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

const waits: number[] = [];
const wait = async (milliseconds: number) => {
  waits.push(milliseconds);
  await new Promise((resolve) => setTimeout(resolve, 0));
};

/** Leaves whatever is under way the turns that it needs to come to rest. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setTimeout(resolve, 0));
}

let platform: Platform;
let queue: UploadQueue;
const phases = () => queue.songs().map((song) => song.phase);
const first = (): Song => queue.songs()[0] as Song;

beforeEach(() => {
  localStorage.clear();
  waits.length = 0;
  platform = new Platform();
  queue = new UploadQueue("shelf", platform, wait);
});

describe("UploadQueue", () => {
  it("sends every part of every song, and each part is a cut of its file", async () => {
    queue.add([file("a.wav", "0123456789"), file("b.wav", "abcd")]);
    await until(() => phases().join() === "ready,ready");
    expect(Object.fromEntries(platform.parts.get("upl_1") ?? [])).toEqual({ 1: "0123", 2: "4567", 3: "89" });
    expect(Object.fromEntries(platform.parts.get("upl_2") ?? [])).toEqual({ 1: "abcd" });
    expect(first().sent).toBe(10);
  });

  it("goes on by itself after the connection was lost, with what is missing", async () => {
    platform.failures = [new Problem(0, "unreachable", ""), new Problem(403, "part_refused", "")];
    queue.add([file("a.wav", "0123456789")]);
    await until(() => phases().join() === "ready");
    expect(platform.begun).toBe(1);
    expect([...(platform.parts.get("upl_1")?.keys() ?? [])].sort()).toEqual([1, 2, 3]);
    expect(waits.length).toBeGreaterThan(0);
  });

  it("says what cannot be mended, and tries again when it is told to", async () => {
    const refused = new Problem(413, "upload_too_large", "Too large.");
    platform.failures = [refused];
    queue.add([file("a.wav", "0123")]);
    await until(() => phases().join() === "refused");
    expect(first().problem).toBe(refused);
    queue.resume(first().key);
    await until(() => phases().join() === "ready");
    expect(first().problem).toBeNull();
  });

  it("does not go on with a song whose file has to be chosen again, and sends the others", async () => {
    await platform.begin(file("a.wav", "0123"));
    localStorage.setItem("shelf", JSON.stringify([{ id: "upl_1", name: "a.wav", size: 4, modified: 1 }]));
    await queue.restore();
    queue.resume(first().key);
    queue.add([file("b.wav", "abcd")]);
    await until(() => phases().join() === "paused,ready");
    queue.add([file("a.wav", "0123")]);
    await until(() => phases().join() === "ready,ready");
    expect(platform.begun).toBe(2);
  });

  it("pauses one song, goes on with the next, and resumes", async () => {
    platform.hanging = true;
    queue.add([file("a.wav", "01234567"), file("b.wav", "abcd")]);
    await until(() => first().phase === "sending" && first().upload !== null);
    platform.hanging = false;
    queue.pause(first().key);
    await until(() => phases().join() === "paused,ready");
    queue.resume(first().key);
    await until(() => phases().join() === "ready,ready");
    expect(platform.begun).toBe(2);
  });

  it("sends a file that is chosen twice once", async () => {
    queue.add([file("a.wav", "0123")]);
    queue.add([file("a.wav", "0123")]);
    await until(() => phases().join() === "ready");
    expect(platform.begun).toBe(1);
  });

  it("takes up after a reload what had arrived, once the file is chosen again", async () => {
    platform.hanging = true;
    queue.add([file("a.wav", "01234567")]);
    await until(() => first().upload !== null);
    platform.parts.get("upl_1")?.set(1, "0123");
    platform.hanging = false;

    queue = new UploadQueue("shelf", platform, wait);
    await queue.restore();
    expect(first()).toMatchObject({ name: "a.wav", phase: "paused", sent: 4, hasFile: false });
    queue.add([file("a.wav", "01234567")]);
    await until(() => phases().join() === "ready");
    expect(platform.begun).toBe(1);
    expect(Object.fromEntries(platform.parts.get("upl_1") ?? [])).toEqual({ 1: "0123", 2: "4567" });
  });

  it("remembers what is ready until it is ordered, and forgets what is gone", async () => {
    queue.add([file("a.wav", "0123"), file("b.wav", "0123")]);
    await until(() => phases().join() === "ready,ready");
    await platform.remove("upl_2");
    queue = new UploadQueue("shelf", platform, wait);
    await queue.restore();
    await until(() => phases().join() === "ready");
    queue.leave(first().key);
    queue = new UploadQueue("shelf", platform, wait);
    await queue.restore();
    expect(queue.songs()).toEqual([]);
  });

  it("tells of a song that the platform rejects", async () => {
    platform.verdict = "rejected";
    queue.add([file("a.txt", "0123")]);
    await until(() => phases().join() === "rejected");
  });

  it("deletes what has arrived of a song that is removed while it is sent", async () => {
    platform.hanging = true;
    queue.add([file("a.wav", "01234567")]);
    await until(() => first().upload !== null);
    await queue.remove(first().key);
    expect(queue.songs()).toEqual([]);
    await expect(platform.look("upl_1")).rejects.toMatchObject({ status: 404 });
    expect(localStorage.getItem("shelf")).toBe("[]");
  });

  it("follows a song that the platform fetches, and calls it as its server does", async () => {
    platform.fetched = [
      { status: "pending", filename: "song", size_bytes: 0 },
      { status: "pending", filename: "song", size_bytes: 4 },
      { status: "validating", filename: "Take 3.wav", size_bytes: 9 },
      { status: "ready", filename: "Take 3.wav", size_bytes: 9 },
    ];
    const seen = new Set<string>();
    queue.subscribe(() => seen.add(`${first().phase} ${first().sent} ${first().name}`));
    await queue.addAddress("https://music.example.com/song?key=1");
    await until(() => phases().join() === "ready");
    expect([...seen]).toEqual([
      "fetching 0 song",
      "fetching 4 song",
      "checking 9 Take 3.wav",
      "ready 9 Take 3.wav",
    ]);
  });

  it("follows it again after a reload, without asking for a file", async () => {
    platform.fetched = [{ status: "pending", filename: "song", size_bytes: 0 }];
    await queue.addAddress("https://music.example.com/song");
    queue.leave("none");
    queue = new UploadQueue("shelf", platform, wait);
    await queue.restore();
    expect(first()).toMatchObject({ phase: "fetching", name: "song" });
    platform.fetched = [{ status: "rejected", filename: "song", size_bytes: 0, code: "source_refused" }];
    await until(() => phases().join() === "rejected");
  });

  describe("whose session has ended", () => {
    const session = () => platform.session;
    beforeEach(() => {
      queue = new UploadQueue("shelf", platform, wait, session);
    });

    it("sends nothing more, and goes on where it was when its account is back", async () => {
      platform.hanging = true;
      queue.add([file("a.wav", "01234567"), file("b.wav", "abcd")]);
      await until(() => first().upload !== null);
      queue.rest();
      platform.session = "b";
      platform.hanging = false;
      await turns();
      expect(phases()).toEqual(["waiting", "waiting"]);
      expect(platform.begun).toBe(1);
      platform.session = "a2";
      queue.wake();
      await until(() => phases().join() === "ready,ready");
      expect(platform.owners).toEqual(["a", "a2"]);
    });

    it("sends nothing in the name of who signed in by another tab", async () => {
      platform.hanging = true;
      queue.add([file("a.wav", "0123"), file("b.wav", "abcd")]);
      await until(() => first().upload !== null);
      platform.session = "b";
      queue.pause(first().key);
      await turns();
      await expect(queue.addAddress("https://a")).rejects.toMatchObject({ status: 401 });
      expect(phases()).toEqual(["paused", "waiting"]);
      expect(platform.owners).toEqual(["a"]);
    });

    it("rests at the first call that says so, and no song of it has failed", async () => {
      platform.refusal = new Problem(401, "unauthenticated", "");
      queue.add([file("a.wav", "0123")]);
      await turns();
      expect(phases()).toEqual(["waiting"]);
      platform.refusal = null;
      queue.wake();
      await until(() => phases().join() === "ready");
    });

    it("looks after a song no more that is being checked, until its account is back", async () => {
      platform.verdict = "validating";
      queue.add([file("a.wav", "0123")]);
      await until(() => phases().join() === "checking");
      platform.refusal = new Problem(401, "unauthenticated", "");
      await turns();
      const looks = waits.length;
      await turns();
      expect(waits.length).toBe(looks);
      platform.refusal = null;
      await platform.settle("upl_1");
      queue.wake();
      await until(() => phases().join() === "ready");
    });

    it("forgets nothing because somebody else cannot see it", async () => {
      localStorage.setItem("shelf", JSON.stringify([{ id: "upl_a", name: "a", size: 4, modified: 1 }]));
      const restored = queue.restore();
      queue.rest();
      await restored;
      expect(localStorage.getItem("shelf")).toContain("upl_a");
    });
  });

  it("tells of a song that is gone while it is checked, and sends it from its start when it is told to", async () => {
    platform.verdict = "validating";
    queue.add([file("a.wav", "0123")]);
    await until(() => phases().join() === "checking");
    await platform.remove("upl_1");
    await until(() => phases().join() === "refused");
    expect(localStorage.getItem("shelf")).toBe("[]");
    platform.verdict = "ready";
    queue.resume(first().key);
    await until(() => phases().join() === "ready");
    expect(platform.begun).toBe(2);
  });
});
