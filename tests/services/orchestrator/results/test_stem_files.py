"""The file for DJ software, made while it is downloaded."""

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
from tests.databases import on_sqlite
from tests.segments import SEGMENT, decoded, song
from tests.separation.audio.pictures import picture, pictures_in
from tests.services.orchestrator.results.listened import WORKER, finished
from tests.services.orchestrator.siblings import succeeded
from tests.services.orchestrator.world import World, bearer

LENGTH = 3 * SEGMENT + 99
RATE = 44_100


@pytest.fixture
def account() -> str:
    return new_id("usr")


def ask(world: World, account: str, job_id: str) -> Any:
    return world.client.get(f"/v1/jobs/{job_id}/stem-file", headers=bearer(account))


@on_sqlite
def test_the_file_has_the_song_and_its_stems_as_they_are_stored(world: World, account: str) -> None:
    tracks = song(LENGTH)
    answer = ask(world, account, finished(world, account, tracks, RATE))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/mp4")
    assert '.stem.mp4"' in answer.headers["content-disposition"]
    heard = decoded(answer.content)
    assert [len(track) for track in heard] == [len(tracks["mixture"])] * 5
    for number, name in ((0, "mixture"), (1, "instrumental"), (4, "vocals")):
        noise = heard[number] - tracks[name].astype(np.float32) / 2**15
        assert 10 * np.log10(np.mean(noise**2) / np.mean(heard[number] ** 2)) < -25
    assert b"F# minor" in answer.content


@on_sqlite
def test_artist_and_cover_are_those_of_the_song_s_stems(world: World, account: str, tmp_path: Path) -> None:
    job_id = finished(world, account, song(LENGTH), RATE)
    tags, cover = {"title": "Her song (vocals)", "artist": "Her"}, Cover(picture("mjpeg"), "mjpeg", 64, 64)
    stem = tmp_path / "vocals.flac"
    with StemWriter(stem, OutputFormat(), RATE, ["FL", "FR"], "stereo", tags, cover=cover) as writer:
        writer.write(np.zeros((RATE, 2), np.float32))
    world.storage.objects[f"{stems_prefix(job_id, 1)}vocals.flac"] = stem.read_bytes()
    file = tmp_path / "song.stem.mp4"
    file.write_bytes(ask(world, account, job_id).content)
    with av.open(str(file)) as container:
        assert (container.metadata["title"], container.metadata["artist"]) == ("Her song", "Her")
    assert pictures_in(file) == [cover.data]


def test_what_is_refused_has_an_answer_of_its_own(world: World, account: str) -> None:
    job_id = finished(world, account, song(LENGTH), RATE)
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
