"""The file for DJ software, made while it is downloaded."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from separation.audio.containers.pictures import Cover
from separation.audio.encode import StemWriter
from separation.settings import OutputFormat
from services.kit.ids import new_id
from services.kit.object_keys import stems_prefix
from services.kit.playback import segment_key
from services.orchestrator.results.errors import ResultDamaged, ResultGone
from services.orchestrator.results.stem_files import StemFiles, StemFilesBusy
from tests.databases import on_sqlite
from tests.segments import SEGMENT, decoded, segments, song
from tests.separation.audio.pictures import picture, pictures_in
from tests.services.orchestrator.siblings import succeeded
from tests.services.orchestrator.world import World, bearer

WORKER = new_id("wrk")
PASSES_ON = (sys.executable, "-I", "-c", "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)")
BREAKS_OFF = (sys.executable, "-I", "-c", "print('some of it', flush=True); raise SystemExit('and no more')")
NEVER_ENDS = (sys.executable, "-I", "-c", "import sys, time; print('x', flush=True)\nwhile True: time.sleep(60)")


@pytest.fixture
def account() -> str:
    return new_id("usr")


def finished(world: World, account: str, length: int = 3 * SEGMENT + 99) -> str:
    """A job that has succeeded, with its segments in the store."""
    job_id = world.running_job(WORKER, account)
    tracks = song(length)
    count = 0
    for number, segment in enumerate(segments(tracks)):
        count = number + 1
        for name, flac in segment.items():
            world.storage.objects[segment_key(stems_prefix(job_id, 1), name, number)] = flac
    record = {
        "tracks": list(tracks),
        "segments": count,
        "segment_seconds": 6,
        "sample_rate_hz": 44_100,
        "channels": 2,
        "samples": length,
    }
    music = {"key": "F# minor", "camelot": "11A", "tempo_bpm": 123.6, "loudness_lufs": -9.0, "peak_dbfs": -1.0}
    world.hear(succeeded(WORKER, job_id, 1, playback=record, analysis=music))
    return job_id


def ask(world: World, account: str, job_id: str) -> Any:
    return world.client.get(f"/v1/jobs/{job_id}/stem-file", headers=bearer(account))


def test_the_file_has_the_song_and_its_stems_as_they_are_stored(world: World, account: str) -> None:
    answer = ask(world, account, finished(world, account))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mp4")
    assert '.stem.mp4"' in answer.headers["content-disposition"]
    tracks = song(3 * SEGMENT + 99)
    heard = decoded(answer.content)
    assert [len(track) for track in heard] == [len(tracks["mixture"])] * 5
    for number, name in ((0, "mixture"), (1, "instrumental"), (4, "vocals")):
        noise = heard[number] - tracks[name].astype(np.float32) / 2**15
        assert 10 * np.log10(np.mean(noise**2) / np.mean(heard[number] ** 2)) < -25
    assert b"F# minor" in answer.content


@on_sqlite
def test_artist_and_cover_are_those_of_the_song_s_stems(world: World, account: str, tmp_path: Path) -> None:
    job_id = finished(world, account)
    tags, cover = {"title": "Her song (vocals)", "artist": "Her"}, Cover(picture("mjpeg"), "mjpeg", 64, 64)
    stem = tmp_path / "vocals.flac"
    with StemWriter(stem, OutputFormat(), 44_100, ["FL", "FR"], "stereo", tags, cover=cover) as writer:
        writer.write(np.zeros((44_100, 2), np.float32))
    world.storage.objects[f"{stems_prefix(job_id, 1)}vocals.flac"] = stem.read_bytes()
    file = tmp_path / "song.stem.mp4"
    file.write_bytes(ask(world, account, job_id).content)
    with av.open(str(file)) as container:
        assert (container.metadata["title"], container.metadata["artist"]) == ("Her song", "Her")
    assert pictures_in(file) == [cover.data]


def test_what_is_refused_has_an_answer_of_its_own(world: World, account: str) -> None:
    job_id = finished(world, account)
    without = world.running_job(WORKER, account)
    world.hear(succeeded(WORKER, without, 1))
    assert ask(world, new_id("usr"), job_id).json()["code"] == "job_not_found"
    assert ask(world, account, without).json()["code"] == "result_gone"
    first = segment_key(stems_prefix(job_id, 1), "mixture", 0)
    flac = world.storage.objects.pop(first)
    assert ask(world, account, job_id).json()["code"] == "result_gone"
    # None of them has taken a place.
    world.storage.objects[first] = flac
    assert ask(world, account, job_id).status_code == 200
    running = world.running_job(WORKER, account)
    assert ask(world, account, running).json()["code"] == "job_not_finished"


def test_only_so_many_are_made_at_once_and_one_for_each_account() -> None:
    files = StemFiles(2, command=PASSES_ON)
    mine = files.make("me", {}, ["mixture"], [b"flac"])
    with pytest.raises(StemFilesBusy):
        files.make("me", {}, ["mixture"], [b"flac"])
    others = files.make("another", {}, ["mixture"], [b"flac"])
    with pytest.raises(StemFilesBusy) as refused:
        files.make("a third", {}, ["mixture"], [b"flac"])
    assert refused.value.headers["Retry-After"]
    assert b"".join(mine).endswith(b"flac")
    assert b"".join(files.make("a third", {}, ["mixture"], [b"flac"])).endswith(b"flac")
    assert b"".join(others).endswith(b"flac")


def test_a_client_that_leaves_ends_the_work_and_leaves_its_place() -> None:
    files = StemFiles(1, command=NEVER_ENDS)
    left = files.make("me", {}, ["mixture"], [b"flac"])
    assert next(left) == b"x\n"
    del left
    gc.collect()
    again = files.make("me", {}, ["mixture"], [b"flac"])
    assert next(again) == b"x\n"


def test_a_file_that_cannot_be_completed_does_not_end_as_if_it_were_whole() -> None:
    files = StemFiles(1, command=BREAKS_OFF)
    begun = files.make("me", {}, ["mixture"], [b"flac"])
    with pytest.raises(ResultDamaged):
        b"".join(begun)

    def gone() -> Iterator[bytes]:
        yield b"flac"
        raise ResultGone

    lost = StemFiles(1).make("me", {"samples": 1, "sample_rate_hz": 44_100, "title": ""}, ["mixture"], gone())
    with pytest.raises(ResultGone):
        b"".join(lost)
