import { describe, expect, it } from "vitest";
import { en } from "../texts/en";
import { fa } from "../texts/fa";
import { answer, Problem, reasonIn, sentence } from "./problem";

function refused(status: number, body: unknown, headers: Record<string, string> = {}) {
  return Promise.resolve({ error: body, response: new Response(null, { status, headers }) });
}

describe("answer", () => {
  it("is the data of a call that went well", async () => {
    expect(await answer(Promise.resolve({ data: 7, response: new Response(null, { status: 200 }) }))).toBe(7);
  });

  it("throws what the API refused with", async () => {
    const call = refused(
      429,
      { code: "too_many_mails", detail: "Wait." },
      { "Retry-After": "30", "X-Request-Id": "req_1" },
    );
    await expect(answer(call)).rejects.toMatchObject({
      status: 429,
      code: "too_many_mails",
      detail: "Wait.",
      retryAfterSeconds: 30,
      requestId: "req_1",
    });
  });

  it("throws a problem for what is no problem document, and for no answer at all", async () => {
    await expect(answer(refused(502, "<html>"))).rejects.toMatchObject({ status: 502, code: "unknown" });
    await expect(answer(Promise.reject(new TypeError("Failed to fetch")))).rejects.toMatchObject({
      status: 0,
      code: "unreachable",
    });
  });
});

describe("sentence", () => {
  it("is ours for a code that we know, and the API's own for others", () => {
    expect(sentence(new Problem(400, "invalid_grant", "x"), en)).toBe(en.problems.codes.invalid_grant);
    expect(sentence(new Problem(400, "brand_new", "The moon is full."), en)).toBe("The moon is full.");
  });

  it("adds the API's own words where only they say which field it is, in their own direction", () => {
    expect(sentence(new Problem(422, "invalid_request", "body.title: is too long"), fa)).toBe(
      "چیزی در این درست نیست: \u2068body.title: is too long\u2069",
    );
    expect(sentence(new Problem(422, "invalid_request", ""), en)).toBe(en.problems.codes.invalid_request);
  });

  it("tells what became of a song or a separation in the reader's language", () => {
    expect(reasonIn({ code: "audio_too_long", message: "It is long." }, fa)).toBe(
      fa.problems.codes.audio_too_long,
    );
    expect(reasonIn({ code: "brand_new", message: "It is new." }, fa)).toBe("It is new.");
    expect(reasonIn({ code: null, message: null }, fa)).toBe(fa.problems.unknown);
  });

  it("says how long to wait", () => {
    expect(sentence(new Problem(429, "rate_limited", "x", 30), en)).toContain("30 seconds");
    expect(sentence(new Problem(429, "rate_limited", "x", 600), en)).toContain("10 minutes");
  });

  it("never shows what an error of the program says", () => {
    expect(sentence(new TypeError("undefined is not a function"), en)).toBe(en.problems.unknown);
  });
});
