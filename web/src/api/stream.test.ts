// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { followJob } from "./stream";

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
