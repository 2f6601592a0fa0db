// @vitest-environment happy-dom

import { act } from "react";
import { afterEach, expect, it, vi } from "vitest";
import { Route } from "wouter";
import { navigate } from "wouter/use-browser-location";
import { api } from "../../api/client";
import { newQueries } from "../../app/queries";
import { shown } from "../../app/shown";
import { en } from "../../texts/en";
import Separation from ".";

afterEach(() => {
  vi.restoreAllMocks();
  navigate("/", { replace: true });
});

it("is gone when it was deleted elsewhere, whatever was known of it", async () => {
  vi.spyOn(api, "GET").mockImplementation(
    async () => ({ error: {}, response: new Response(null, { status: 404 }) }) as never,
  );
  const queries = newQueries();
  const job = { id: "job_1", status: "canceled", mode: "full", progress: { fraction: 0 }, analysis: null };
  queries.setQueryData(["job", "job_1"], { ...job, error: null, upload_id: "upl_1", stems: [] });
  queries.setQueryData(["upload", "upl_1"], null);
  navigate("/separations/job_1", { replace: true });
  const heading = () => document.querySelector("h1")?.textContent;
  const leave = await shown(
    queries,
    <Route path="/separations/:id">
      <Separation />
    </Route>,
  );
  // Nobody knows any more what a song was called whose upload is gone.
  expect(heading()).toBe(en.separations.untitled);
  await act(() => queries.invalidateQueries({ queryKey: ["job", "job_1"] }));
  await vi.waitFor(
    async () => {
      await act(() => new Promise((done) => setTimeout(done, 0)));
      expect(heading()).toBe(en.separation.notFound);
    },
    { interval: 0 },
  );
  expect(document.title).toBe(`${en.separation.notFound} · Stemwright`);
  await leave();
});

it("gives the window the name of its song", async () => {
  vi.spyOn(api, "GET").mockImplementation(
    async () => ({ error: {}, response: new Response(null, { status: 404 }) }) as never,
  );
  const queries = newQueries();
  const job = { id: "job_1", status: "canceled", mode: "full", progress: { fraction: 0 }, analysis: null };
  queries.setQueryData(["job", "job_1"], { ...job, error: null, upload_id: "upl_1", stems: [] });
  queries.setQueryData(["upload", "upl_1"], { filename: "Água de Beber.flac" });
  navigate("/separations/job_1", { replace: true });
  const leave = await shown(
    queries,
    <Route path="/separations/:id">
      <Separation />
    </Route>,
  );
  expect(document.title).toBe("Água de Beber · Stemwright");
  await leave();
});
