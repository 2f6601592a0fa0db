import assert from "node:assert/strict";
import { test } from "node:test";
import { Webhook } from "standardwebhooks";
import { verify } from "../src/webhooks.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const EVENT = { id: "evt_1", type: "job.succeeded", sequence: 1, data: { ä: 1 } };
const BODY = JSON.stringify(EVENT);

/** Headers as the official package makes them. */
function signed(secret = SECRET, secondsAgo = 0, body = BODY) {
  const sentAt = new Date(Date.now() - secondsAgo * 1000);
  return {
    "webhook-id": "evt_1",
    "webhook-timestamp": String(Math.floor(sentAt.getTime() / 1000)),
    "webhook-signature": new Webhook(secret).sign("evt_1", sentAt, body),
  };
}

test("what the official package signs is verified", async () => {
  assert.deepEqual(await verify(BODY, signed(), SECRET), EVENT);
  assert.deepEqual(await verify(new TextEncoder().encode(BODY), new Headers(signed()), SECRET), EVENT);
  assert.deepEqual(await verify(BODY, { ...signed(), "Content-Type": "application/json" }, SECRET), EVENT);
});

test("while a secret is rotated either signature will do", async () => {
  const headers = signed();
  headers["webhook-signature"] += ` ${signed(OTHER)["webhook-signature"]}`;
  assert.deepEqual(await verify(BODY, headers, SECRET), await verify(BODY, headers, OTHER));
});

const refused: [string, Record<string, string>, string, RegExp][] = [
  ["another secret", signed(OTHER), BODY, /no signature/],
  ["another body", signed(), `${BODY} `, /no signature/],
  ["another id", { ...signed(), "webhook-id": "evt_2" }, BODY, /no signature/],
  ["another version", { ...signed(), "webhook-signature": "v2,bm8=" }, BODY, /no signature/],
  ["no base64", { ...signed(), "webhook-signature": "v1,?" }, BODY, /no signature/],
  ["an old one", signed(SECRET, 3000), BODY, /seconds old/],
  ["one of the future", signed(SECRET, -3000), BODY, /seconds old/],
  ["no time", { ...signed(), "webhook-timestamp": "soon" }, BODY, /no number of seconds/],
  ["no headers", {}, BODY, /webhook-id is missing/],
  ["no event", signed(SECRET, 0, "[]"), "[]", /no event/],
];
for (const [name, headers, body, why] of refused) {
  test(`refused: ${name}`, async () => {
    await assert.rejects(verify(body, headers, SECRET), { code: "signature_invalid", message: why });
  });
}

test("a secret that is none is told", async () => {
  await assert.rejects(verify(BODY, signed(), "whsec_?"), { message: /the secret is none/ });
});

test("the time may be given", async () => {
  const headers = signed(SECRET, 3000);
  const now = Number(headers["webhook-timestamp"]) + 299;
  assert.deepEqual(await verify(BODY, headers, SECRET, { now }), EVENT);
});
