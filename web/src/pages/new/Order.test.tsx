// @vitest-environment happy-dom

import { act } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { navigate } from "wouter/use-browser-location";
import { api } from "../../api/client";
import { newQueries } from "../../app/queries";
import { shown } from "../../app/shown";
import { en } from "../../texts/en";
import { type Song, UploadQueue } from "../../uploads/queue";
import { Order } from "./Order";
import { STEMS } from "./wish";

const song = (phase: Song["phase"]) =>
  ({ key: phase, phase, upload: { id: `upl_${phase}` } }) as unknown as Song;

describe("an order", () => {
  let quote: { price_credits: number; available_credits: number; previews_left?: number };
  let ordered: () => void;
  let leave: () => Promise<void>;

  beforeEach(() => {
    quote = { price_credits: 3, available_credits: 5 };
    const done = (data: unknown) => ({ data, response: new Response(null, { status: 200 }) }) as never;
    vi.spyOn(api, "POST").mockImplementation((async (path: string) => {
      if (path === "/v1/batches/quote") return done(quote);
      await new Promise<void>((resolve) => {
        ordered = resolve;
      });
      return done({ id: "job_1" });
    }) as never);
    navigate("/new", { replace: true });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    navigate("/", { replace: true });
  });

  const open = (...songs: Song[]) => openFor("full", ...songs);

  async function openFor(mode: "full" | "preview", ...songs: Song[]) {
    const wish = { mode, tier: "fast", stems: STEMS, format: "flac" } as const;
    leave = await shown(newQueries(), <Order songs={songs} wish={wish} queue={new UploadQueue("shelf")} />);
    await act(() => vi.waitFor(() => expect(document.body.textContent).toMatch(/You have|Nothing:/)));
  }
  const press = () => act(async () => document.querySelector<HTMLButtonElement>("button")?.click());
  const answered = () => act(async () => ordered());

  it("leads to its song", async () => {
    await open(song("ready"));
    await press();
    await answered();
    expect(location.pathname).toBe("/separations/job_1");
    await leave();
  });

  it("leaves whoever has gone elsewhere meanwhile where they are", async () => {
    await open(song("ready"));
    await press();
    await leave();
    navigate("/credits");
    await answered();
    expect(location.pathname).toBe("/credits");
  });

  it("waits for those songs that may come", async () => {
    await open(song("ready"), song("sending"), song("rejected"), song("refused"));
    expect(document.body.textContent).toContain(en.newSeparation.coming("1"));
    await leave();
  });

  it("leads to credits where they lack", async () => {
    quote = { price_credits: 9, available_credits: 5 };
    await open(song("ready"));
    expect(document.querySelector("a")?.getAttribute("href")).toBe("/credits");
    await leave();
  });

  it("asks once for many songs, and makes as many previews as are left", async () => {
    quote = { price_credits: 0, available_credits: 0, previews_left: 30 };
    const songs = Array.from({ length: 50 }, (_, at) => ({
      ...song("ready"),
      key: `${at}`,
      upload: { id: `upl_${at}` },
    })) as unknown as Song[];
    await openFor("preview", ...songs);
    expect(vi.mocked(api.POST)).toHaveBeenCalledTimes(1);
    expect(document.body.textContent).toContain(en.newSeparation.onlySome("30", "20"));
    expect(document.querySelector("button")?.textContent).toBe(en.newSeparation.orderMany("30"));

    await press();
    for (let at = 0; at < 30; at += 1) await answered();
    const calls = vi.mocked(api.POST).mock.calls as unknown[][];
    const ordered = calls.filter(([path]) => path === "/v1/jobs");
    expect(ordered).toHaveLength(30);
    expect(location.pathname).toBe("/separations");
    await leave();
  });
});
