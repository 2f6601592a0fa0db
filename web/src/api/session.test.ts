// @vitest-environment happy-dom

import { QueryObserver } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { newQueries } from "../app/queries";
import { queueOf } from "../uploads/queue";
import { api, onSessionNews, type SessionNews } from "./client";
import { setSession } from "./fakes";
import { forget } from "./session";

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
    setSession(null);
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
    expect(news).toEqual(["ended", "ended"]);
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
