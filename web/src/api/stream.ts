interface Heard<Job> {
  /** Returns whether more will come. */
  status: (job: Job) => boolean;
  progress: (progress: { stage: string | null; fraction: number; playable_seconds?: number }) => void;
}

/**
 * The events of a job for as long as the page is seen. Over HTTP/1.1 a browser keeps six connections to a server, for all
 * its tabs, and a stream keeps one of them: a hidden page closes its own. One that is shown again hears first how the job
 * stands. Returns how to stop.
 */
export function followJob<Job>(id: string, heard: Heard<Job>): () => void {
  let stream: EventSource | null = null;
  let ended = false;
  const open = () => {
    const opened = new EventSource(`/v1/jobs/${encodeURIComponent(id)}/events`);
    opened.addEventListener("status", (event) => {
      ended = !heard.status(JSON.parse(event.data));
      look();
    });
    opened.addEventListener("progress", (event) => heard.progress(JSON.parse(event.data)));
    return opened;
  };
  const close = () => {
    stream?.close();
    stream = null;
  };
  const look = () => {
    if (ended || document.hidden) close();
    else stream ??= open();
  };
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    document.removeEventListener("visibilitychange", look);
    close();
  };
}
