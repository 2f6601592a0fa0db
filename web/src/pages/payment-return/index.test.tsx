// @vitest-environment happy-dom

import { act } from "react";
import { afterEach, expect, it, vi } from "vitest";
import { Route } from "wouter";
import { navigate } from "wouter/use-browser-location";
import { api } from "../../api/client";
import { setSession } from "../../api/fakes";
import { newQueries } from "../../app/queries";
import { shown } from "../../app/shown";
import { en } from "../../texts/en";
import PaymentReturn from ".";

const words = en.payment;
const USER = { id: "acc_a" };

afterEach(() => {
  vi.restoreAllMocks();
  setSession(null);
  navigate("/", { replace: true });
});

/** The page, where the API answers this; what it says, and where it leads. */
async function told(status: number, body: unknown, { signedIn = true } = {}) {
  if (signedIn) setSession("a");
  vi.spyOn(api, "GET").mockImplementation((async (path: string) =>
    path === "/v1/me"
      ? { data: USER, response: new Response() }
      : { data: body, error: body, response: new Response(null, { status }) }) as never);
  navigate("/billing/return/chk_1", { replace: true });
  const queries = newQueries();
  queries.setDefaultOptions({ queries: { retry: false } });
  const leave = await shown(
    queries,
    <Route path="/billing/return/:id">
      <PaymentReturn />
    </Route>,
  );
  await vi.waitFor(
    async () => {
      await act(() => new Promise((done) => setTimeout(done, 0)));
      expect(document.querySelector("h1")).not.toBeNull();
    },
    { interval: 0 },
  );
  const heading = document.querySelector("h1")?.textContent;
  const ways = [...document.querySelectorAll("a")].map((each) => each.getAttribute("href"));
  const text = document.body.textContent;
  await leave();
  return { heading, ways, text };
}

const PACK = { name: "One hour", url: null };

it.each([
  ["paid", words.titles.paid, ["/new", "/credits"]],
  ["processing", words.titles.processing, ["/credits"]],
  ["failed", words.titles.failed, ["/credits"]],
  ["expired", words.titles.expired, ["/credits"]],
])("of a checkout that is %s it says so and leads on", async (status, heading, ways) => {
  expect(await told(200, { ...PACK, status })).toMatchObject({ heading, ways });
});

it("leads whoever has not paid back to the payment", async () => {
  const url = "https://pay.example.com/1";
  const { heading, ways, text } = await told(200, { ...PACK, status: "open", url });
  expect({ heading, ways }).toEqual({ heading: words.titles.open, ways: [url, "/credits"] });
  expect(text).toContain(words.told.open("One hour"));
});

it("tells the same without a session, and leads by signing in", async () => {
  const { heading, ways } = await told(200, { ...PACK, status: "paid" }, { signedIn: false });
  expect({ heading, ways }).toEqual({ heading: words.titles.paid, ways: ["/sign-in?next=%2Fcredits"] });
});

it("alarms nobody while the provider cannot be asked", async () => {
  const problem = { code: "payment_provider_unavailable", detail: "" };
  expect((await told(503, problem)).heading).toBe(words.titles.processing);
});

it("says that there is no such checkout", async () => {
  const { heading, text } = await told(404, { code: "checkout_not_found", detail: "" });
  expect(heading).toBe(words.title);
  expect(text).toContain(en.problems.codes.checkout_not_found);
});
