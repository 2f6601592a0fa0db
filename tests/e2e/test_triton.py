"""The whole platform with the real Triton server as another part, as `stemwright up --triton` starts it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from services.local.client import Client
from services.local.part import State, Status
from services.local.platform import Platform
from services.local.settings import LocalSettings
from services.local.triton import install, memory_prefix
from tests.e2e.jobs import eventually, stems_of
from tests.e2e.processes import processes_of
from tests.e2e.songs import music, read, whole_song, write_wav_16

pytestmark = [pytest.mark.triton, pytest.mark.e2e, pytest.mark.slow]


def shared_memory(parts: list[Status]) -> set[Path]:
    """Regions that these parts have made: the server's bear its port, a worker's its process. Others run here too."""
    port = next(part.address for part in parts if part.name == "triton").rpartition(":")[2]
    prefixes = [memory_prefix(int(port)), *(f"stemwright-{part.pid}-" for part in parts)]
    return {region for prefix in prefixes for region in Path("/dev/shm").glob(f"{prefix}*")}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    install()
    settings = LocalSettings(
        home=tmp_path_factory.mktemp("with-triton"),
        gateway_port=0,
        workers=1,
        triton=True,
        database_url=None,
        kafka_bootstrap_servers=None,
        s3_endpoint_url=None,
    )
    with Platform(settings) as platform:
        platform.wait_until_ready()
        yield platform
        parts = platform.statuses()
        assert shared_memory(parts)
    assert processes_of(platform.home) == []
    assert shared_memory(parts) == set()


@pytest.fixture(scope="module")
def client(platform: Platform) -> Iterator[Client]:
    with Client(platform.gateway_url) as client:
        client.register("triton@example.com", "a long enough password")
        yield client


def status(platform: Platform) -> Status:
    return next(status for status in platform.statuses() if status.name == "triton")


def test_a_song_goes_through_triton_and_its_stems_sum_to_it(client: Client, tmp_path: Path) -> None:
    song = write_wav_16(tmp_path / "song.wav", music(20))
    upload = client.upload(song)
    job = client.create_job(upload["id"], output={"format": "wav", "bit_depth": 32})
    job = client.wait_for_job(job["id"])
    assert job["status"] == "succeeded", job
    manifest = client.call("GET", f"/v1/jobs/{job['id']}/manifest")
    assert manifest["model"]["runtime"].startswith("triton 2.")
    stems = stems_of(client, job, tmp_path)
    assert np.array_equal(stems["vocals"][0] + stems["instrumental"][0], read(song)[0])


def test_a_preview_of_real_music_is_a_matter_of_seconds(client: Client, tmp_path: Path) -> None:
    upload = client.upload(whole_song(tmp_path, seconds=90))
    job = client.create_job(upload["id"], mode="preview", preview={"start_seconds": 60, "duration_seconds": 10})
    job = client.wait_for_job(job["id"])
    assert job["status"] == "succeeded", job
    stems = stems_of(client, job, tmp_path)
    assert {len(samples) for samples, _ in stems.values()} == {441_000}
    assert all(np.square(samples).mean() > 1e-8 for samples, _ in stems.values())


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGSTOP])
def test_a_triton_that_dies_or_hangs_during_a_song_is_started_anew_and_the_song_ends(
    platform: Platform, client: Client, tmp_path: Path, death: signal.Signals
) -> None:
    upload = client.upload(write_wav_16(tmp_path / "longer.wav", music(90)))
    job = client.create_job(upload["id"])
    progress = (event.data for event in client.events(job["id"]) if event.type == "progress")
    assert any(data["stage"] == "separating" for data in progress), "it ended before it could be seen at work"
    pid = status(platform).pid
    assert pid is not None
    os.kill(pid, death)
    job = client.wait_for_job(job["id"], timeout_seconds=240)
    assert job["status"] == "succeeded", job
    eventually(lambda: status(platform).state == State.READY and status(platform).pid != pid, "a new server")
