// @vitest-environment happy-dom

import { act } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { navigate } from "wouter/use-browser-location";
import { api } from "../api/client";
import { setSession } from "../api/fakes";
import { en } from "../texts/en";
import { App, cameFrom } from "./App";
import { HOME } from "./pages";
import { newQueries } from "./queries";
import { shown } from "./shown";

it("leads back to a path of this app after signing in", () => {
  expect(cameFrom(`?next=${encodeURIComponent("/separations/job_1?a=b")}`)).toBe("/separations/job_1?a=b");
});

it.each([
  "https://evil.example",
  "//evil.example",
  "/\\evil.example",
  "javascript:alert(1)",
  "",
  "evil.example",
])("never leads elsewhere: %s", (next) => {
  expect(cameFrom(`?next=${encodeURIComponent(next)}`)).toBe(HOME);
});

describe("while it cannot be known who is signed in", () => {
  let leave: () => Promise<void>;
  let status: number;

  beforeEach(() => {
    vi.spyOn(api, "GET").mockImplementation(
      async () => ({ error: {}, response: new Response(null, { status }) }) as never,
    );
    setSession("a");
  });
  afterEach(async () => {
    await leave();
    vi.restoreAllMocks();
    setSession(null);
    navigate("/", { replace: true });
  });

  async function open(path: string, page: () => Promise<unknown>) {
    navigate(path, { replace: true });
    const queries = newQueries();
    queries.setDefaultOptions({ queries: { retry: false } });
    leave = await shown(queries, <App />);
    await act(page);
  }
  const buttons = () => [...document.querySelectorAll("main button")].map((each) => each.textContent);
  const headings = () => [...document.querySelectorAll("main h1")].map((each) => each.textContent);

  it("is told, and can be asked again", async () => {
    status = 503;
    await open("/account", () => import("../pages/account"));
    expect(buttons()).toEqual([en.common.again]);
    expect(document.querySelector("main [role=alert]")).not.toBeNull();
    const asked = vi.mocked(api.GET).mock.calls.length;
    await act(async () => document.querySelector<HTMLButtonElement>("main button")?.click());
    expect(vi.mocked(api.GET).mock.calls.length).toBe(asked + 1);
    expect(buttons()).toEqual([en.common.again]);
  });

  it("leaves pages that are for anyone alone", async () => {
    status = 503;
    await open("/", () => import("../pages/landing"));
    expect(headings()).toEqual([en.landing.headline]);
  });

  it("names the window after its page, in its language", async () => {
    status = 503;
    await open("/", () => import("../pages/landing"));
    expect(document.title).toBe(`${en.landing.title} · Stemwright`);
    await act(async () => navigate("/no-such-page"));
    expect(document.title).toBe(`${en.common.notFound} · Stemwright`);
  });

  it("leads from every page of an account to signing in and back", async () => {
    status = 401;
    await open("/new", () => import("../pages/sign-in"));
    expect(location.pathname + location.search).toBe("/sign-in?next=%2Fnew");
  });
});

describe("a role that is taken away", () => {
  afterEach(() => {
    vi.restoreAllMocks();
    setSession(null);
    navigate("/", { replace: true });
  });

  it("leaves neither its pages nor a way to them, and is told of", async () => {
    let roles = ["admin"];
    vi.spyOn(api, "GET").mockImplementation((async (path: string) =>
      path === "/v1/me"
        ? { data: { id: "acc_a", email: "a@example.com", roles }, response: new Response() }
        : { data: { items: [], next_cursor: null }, response: new Response() }) as never);
    setSession("a");
    navigate("/administration/audit-log", { replace: true });
    const queries = newQueries();
    const leave = await shown(queries, <App />);
    await soon(() => expect(heading()).toBe(en.administration.auditLog));
    expect(document.querySelector("header nav a[href='/administration']")).not.toBeNull();

    roles = [];
    const refused = async () => new Response("{}", { status: 403 });
    await act(() => api.PATCH("/v1/me", { body: { display_name: null }, fetch: refused }));
    await soon(() =>
      expect(document.querySelector("main [role=alert]")?.textContent).toBe(en.problems.codes.role_withdrawn),
    );
    expect(document.querySelector("header nav a[href='/administration']")).toBeNull();
    await leave();
  });
});

const heading = () => document.querySelector("main h1")?.textContent;

function soon(look: () => void): Promise<void> {
  return vi.waitFor(
    async () => {
      await act(() => new Promise((done) => setTimeout(done, 0)));
      look();
    },
    { interval: 0, timeout: 10_000 },
  );
}
