"""Segments to listen to, on their way into the store while a song is separated."""

import json
import threading
from pathlib import Path

import pytest

from services.kit.protos import separation_pb2
from services.worker.errors import AttemptAborted, EngineFailed, StorageFailed
from tests.services.worker.bench import ME, Bench

SECONDS = 44100
TRACKS = ("mixture", "vocals", "instrumental")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.segments = (6 * SECONDS, 6 * SECONDS, SECONDS)
    return bench


def keys(attempt: int, segments: int) -> set[str]:
    return {f"stems/job_a/{attempt}/playback/{track}/{number}.flac" for track in TRACKS for number in range(segments)}


def test_segments_are_stored_before_the_manifest_which_tells_of_them(bench: Bench) -> None:
    result = bench.separate(bench.attempt())
    assert {key for key in bench.stored() if "/playback/" in key} == keys(1, 3)
    assert bench.storage.objects["stems/job_a/1/playback/vocals/2.flac"] == b"vocals 2"
    assert bench.storage.order[-1] == result.manifest_key
    assert json.loads(result.manifest)["playback"] == {
        "tracks": list(TRACKS),
        "segments": 3,
        "segment_seconds": 6,
        "sample_rate_hz": 44100,
        "channels": 2,
        "samples": 44100,
    }


def test_tracks_are_the_mixture_and_what_was_asked_for(bench: Bench) -> None:
    manifest = json.loads(bench.separate(bench.attempt(stems=["instrumental"])).manifest)
    assert manifest["playback"]["tracks"] == ["mixture", "instrumental"]


def test_they_can_be_listened_to_while_the_song_is_separated(bench: Bench) -> None:
    attempt = bench.attempt()
    assert not bench.service.wait_for_news(float("inf")).running[0].playable_seconds  # of the assignment
    heard: list[float] = []

    def until_all_is_playable() -> None:
        told = threading.Event()
        while attempt.playable_seconds < 13:
            assert not told.wait(0.001)
        assert keys(1, 3) <= set(bench.stored())
        assert not [key for key in bench.stored() if "/playback/" not in key]
        news = bench.service.wait_for_news(float("inf"))
        heard.extend([news.running[0].playable_seconds, news.moved[0].message.playable_seconds])
        assert news.heartbeat  # told at once: somebody waits for the first sound

    bench.during = until_all_is_playable
    bench.separate(attempt)
    assert heard == [13.0, 13.0]


def test_a_song_without_segments_says_so(bench: Bench) -> None:
    bench.segments = ()
    assert json.loads(bench.separate(bench.attempt()).manifest)["playback"] is None


def test_a_store_that_is_away_while_the_song_is_separated_costs_nothing(bench: Bench) -> None:
    """It is asked three times at a time; until the separation ends, again and again."""
    bench.storage.failures["vocals/1.flac"] = 10
    attempt = bench.attempt()

    def until_it_is_back() -> None:
        waiting = threading.Event()
        while bench.storage.failures["vocals/1.flac"]:
            assert not waiting.wait(0.001)

    bench.during = until_it_is_back
    assert json.loads(bench.separate(attempt).manifest)["playback"]["segments"] == 3


def test_a_store_that_stays_away_is_another_attempt(bench: Bench) -> None:
    bench.storage.failures["vocals/1.flac"] = 1_000_000
    with pytest.raises(StorageFailed):
        bench.separate(bench.attempt())
    assert bench.stored() == []


def test_an_attempt_that_is_told_to_stop_leaves_no_segment(bench: Bench) -> None:
    attempt = bench.attempt()

    def stop() -> None:
        bench.service.cancel(separation_pb2.SeparationCanceled(worker_id=ME, job_id="job_a", attempt=1))

    bench.during = stop
    with pytest.raises(AttemptAborted):
        bench.separate(attempt)
    assert bench.stored() == []


def test_stems_that_are_not_published_take_their_segments_along(bench: Bench) -> None:
    bench.residual = 0.0
    with pytest.raises(EngineFailed):
        bench.separate(bench.attempt())
    assert bench.stored() == []


def test_another_attempt_writes_the_same_under_its_own_name(bench: Bench) -> None:
    bench.separate(bench.attempt(1))
    del bench.storage.objects["stems/job_a/1/playback/mixture/0.flac"]
    bench.separate(bench.attempt(2))
    assert {key for key in bench.stored(2) if "/playback/" in key} == keys(2, 3)
    name = "playback/vocals/1.flac"
    assert bench.storage.objects[f"stems/job_a/1/{name}"] == bench.storage.objects[f"stems/job_a/2/{name}"]
