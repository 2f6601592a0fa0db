import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../src/client.ts";
import { retryAfter } from "../src/connection.ts";

/** A client whose requests are answered by these, one after the other; and what was asked. */
function answeredBy(...answers: (Response | Error)[]) {
  const asked: Request[] = [];
  const client = new Client({
    url: "https://stems.example.com/v1/",
    apiKey: "sk_test",
    fetch: async (input, init) => {
      asked.push(new Request(input as string, init));
      const answer = answers.shift();
      if (answer === undefined || answer instanceof Error) throw answer ?? new TypeError("nobody is there");
      return answer;
    },
  });
  client.connection.firstPauseSeconds = 0.001;
  return { client, asked };
}

function refusal(status: number, code: string, headers: Record<string, string> = {}) {
  return Response.json({ code, detail: "No.", status, request_id: "req_1" }, { status, headers });
}

const balance = { available_credits: 7, reserved_credits: 0, debt_credits: 0, expiring: [] };

test("what passes by itself is asked for again", async () => {
  const { client, asked } = answeredBy(
    new TypeError("fetch failed"),
    refusal(503, "unavailable"),
    refusal(429, "rate_limited", { "Retry-After": "0" }),
    Response.json(balance),
  );
  assert.deepEqual(await client.balance(), balance);
  assert.equal(asked.length, 4);
  assert.equal(asked[0]?.url, "https://stems.example.com/v1/billing/balance");
  assert.equal(asked[0]?.headers.get("Authorization"), "Bearer sk_test");
});

test("an order has the same key whenever it is sent, and the keys of another are others", async () => {
  const { client, asked } = answeredBy(
    new TypeError("fetch failed"),
    Response.json({}),
    Response.json({}),
    Response.json({}),
  );
  await client.createJob("upl_1", { mode: "full", stems: ["vocals"] });
  await client.createJob("upl_1", { stems: ["vocals"], mode: "full" });
  await client.createJob("upl_1", { stems: ["instrumental"], mode: "full" });
  const keys = asked.map((request) => request.headers.get("Idempotency-Key"));
  assert.equal(new Set(keys.slice(0, 3)).size, 1);
  assert.notEqual(keys[2], keys[3]);
});

test("what may have happened is not asked for again without a key", async () => {
  const { client, asked } = answeredBy(refusal(503, "unavailable"));
  await assert.rejects(client.rotateWebhookSecret("whe_1"), {
    code: "unavailable",
    status: 503,
    requestId: "req_1",
  });
  assert.equal(asked.length, 1);
});

test("a refusal is told at once, with its code", async () => {
  const { client } = answeredBy(refusal(402, "insufficient_credits"));
  await assert.rejects(client.createJob("upl_1"), {
    name: "ApiError",
    code: "insufficient_credits",
    message: "No.",
  });
});

test("what is no platform is told", async () => {
  const others = [
    new Response("<html>"),
    new Response("<html>", { status: 404 }),
    new Response("<html>", { status: 501 }),
    Response.json({ detail: "Not Found" }, { status: 404 }),
    Response.json(null, { status: 405 }),
  ];
  for (const other of others) {
    const { client, asked } = answeredBy(other);
    await assert.rejects(client.balance(), { code: "unexpected_answer" });
    assert.equal(asked.length, 1);
  }
});

test("a proxy before the platform passes by itself", async () => {
  const { client, asked } = answeredBy(
    new Response("<html>", { status: 502 }),
    new Response("<html>", { status: 429 }),
    Response.json(balance),
  );
  assert.deepEqual(await client.balance(), balance);
  assert.equal(asked.length, 3);
});

test("patience ends", async () => {
  const { client } = answeredBy();
  client.connection.patienceSeconds = 0;
  await assert.rejects(client.balance(), { code: "connection_failed", message: /nobody is there/ });
});

test("a signal stops what is under way", async () => {
  const stop = new AbortController();
  const client = new Client({
    url: "https://stems.example.com",
    apiKey: "sk_test",
    signal: stop.signal,
    fetch: async () => {
      stop.abort(new Error("stopped"));
      throw new TypeError("fetch failed");
    },
  });
  await assert.rejects(client.balance(), { message: "stopped" });
});

test("the feed goes on after a number and says what is gone", async () => {
  const event = (sequence: number) => ({ id: `evt_${sequence}`, type: "job.queued", sequence, data: {} });
  const { client, asked } = answeredBy(
    Response.json({ items: [event(4), event(5)], next_after: 5, oldest_sequence: 2 }),
    Response.json({ items: [], next_after: 5, oldest_sequence: 2 }),
    Response.json({ items: [], next_after: 1, oldest_sequence: 4 }),
  );
  const seen = [];
  for await (const each of client.events({ after: 3, types: ["job.queued"] })) seen.push(each.sequence);
  assert.deepEqual(seen, [4, 5]);
  assert.equal(new URL(asked[1]?.url ?? "").search, "?after=5&types=job.queued&limit=100");
  await assert.rejects(client.events({ after: 1 }).next(), { code: "events_missed", oldestSequence: 4 });
});

test("Retry-After is a number or a date", () => {
  assert.equal(retryAfter(null), undefined);
  assert.equal(retryAfter("7"), 7);
  assert.equal(retryAfter("soon"), undefined);
  assert.equal(retryAfter("-1"), undefined);
  assert.equal(retryAfter("Fri, 01 Jan 2010 00:00:00 GMT"), 0);
});
