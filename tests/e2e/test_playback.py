"""Listening to a song while it is separated, and to all of it afterwards."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from services.local.client import ApiError, Client
from services.local.platform import Platform
from tests.e2e.jobs import PATIENCE_SECONDS, FinishedJob, stems_of
from tests.e2e.songs import Samples, music, read, write_wav_16

pytestmark = pytest.mark.e2e

TRACKS = ["mixture", "vocals", "instrumental"]
SECONDS = 125
EARLY = ("playback/vocals/0", "playback", f"playback/vocals/{SECONDS // 6}")
"""What is asked for while the song is separated: its first segment, what there is, its last segment."""


@contextmanager
def stopped(platform: Platform, part: str) -> Iterator[None]:
    """A part that goes no further for as long as the block lasts."""
    pid = platform.supervisor.pid(part)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def segment(client: Client, job_id: str, track: str, number: int, folder: Path) -> Samples:
    answer = client.send("GET", f"/v1/jobs/{job_id}/playback/{track}/{number}")
    return decoded(answer, folder / f"{track}-{number}.flac")


def decoded(answer: httpx2.Response, path: Path) -> Samples:
    """The segment of an answer, by way of a file."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "audio/flac"
    assert answer.headers["Cache-Control"] == "private, max-age=86400, immutable"
    path.write_bytes(answer.content)
    return read(path)[0]


@pytest.mark.slow
def test_a_song_can_be_listened_to_while_it_is_separated(platform: Platform, account: Client, tmp_path: Path) -> None:
    song = write_wav_16(tmp_path / "song.wav", music(SECONDS))
    mixture, rate_hz = read(song)
    job_id = account.create_job(account.upload(song)["id"])["id"]
    heard: dict[str, list[Samples]] = {track: [] for track in TRACKS}

    def listen(until: int) -> None:
        for number in range(len(heard["vocals"]), until):
            for track in TRACKS:
                heard[track].append(segment(account, job_id, track, number, tmp_path))

    early, bearer = 0, {"Authorization": f"Bearer {account.token}"}
    for event in account.events(job_id):
        if event.type != "progress" or event.data["playable_seconds"] // 6 <= len(heard["vocals"]):
            continue
        if not early:
            with stopped(platform, "worker-1"):
                answers = [account.http.get(f"/v1/jobs/{job_id}/{path}", headers=bearer) for path in EARLY]
                running = account.job(job_id)["status"] == "running"
            if not running:
                continue  # it took longer than a lease, on a busy machine: the worker was given up meanwhile
            first, told, last = answers
            assert (last.status_code, last.json()["code"]) == (409, "segment_not_ready")
            playback = told.json()
            assert (playback["sample_rate_hz"], playback["channels"]) == (rate_hz, 2)
            assert (playback["segment_seconds"], playback["tracks"]) == (6, TRACKS)
            assert playback["duration_seconds"] == pytest.approx(len(mixture) / rate_hz)
            early = len(decoded(first, tmp_path / "first.flac"))
        listen(int(event.data["playable_seconds"] // 6))

    job = account.job(job_id)
    assert (job["status"], early > 0) == ("succeeded", True)
    assert job["playable_seconds"] == len(mixture) / rate_hz
    playback = account.call("GET", f"/v1/jobs/{job_id}/playback")
    assert playback["playable_seconds"] == playback["duration_seconds"] == len(mixture) / rate_hz
    listen(-(-len(mixture) // (6 * rate_hz)))
    whole = {track: np.concatenate(pieces) for track, pieces in heard.items()}
    assert np.array_equal(whole["mixture"], mixture)
    for name, (stem, _) in stems_of(account, job, tmp_path).items():
        assert np.array_equal(whole[name], stem)
    with pytest.raises(ApiError) as behind:
        account.send("GET", f"/v1/jobs/{job_id}/playback/vocals/{len(heard['vocals'])}")
    assert (behind.value.status, behind.value.code) == (404, "segment_not_found")


def test_a_preview_is_listened_to_at_16_bits_whatever_its_format(account: Client, tmp_path: Path) -> None:
    upload = account.upload(write_wav_16(tmp_path / "song.wav", music(20, 48_000), rate_hz=48_000))
    wanted: dict[str, Any] = {"mode": "preview", "preview": {"start_seconds": 3, "duration_seconds": 13}}
    job = account.create_job(upload["id"], **wanted, output={"format": "wav", "bit_depth": 24})
    job = account.wait_for_job(job["id"])
    assert job["status"] == "succeeded", job
    for name, (stem, _) in stems_of(account, job, tmp_path).items():
        pieces = [segment(account, job["id"], name, number, tmp_path) for number in range(3)]
        assert [len(piece) for piece in pieces] == [6 * 48_000, 6 * 48_000, 48_000]
        assert np.abs(np.concatenate(pieces) - stem).max() <= 2.0**-15


def test_a_stranger_hears_nothing_and_a_deleted_job_is_silent(
    platform: Platform, finished: FinishedJob, account: Client, tmp_path: Path
) -> None:
    for path in ("playback", "playback/vocals/0"):
        for method in ("GET", "HEAD"):
            address = f"/v1/jobs/{finished.job['id']}/{path}"
            with pytest.raises(ApiError) as unseen:
                account.send(method, address)
            assert unseen.value.status == 404
            answer = httpx2.request(method, platform.gateway_url + address, timeout=PATIENCE_SECONDS)
            assert answer.status_code == 401
            assert finished.client.send(method, address).status_code == 200
    job = account.create_job(account.upload(write_wav_16(tmp_path / "song.wav", music(3)))["id"])
    account.wait_for_job(job["id"])
    length = len(account.send("GET", f"/v1/jobs/{job['id']}/playback/mixture/0").content)
    head = account.send("HEAD", f"/v1/jobs/{job['id']}/playback/mixture/0")
    assert (head.content, int(head.headers["Content-Length"])) == (b"", length)
    account.send("DELETE", f"/v1/jobs/{job['id']}")
    with pytest.raises(ApiError) as gone:
        account.send("GET", f"/v1/jobs/{job['id']}/playback/mixture/0")
    assert gone.value.status == 404
