interface Heard<Job> {
  /** Returns whether more will come. */
  status: (job: Job) => boolean;
  progress: (progress: { stage: string | null; fraction: number; playable_seconds?: number }) => void;
}

/** How many streams all windows of a browser keep at once, of the six connections that it keeps to a server. */
const PLACES = 2;
const streamed = new Set<string>();

/** Whether this window hears the events of a job; where it does not, it has to ask. */
export function isStreamed(id: string): boolean {
  return streamed.has(id);
}

/**
 * Waits for one of the places that all windows share, and keeps it until `signal` ends. `begin` is called once it is had;
 * at once where a browser has no locks to share by (Web Locks: pages by plain HTTP from another machine).
 */
function withPlace(signal: AbortSignal, begin: () => void): void {
  const locks = (navigator as { locks?: LockManager }).locks;
  if (locks === undefined) {
    begin();
    return;
  }
  const kept = () =>
    new Promise<void>((resolve) => {
      if (signal.aborted) return resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
      begin();
    });
  const take = async () => {
    for (let place = 0; place < PLACES; place += 1) {
      let had = true;
      await locks.request(nameOf(place), { ifAvailable: true }, async (lock) => {
        had = lock !== null;
        if (had) await kept();
      });
      if (had) return;
    }
    // All are taken: whoever waits for one of them is spread over them.
    await locks.request(nameOf(Math.floor(Math.random() * PLACES)), { signal }, kept);
  };
  // Given up while it waited.
  take().catch(() => undefined);
}

function nameOf(place: number): string {
  return `stemwright-stream-${place}`;
}

/**
 * The events of a job for as long as the page is seen. Over HTTP/1.1 a browser keeps six connections to a server, for all
 * its windows, and a stream keeps one of them: a hidden page closes its own, and of those in view a few have one at a time
 * (`isStreamed`). One that is opened hears first how the job stands. Returns how to stop.
 */
export function followJob<Job>(id: string, heard: Heard<Job>): () => void {
  let wanted: AbortController | null = null;
  let ended = false;
  const open = (signal: AbortSignal) => {
    const opened = new EventSource(`/v1/jobs/${encodeURIComponent(id)}/events`);
    opened.addEventListener("status", (event) => {
      ended = !heard.status(JSON.parse(event.data));
      look();
    });
    opened.addEventListener("progress", (event) => heard.progress(JSON.parse(event.data)));
    streamed.add(id);
    signal.addEventListener("abort", () => {
      opened.close();
      streamed.delete(id);
    });
  };
  const close = () => {
    wanted?.abort();
    wanted = null;
  };
  const look = () => {
    if (ended || document.hidden) close();
    else if (wanted === null) {
      wanted = new AbortController();
      const { signal } = wanted;
      withPlace(signal, () => open(signal));
    }
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    close();
  };
}
