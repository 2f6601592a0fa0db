"""A partner follows what happens to a song by events alone."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook

from services.local.client import Client, parse_events
from services.local.platform import Platform
from tests.e2e.jobs import eventually, settled
from tests.e2e.songs import music, write_wav_16
from tests.services.notifier.sink import sink

pytestmark = pytest.mark.e2e


def as_partner(admin: Client, account: Client) -> str:
    """Makes the account a partner's; a key of its for events and webhooks."""
    admin.call("PATCH", f"/v1/admin/users/{account.call('GET', '/v1/me')['id']}", json={"roles": ["user", "partner"]})
    made = account.call("POST", "/v1/api-keys", json={"name": "events", "scopes": ["events", "jobs", "webhooks"]})
    return str(made["key"])


def streamed(platform: Platform, key: str, number: int) -> list[Any]:
    """As many of the account's first events, as its stream tells them."""
    told: list[Any] = []
    headers = {"Authorization": f"Bearer {key}", "Last-Event-ID": "0"}
    with httpx2.stream("GET", f"{platform.gateway_url}/v1/events/stream", headers=headers, timeout=60) as response:
        for event in parse_events(response.iter_lines()):
            told.append(event.data)
            if len(told) == number:
                break
    return told


def test_a_batch_is_held_once_paid_by_the_song_and_told_at_its_end(
    platform: Platform, account: Client, admin: Client, tmp_path: Path
) -> None:
    upload = account.upload(write_wav_16(tmp_path / "song.wav", music(2)))
    items = [{"upload_id": upload["id"], "stems": [stem]} for stem in ("vocals", "instrumental")]
    before = account.call("GET", "/v1/billing/balance")["available_credits"]
    key = as_partner(admin, account)
    with Client(platform.gateway_url, key) as program, sink() as partner:
        secret = program.call("POST", "/v1/callbacks/rotate-secret")["secret"]
        order = {"items": items, "metadata": {"album": "7"}, "callback_url": f"{partner.url}/done"}
        batch = program.call("POST", "/v1/batches", json=order)
        seen: list[dict[str, Any]] = []

        def ended() -> bool:
            after = seen[-1]["sequence"] if seen else 0
            seen.extend(program.call("GET", f"/v1/events?wait=25&after={after}")["items"])
            return "batch.completed" in {event["type"] for event in seen}

        eventually(ended, "the end of the batch in the feed")
        eventually(lambda: len(partner.received) >= 1, "the callback")
        assert streamed(platform, key, len(seen)) == seen
    [end] = [event for event in seen if event["type"] == "batch.completed"]
    [callback] = partner.received
    assert callback.signed_by(secret)
    assert callback.event == end
    told = end["data"]["batch"]
    whole = account.call("GET", f"/v1/batches/{batch['id']}")
    assert (told["id"], told["counts"], told["metadata"]) == (batch["id"], whole["counts"], {"album": "7"})
    assert (whole["status"], whole["counts"]["succeeded"]) == ("completed", 2)
    assert [[stem["name"] for stem in job["stems"]] for job in whole["items"]] == [["vocals"], ["instrumental"]]
    settled(account)
    assert account.call("GET", "/v1/billing/balance")["available_credits"] == before - whole["charged_credits"]
    ledger = account.call("GET", "/v1/billing/ledger")["items"]
    held = [line for line in ledger if line["source_id"] == batch["id"]]
    assert [(line["kind"], line["reserved_change_credits"]) for line in held] == [("reserve", whole["price_credits"])]


def test_a_partner_follows_a_song_by_feed_and_webhooks(
    platform: Platform, account: Client, admin: Client, tmp_path: Path
) -> None:
    with Client(platform.gateway_url, as_partner(admin, account)) as program, sink() as partner:
        hook = program.call("POST", "/v1/webhook-endpoints", json={"url": f"{partner.url}/hook"})
        upload = account.upload(write_wav_16(tmp_path / "song.wav", music(2)))
        job = account.create_job(upload["id"], metadata={"song": "7"})
        seen: list[dict[str, Any]] = []

        def ended() -> bool:
            after = seen[-1]["sequence"] if seen else 0
            seen.extend(program.call("GET", f"/v1/events?wait=25&after={after}")["items"])
            return {event["type"] for event in seen} >= {"job.succeeded", "upload.ready"}

        eventually(ended, "the end of the job in the feed")
        eventually(lambda: len(partner.received) >= len(seen), "the webhooks")

    assert [event["sequence"] for event in seen] == [1, 2, 3, 4]
    # Uploads and jobs come by different topics; each has its own order.
    [ready] = [event for event in seen if event["type"] == "upload.ready"]
    jobs = [event for event in seen if event is not ready]
    assert [event["type"] for event in jobs] == ["job.queued", "job.started", "job.succeeded"]
    assert ready["data"]["upload"]["audio"]["duration_seconds"] == pytest.approx(2)
    assert ready["data"]["upload"]["audio"]["complete"] is True
    assert all(webhook.signed_by(hook["secret"]) for webhook in partner.received)
    # ... and says the package of those who wrote the standard.
    assert Webhook(hook["secret"]).verify(partner.received[0].body, partner.received[0].headers)
    sent = {webhook.headers["webhook-id"]: webhook.event for webhook in partner.received}
    assert sent == {event["id"]: event for event in seen}
    told = jobs[-1]["data"]["job"]
    assert (told["id"], told["audio_seconds"], told["metadata"]) == (job["id"], pytest.approx(2), {"song": "7"})


SERVICE = Path(__file__).parents[2] / "examples" / "partner"


@contextmanager
def running_service(folder: Path, port: int, **settings: str) -> Iterator[httpx2.Client]:
    """A client of the example of a partner's service, until the block ends: then the service is killed."""
    command = [sys.executable, "-m", "uvicorn", "service:app", "--port", str(port), "--log-level", "warning"]
    environment = {**os.environ, "PARTNER_FOLDER": str(folder), "PARTNER_CATCH_UP_SECONDS": "1", **settings}
    with (
        subprocess.Popen(command, cwd=SERVICE, env=environment) as process,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as service,
    ):
        try:
            eventually(lambda: answers(service) is not None, "the partner's service")
            yield service
        finally:
            process.kill()


def answers(service: httpx2.Client, path: str = "/songs") -> Any:
    try:
        return service.get(path).json()
    except httpx2.TransportError:
        return None


def test_a_partners_service_survives_duplicates_and_outages(
    platform: Platform, account: Client, admin: Client, tmp_path: Path
) -> None:
    key = as_partner(admin, account)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Client(platform.gateway_url, key) as program:
        hook = program.call("POST", "/v1/webhook-endpoints", json={"url": f"http://127.0.0.1:{port}/webhooks"})
        settings = {"STEMWRIGHT_URL": platform.gateway_url, "STEMWRIGHT_API_KEY": key, "PARTNER_SECRET": hook["secret"]}
        upload = account.upload(write_wav_16(tmp_path / "song.wav", music(1)))
        stems = ["instrumental.flac", "vocals.flac"]
        with running_service(tmp_path / "data", port, **settings) as service:
            first = account.create_job(upload["id"])["id"]
            eventually(lambda: answers(service).get(first) == stems, "the stems of the first song")
            # All of it once more, and something that is not from the platform.
            program.call(
                "POST", f"/v1/webhook-endpoints/{hook['id']}/redeliver", json={"from_sequence": 1, "to_sequence": 4}
            )
            assert service.post("/webhooks", json={}).status_code == 401
        # It is away while another song is separated, and hears of it by the feed.
        second = account.wait_for_job(account.create_job(upload["id"])["id"])["id"]
        program.send("DELETE", f"/v1/webhook-endpoints/{hook['id']}")
        with running_service(tmp_path / "data", port, **settings) as service:
            eventually(lambda: answers(service).get(second) == stems, "the stems of the second song")
            eventually(lambda: all(event["done"] for event in answers(service, "/events")), "the work")
            assert list(answers(service)) == sorted([first, second])
            assert [event["type"] for event in answers(service, "/events")] == ["job.succeeded"] * 2
