"""The canary goes the whole way on the real platform, leaves nothing behind, and is in nobody's numbers."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from prometheus_client import REGISTRY
from pydantic import HttpUrl
from sqlalchemy import select

from services.accounts.canary import ADDRESS
from services.accounts.ledger.models import LedgerTransfer
from services.accounts.users import repository as users
from services.canary.canary import Canary
from services.canary.settings import Settings
from services.kit.database import Database
from services.local.client import ApiError, Client
from services.local.platform import Platform
from tests.e2e.jobs import PATIENCE_SECONDS, eventually, is_out
from tests.services.worker.waiting import until


def stemwright(platform: Platform, *arguments: str) -> str:
    command = (str(Path(sys.executable).with_name("stemwright")), *arguments)
    environment = {**os.environ, "STEMWRIGHT_HOME": str(platform.home.root)}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def settings(platform: Platform, tmp_path: Path) -> Settings:
    key = tmp_path / "key"
    stemwright(platform, "accounts", "canary-key", "--output", str(key))
    assert key.stat().st_mode & 0o777 == 0o600
    return Settings(url=HttpUrl(platform.gateway_url), key_file=key)


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    """Acts with the canary's key."""
    with Client(str(settings.url), settings.key_file.read_text()) as client:
        yield client


def told(platform: Platform) -> dict[str, str]:
    """What the orchestrator's metrics say of jobs that ended."""
    address = next(part.address for part in platform.plan.parts if part.name == "orchestrator")
    lines = httpx2.get(f"{address}/metrics", timeout=PATIENCE_SECONDS).text.splitlines()
    of_jobs = ("stemwright_jobs_ended_total", "stemwright_job_start_seconds_count", "stemwright_job_seconds_count")
    return dict(line.rsplit(" ", 1) for line in lines if line.startswith(of_jobs))


def overview(admin: Client) -> list[float]:
    """Of what ended in a week, all together; the steps themselves move on with the clock."""
    steps = admin.call("GET", "/v1/admin/overview", params={"span": "week"})["steps"]
    return [
        sum(step[name] for step in steps) for name in ("succeeded_audio_seconds", "succeeded", "failed", "canceled")
    ]


def ended(outcome: str) -> float:
    return REGISTRY.get_sample_value("stemwright_canary_songs_total", {"outcome": outcome}) or 0.0


def test_a_song_goes_the_whole_way_is_billed_to_nobody_and_leaves_nothing(
    platform: Platform, admin: Client, settings: Settings, client: Client
) -> None:
    before = (told(platform), overview(admin), ended("succeeded"))
    assert Canary(settings).send(threading.Event()) == "succeeded"
    assert (told(platform), overview(admin), ended("succeeded") - 1) == before
    assert client.call("GET", "/v1/jobs")["items"] == client.call("GET", "/v1/uploads")["items"] == []
    url = f"sqlite:///{platform.home.data}/accounts.db"
    with closing(Database(url, "accounts")) as database, database.read() as session:
        account = users.find_by_email(session, ADDRESS)
        assert account is not None
        moved = select(LedgerTransfer.id).where(LedgerTransfer.account_id == account.id)
        assert session.scalars(moved).all() == []
    assert "The books add up" in stemwright(platform, "accounts", "ledger-check")


def test_a_song_that_no_worker_takes_is_told_of_and_is_no_reason_for_more_workers(
    admin: Client, settings: Settings, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = 0.0
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead)
    monkeypatch.setattr("services.canary.canary.time", clock)

    def is_queued() -> bool:
        return [job["status"] for job in client.call("GET", "/v1/jobs")["items"]] == ["queued"]

    admin.send("POST", "/v1/admin/queue/pause", json={"reason": "a test"})
    try:
        stop = threading.Event()
        waiting = threading.Thread(target=Canary(settings).run, args=(stop,))
        waiting.start()
        until(is_queued)
        assert admin.call("GET", "/v1/admin/queue")["outstanding_audio_seconds"] == 0
        stop.set()
        waiting.join()
        with ThreadPoolExecutor(1) as pool:
            lost = pool.submit(Canary(settings).send, threading.Event())
            until(is_queued)
            ahead = settings.limit_seconds
            assert lost.result(PATIENCE_SECONDS) == "separate"
    finally:
        admin.send("POST", "/v1/admin/queue/resume", json={"reason": "a test"})
    assert client.call("GET", "/v1/jobs")["items"] == client.call("GET", "/v1/uploads")["items"] == []


def test_another_key_ends_the_one_of_before(platform: Platform, settings: Settings, client: Client) -> None:
    client.call("GET", "/v1/jobs")
    new = stemwright(platform, "accounts", "canary-key").strip()
    with Client(str(settings.url), new) as other:
        other.call("GET", "/v1/jobs")
    # The gateway asks once a second which keys have ended, and the command may take less than that.
    eventually(lambda: is_out(client), "the key of before to be refused")
    assert Canary(settings).send(threading.Event()) == "tidy"


def test_nobody_else_gets_a_key_of_its_kind(account: Client) -> None:
    with pytest.raises(ApiError) as refused:
        account.call("POST", "/v1/api-keys", json={"name": "mine", "scopes": ["jobs", "canary"]})
    assert refused.value.status == 422
