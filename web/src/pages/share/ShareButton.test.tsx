// @vitest-environment happy-dom

import { act } from "react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { api } from "../../api/client";
import { newQueries } from "../../app/queries";
import { shown } from "../../app/shown";
import { en } from "../../texts/en";
import { ShareButton } from "./ShareButton";

const NOW = Date.parse("2026-12-01T12:00:00Z");
const share = {
  id: "shr_1",
  title: "A song",
  created_at: "2026-12-01T12:00:00Z",
  expires_at: "2026-12-02T12:00:00Z",
};
let shares: unknown[];
let leave: () => Promise<void>;

beforeEach(async () => {
  vi.useFakeTimers({ now: NOW });
  shares = [];
  const answered = (data: unknown) => ({ data, response: new Response() }) as never;
  vi.spyOn(api, "GET").mockImplementation(async () => answered({ items: shares }));
  vi.spyOn(api, "POST").mockImplementation(async () => {
    shares = [share];
    return answered({ ...share, token: "secret" });
  });
  vi.spyOn(api, "DELETE").mockImplementation(async () => {
    shares = [];
    return answered(undefined);
  });
  leave = await shown(newQueries(), <ShareButton jobId="job_1" name="A song" />);
  await press(en.share.open);
  await press(en.share.make);
});
afterEach(async () => {
  await leave();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const buttons = () => [...document.querySelectorAll("button")];
const offered = () => buttons().some(({ textContent }) => textContent === en.share.copy);

async function press(label: string) {
  await act(async () =>
    buttons()
      .find(({ textContent }) => textContent === label)
      ?.click(),
  );
  await act(() => vi.advanceTimersByTimeAsync(1000));
}

it("offers a new link to be copied until it has expired", async () => {
  expect(offered()).toBe(true);
  await act(() => vi.advanceTimersByTimeAsync(86_400_000));
  expect(offered()).toBe(false);
  expect(document.body.textContent).not.toContain(en.share.working);
});

it("offers one that was ended no more", async () => {
  expect(offered()).toBe(true);
  await press(en.share.end);
  expect(offered()).toBe(false);
});
