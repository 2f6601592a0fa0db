// @vitest-environment happy-dom

import { type QueryClient, QueryObserver } from "@tanstack/react-query";
import { act, createElement } from "react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { newQueries } from "../app/queries";
import { shown } from "../app/shown";
import { queueOf } from "../uploads/queue";
import { api, lookAtSession, onSessionNews, type SessionNews, showSession } from "./client";
import { setSession } from "./fakes";
import { forget, useAsked, useSignIn, useTakenOver } from "./session";

function calls(status: number, meanwhile: () => void = () => undefined) {
  return api.GET("/v1/me", {
    fetch: async () => {
      meanwhile();
      return new Response("{}", { status });
    },
  });
}

describe("what calls show of the session", () => {
  let news: SessionNews[];
  let stop: () => void;

  beforeEach(async () => {
    setSession("a");
    await calls(200);
    news = [];
    stop = onSessionNews((each) => news.push(each));
  });
  afterEach(() => {
    stop();
    setSession(null);
  });

  it("is that it has ended, wherever a call is answered so", async () => {
    setSession("a");
    await calls(200);
    expect(news).toEqual([]);
    await calls(401);
    expect(news).toEqual(["ended"]);
    await calls(401, () => setSession(null));
    expect(news.filter((each) => each === "ended")).toHaveLength(2);
  });

  it("is nothing of who has signed in since the call left", async () => {
    setSession("a");
    await calls(401, () => setSession("b"));
    expect(news).toEqual([]);
  });

  it("is that it is another, where another tab has signed in", async () => {
    setSession("a");
    await calls(200);
    setSession("b");
    await calls(200);
    await calls(200);
    expect(news).toEqual(["another"]);
  });

  it("is told by the other windows, and seen when this one is come back to", () => {
    setSession("b");
    dispatchEvent(new StorageEvent("storage", { key: "stemwright-session-changed" }));
    expect(news).toEqual(["another"]);
    setSession(null);
    dispatchEvent(new Event("focus"));
    expect(news).toEqual(["another", "another"]);
  });
});

describe("a session that has ended", () => {
  it("takes with it what is known of the account, and leaves what is of none", async () => {
    const queries = newQueries();
    queries.setQueryData(["me"], { id: "acc_a" });
    queries.setQueryData(["jobs"], 1);
    queries.setQueryData(["share", "token"], 2);
    await calls(401);
    expect(queries.getQueryData(["me"])).toBeNull();
    expect(queries.getQueryData(["jobs"])).toBeUndefined();
    expect(queries.getQueryData(["share", "token"])).toBe(2);
  });

  it("is not brought back by an answer that was on its way", async () => {
    const queries = newQueries();
    let answered = (_: unknown) => {};
    const asked = new QueryObserver(queries, {
      queryKey: ["me"],
      queryFn: () =>
        new Promise((resolve) => {
          answered = resolve;
        }),
    });
    const unsubscribe = asked.subscribe(() => undefined);
    forget(queries);
    answered({ id: "acc_a" });
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(queries.getQueryData(["me"])).toBeNull();
    unsubscribe();
  });

  it("ends its account's uploads", () => {
    const queue = queueOf("acc_a");
    forget(newQueries());
    queue.add([new File(["0123"], "a.wav")]);
    expect(queue.songs().map(({ phase }) => phase)).toEqual(["waiting"]);
  });
});

let asked: ReturnType<typeof useAsked>;
let takenOver: boolean;
let signIn: ReturnType<typeof useSignIn>;

function Looking() {
  asked = useAsked();
  [takenOver] = useTakenOver();
  signIn = useSignIn();
  return null;
}

describe("a window in which another account turns up", () => {
  let queries: QueryClient;
  let accounts: Record<string, string>;
  let leave: () => Promise<void>;

  /** The cookie changes, as by another window, and this one is told. */
  const become = (session: string | null) =>
    act(async () => {
      setSession(session);
      dispatchEvent(new Event("focus"));
    });
  const account = () => asked.user?.id;
  const soon = (look: () => void) =>
    vi.waitFor(
      async () => {
        await act(() => new Promise((done) => setTimeout(done, 0)));
        look();
      },
      { interval: 0 },
    );

  beforeEach(async () => {
    accounts = { a: "acc_a", b: "acc_b" };
    const holder = () => ({ id: accounts[document.cookie.split("=")[1] ?? ""] });
    vi.spyOn(api, "GET").mockImplementation((async () => {
      const status = holder().id ? 200 : 503;
      return { data: holder(), error: {}, response: new Response(null, { status }) };
    }) as never);
    vi.spyOn(api, "POST").mockImplementation((async () => ({
      data: { user: holder() },
      response: new Response(),
    })) as never);
    setSession("a");
    lookAtSession();
    queries = newQueries();
    queries.setDefaultOptions({ queries: { retry: false } });
    leave = await shown(queries, createElement(Looking));
    await soon(() => expect(account()).toBe("acc_a"));
    queries.setQueryData(["jobs"], "of a");
  });
  afterEach(async () => {
    await leave();
    vi.restoreAllMocks();
    showSession(null);
    setSession(null);
  });

  it("says so and keeps nothing of the one before", async () => {
    await become("b");
    await soon(() => expect(account()).toBe("acc_b"));
    expect(takenOver).toBe(true);
    expect(queries.getQueryData(["jobs"])).toBeUndefined();
  });

  it("shows nobody where it cannot be asked who that is", async () => {
    accounts = {};
    await become("b");
    await soon(() => expect(asked.problem).not.toBeNull());
    expect(account()).toBeUndefined();
  });

  it("leaves nothing to whoever signs in here after it was signed out elsewhere", async () => {
    await become(null);
    await soon(() => expect(asked.user).toBeNull());
    queries.setQueryData(["jobs"], "an answer to a that was on its way");
    setSession("b");
    await act(() => signIn.mutateAsync({ email: "b@example.com", password: "" }));
    expect(account()).toBe("acc_b");
    expect(queries.getQueryData(["jobs"])).toBeUndefined();
    expect(takenOver).toBe(false);
  });

  it("does nothing in the name of the new one that was pressed before that is shown", async () => {
    setSession("b");
    const sent = vi.fn();
    const pressed = await api.PATCH("/v1/me", { body: { display_name: "A" }, fetch: sent });
    expect(sent).not.toHaveBeenCalled();
    expect(pressed.error).toMatchObject({ code: "another_account" });
  });
});
