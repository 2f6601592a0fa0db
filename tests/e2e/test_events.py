"""A partner follows what happens to a song by events alone."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.local.client import Client
from services.local.platform import Platform
from tests.e2e.jobs import NewAccount, eventually
from tests.e2e.songs import music, write_wav_16
from tests.services.notifier.sink import sink

pytestmark = pytest.mark.e2e


def as_partner(platform: Platform, account: Client) -> str:
    """Makes the account a partner's, by the command for it; a key of its for events and webhooks."""
    command = [str(Path(sys.executable).with_name("stemwright")), "accounts", "grant-role"]
    email = account.call("GET", "/v1/me")["email"]
    subprocess.run(
        [*command, email, "partner"], env={**os.environ, "STEMWRIGHT_HOME": str(platform.home.root)}, check=True
    )
    made = account.call("POST", "/v1/api-keys", json={"name": "events", "scopes": ["events", "webhooks"]})
    return str(made["key"])


def test_a_partner_follows_a_song_by_feed_and_webhooks(
    platform: Platform, new_account: NewAccount, tmp_path: Path
) -> None:
    account = new_account()
    with Client(platform.gateway_url, as_partner(platform, account)) as program, sink() as partner:
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
    assert all(webhook.signed_by(hook["secret"]) for webhook in partner.received)
    sent = {webhook.headers["webhook-id"]: webhook.event for webhook in partner.received}
    assert sent == {event["id"]: event for event in seen}
    told = jobs[-1]["data"]["job"]
    assert (told["id"], told["audio_seconds"], told["metadata"]) == (job["id"], pytest.approx(2), {"song": "7"})
