"""The client in TypeScript in a real browser: uploads, streams, hashes and signatures are the browser's own."""

import json
import subprocess
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from services.local.web import node_program
from stemwright_client import webhooks
from tests.clients.python.conftest import double
from tests.clients.python.double import KEY, Double, Fault, named

__all__ = ["double"]
SOURCE = Path(__file__).parents[2] / "clients" / "typescript" / "src"
STRIP = """
import { readFileSync, readdirSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
const stripped = readdirSync(process.argv[1])
  .filter((name) => name !== "schema.ts")
  .map((name) => [`/app/${name}`, stripTypeScriptTypes(readFileSync(`${process.argv[1]}/${name}`, "utf-8"))]);
process.stdout.write(JSON.stringify(Object.fromEntries(stripped)));
"""
SEPARATE = """
async ([apiKey, webhook]) => {
  const { Client, webhooks } = await import("/app/index.ts");
  const client = new Client({ url: "", apiKey });
  client.connection.firstPauseSeconds = 0.01;
  const song = new File([new Uint8Array(3500).fill(7)], "song.wav");
  const fractions = [];
  const upload = await client.upload(song, { onProgress: ({ fraction }) => fractions.push(fraction) });
  const order = { mode: "full", tier: "fast", stems: ["vocals"] };
  const job = await client.wait(await client.createJob(upload.id, order));
  const vocals = await client.download(job, "vocals");
  const event = await webhooks.verify(webhook.body, webhook.headers, webhook.secret);
  return { uploaded: fractions.includes(1), status: job.status, text: await vocals.text(), type: event.type };
}
"""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def scripts(double: Double) -> None:
    """Without types, as Node.js takes them away."""
    command = [str(node_program()), "--no-warnings", "--input-type=module", "-e", STRIP, str(SOURCE)]
    stripped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    page = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>App</title></head><body/></html>'
    double.scripts = {**json.loads(stripped), "/app": page}


def test_a_song_is_separated_in_a_page(browser: Browser, double: Double, scripts: None) -> None:
    double.faults += [Fault("PUT /store/.*", 503), Fault("GET .*/events", "cut"), Fault("GET /store/.*", "cut")]
    event = {"id": "evt_1", "type": "job.succeeded", "occurred_at": "2026-11-29T12:00:00Z", "sequence": 1, "data": {}}
    body, sent_at = json.dumps(event), str(int(time.time()))
    page = browser.new_page()
    page.goto(f"{double.url}/app")
    signature = webhooks.signature(body.encode(), "evt_1", sent_at, SECRET)
    headers = {"webhook-id": "evt_1", "webhook-timestamp": sent_at, "webhook-signature": signature}
    told = page.evaluate(SEPARATE, [KEY, {"body": body, "headers": headers, "secret": SECRET}])
    page.close()
    assert (told["uploaded"], told["status"], told["type"]) == (True, "succeeded", "job.succeeded")
    assert told["text"].encode() == double.stems[f"{named('job', 1)}/vocals"]
    assert len(double.uploads) == len(double.jobs) == 1
