"""Any one process is killed while a job runs; the job ends well without a hand on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.local.client import Client, Document
from services.local.platform import Platform
from tests.e2e.jobs import balance, settled, stems_of
from tests.e2e.processes import kill, wait_until_ready
from tests.e2e.songs import music, read, steps_of_16_bit, write_wav_16

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PARTS = ("worker-1", "orchestrator", "accounts", "upload", "gateway", "broker", "object-store")


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be still in work when the process dies."""
    return write_wav_16(tmp_path_factory.mktemp("songs") / "half a minute.wav", music(30))


@pytest.fixture(autouse=True)
def every_part_is_ready_before_and_after(platform: Platform) -> Iterator[None]:
    wait_until_ready(platform)
    yield
    wait_until_ready(platform)


@pytest.mark.parametrize("part", PARTS)
def test_a_job_survives_the_death_of(
    platform: Platform, account: Client, song: Path, part: str, tmp_path: Path
) -> None:
    upload = account.upload(song)
    job = account.create_job(upload["id"], output={"format": "flac", "bit_depth": 16})
    separating(account, job)
    kill(platform, part)
    ended = account.wait_for_job(job["id"], timeout_seconds=300)
    assert ended["status"] == "succeeded", ended

    mixture, _ = read(song)
    stems = stems_of(account, ended, tmp_path)
    assert steps_of_16_bit(stems["vocals"][0] + stems["instrumental"][0] - mixture) <= 1
    settled(account)
    assert account.call("GET", "/v1/billing/balance") == balance(570)


@pytest.mark.parametrize("part", ["broker", "accounts", "worker-1"])
def test_a_job_ordered_at_the_death_of(platform: Platform, account: Client, song: Path, part: str) -> None:
    upload = account.upload(song)
    kill(platform, part)
    job = account.create_job(upload["id"], mode="preview", preview={"duration_seconds": 5})
    assert account.wait_for_job(job["id"], timeout_seconds=300)["status"] == "succeeded"


def separating(account: Client, job: Document) -> None:
    for event in account.events(job["id"]):
        if event.type == "progress" and event.data["stage"] == "separating":
            return
    pytest.fail("the job ended before it could be seen at work")
