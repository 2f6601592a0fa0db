// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { followJob, isStreamed } from "./stream";

class Source extends EventTarget {
  static open = new Set<Source>();
  constructor(readonly address: string) {
    super();
    Source.open.add(this);
  }
  close() {
    Source.open.delete(this);
  }
  say(name: string, data: unknown) {
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  }
}

let hidden = false;
function show(shown: boolean) {
  hidden = !shown;
  document.dispatchEvent(new Event("visibilitychange"));
}

describe("the stream of a job", () => {
  const heard = { status: vi.fn((job: { final: boolean }) => !job.final), progress: vi.fn() };
  let stop: () => void;

  beforeEach(() => {
    Source.open.clear();
    vi.clearAllMocks();
    vi.stubGlobal("EventSource", Source);
    // A browser without Web Locks.
    vi.stubGlobal("navigator", {});
    vi.spyOn(document, "hidden", "get").mockImplementation(() => hidden);
    show(true);
    stop = followJob("job_1", heard);
  });
  afterEach(() => {
    stop();
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });

  const only = () => [...Source.open][0] as Source;

  it("tells what it hears", () => {
    expect(only().address).toBe("/v1/jobs/job_1/events");
    only().say("progress", { stage: null, fraction: 0.5 });
    only().say("status", { final: false });
    expect(heard.progress).toHaveBeenCalledWith({ stage: null, fraction: 0.5 });
    expect(heard.status).toHaveBeenCalledOnce();
    expect(Source.open.size).toBe(1);
  });

  it("keeps no connection while nobody sees the page, and one when it is shown again", () => {
    show(false);
    expect(Source.open.size).toBe(0);
    show(true);
    show(true);
    expect(Source.open.size).toBe(1);
  });

  it("waits until a page is shown that was opened behind another", () => {
    stop();
    show(false);
    stop = followJob("job_1", heard);
    expect(Source.open.size).toBe(0);
    show(true);
    expect(Source.open.size).toBe(1);
  });

  it("ends with the job and with the page, for good", () => {
    only().say("status", { final: true });
    expect(Source.open.size).toBe(0);
    show(true);
    expect(Source.open.size).toBe(0);
    stop();
    stop = followJob("job_1", heard);
    stop();
    show(true);
    expect(Source.open.size).toBe(0);
  });
});

/** Web Locks as all windows of a browser share them: one holder a name, the others in their turn. */
class Locks {
  readonly #ends = new Map<string, Promise<unknown>>();

  async request(name: string, options: LockOptions, held: (lock: unknown) => Promise<void>): Promise<void> {
    const before = this.#ends.get(name);
    if (before !== undefined && options.ifAvailable) return held(null);
    const turn = Promise.all([before, Promise.resolve()]).then(() => {
      options.signal?.throwIfAborted();
      return held({});
    });
    const end = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#ends.get(name) === end) this.#ends.delete(name);
      });
    this.#ends.set(name, end);
    return turn;
  }
}

describe("windows that are seen at the same time", () => {
  const heard = { status: () => true, progress: () => undefined };
  const turn = () => new Promise((done) => setTimeout(done, 0));
  const jobs = ["job_1", "job_2", "job_3", "job_4", "job_5", "job_6"];

  beforeEach(() => {
    Source.open.clear();
    vi.stubGlobal("EventSource", Source);
    vi.stubGlobal("navigator", { locks: new Locks() });
  });
  afterEach(() => vi.unstubAllGlobals());

  it("leave connections for everything else, and take turns", async () => {
    const stops = jobs.map((id) => followJob(id, heard));
    await turn();
    expect(Source.open.size).toBe(2);
    expect(jobs.filter(isStreamed)).toHaveLength(2);

    // Whoever waits gives up like whoever has one; in the end the last has its turn.
    for (const stop of stops.slice(0, 5)) stop();
    await turn();
    expect(jobs.filter(isStreamed)).toEqual(["job_6"]);
    expect(Source.open.size).toBe(1);
    stops[5]?.();
    await turn();
    expect(Source.open.size).toBe(0);
  });
});
