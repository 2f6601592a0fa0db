"""Listening to a job's tracks, from the first segment on."""

from typing import Any

import pytest

from services.kit.ids import new_id
from services.kit.object_keys import stems_prefix
from services.kit.playback import SEGMENT_SECONDS, segment_key
from services.orchestrator.jobs.models import Job
from services.orchestrator.results.playback import Listening
from tests.databases import on_sqlite
from tests.services.orchestrator.siblings import failed, succeeded
from tests.services.orchestrator.world import World, bearer

WORKER = new_id("wrk")
ALL = ["mixture", "vocals", "instrumental"]
MADE = {
    "tracks": ALL,
    "segments": 16,
    "segment_seconds": SEGMENT_SECONDS,
    "sample_rate_hz": 44100,
    "channels": 2,
    "samples": 3_991_000,
}


@pytest.fixture
def account() -> str:
    return new_id("usr")


@pytest.fixture
def job_id(world: World, account: str) -> str:
    """A job of 90.5 s that runs."""
    return world.running_job(WORKER, account)


def store(world: World, job_id: str, number: int, attempt: int = 1, track: str = "vocals") -> None:
    key = segment_key(stems_prefix(job_id, attempt), track, number)
    world.storage.objects[key] = f"{track} {number} of attempt {attempt}".encode()


def ask(world: World, account: str, job_id: str, path: str = "") -> Any:
    return world.client.get(f"/v1/jobs/{job_id}/playback{path}", headers=bearer(account))


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_what_can_be_listened_to_grows_while_the_job_runs(world: World, account: str, job_id: str) -> None:
    expected = {
        "sample_rate_hz": 44100,
        "channels": 2,
        "segment_seconds": SEGMENT_SECONDS,
        "duration_seconds": 90.5,
        "playable_seconds": 0.0,
        "tracks": ALL,
    }
    assert ask(world, account, job_id).json() == expected
    world.beat(WORKER, running=[(job_id, 1)], playable_seconds=18.0)
    assert ask(world, account, job_id).json() == {**expected, "playable_seconds": 18.0}
    assert world.client.get(f"/v1/jobs/{job_id}", headers=bearer(account)).json()["playable_seconds"] == 18.0


def test_tracks_are_the_mixture_and_what_was_asked_for(world: World, account: str) -> None:
    job_id = world.running_job(WORKER, account, stems=["instrumental"])
    assert ask(world, account, job_id).json()["tracks"] == ["mixture", "instrumental"]


def test_of_a_preview_its_window_is_played(world: World, account: str) -> None:
    job_id = world.running_job(WORKER, account, mode="preview", preview={"start_seconds": 30, "duration_seconds": 12})
    assert ask(world, account, job_id).json()["duration_seconds"] == 12


def test_a_segment_is_served_as_soon_as_it_is_stored(world: World, account: str, job_id: str) -> None:
    store(world, job_id, 0)
    answer = ask(world, account, job_id, "/vocals/0")
    assert (answer.status_code, answer.content) == (200, b"vocals 0 of attempt 1")
    assert answer.headers["content-type"] == "audio/flac"
    assert answer.headers["cache-control"] == "private, max-age=86400, immutable"
    assert answer.headers["content-length"] == str(len(b"vocals 0 of attempt 1"))


def test_a_large_segment_is_never_whole_in_memory(world: World, account: str, job_id: str) -> None:
    """One of eight channels at 192 kHz has 20 MB, and as many are read at once as there are downloads."""
    key = segment_key(stems_prefix(job_id, 1), "vocals", 0)
    world.storage.objects[key] = bytes(20 << 20)
    listening = Listening(world.database, world.storage)  # type: ignore[arg-type]
    pieces = [len(piece) for piece in listening.segment(account, job_id, "vocals", 0).chunks]
    assert (sum(pieces), max(pieces)) == (20 << 20, 1 << 20)
    answer = ask(world, account, job_id, "/vocals/0")
    assert (len(answer.content), answer.headers["content-length"]) == (20 << 20, str(20 << 20))


def test_one_that_is_still_to_come_is_asked_for_again(world: World, account: str, job_id: str) -> None:
    answer = ask(world, account, job_id, "/vocals/15")
    assert code(answer) == (409, "segment_not_ready")
    assert answer.headers["retry-after"] == "1"


@on_sqlite
@pytest.mark.parametrize("path", ["/vocals/16", "/vocals/99999999999", "/drums/0", "/vocals/-1", "/vocals/x", "/a.b/0"])
def test_what_will_never_come_is_not_found(world: World, account: str, job_id: str, path: str) -> None:
    assert code(ask(world, account, job_id, path)) == (404, "segment_not_found")


def test_a_job_that_has_ended_is_listened_to_as_long_as_its_stems_are_kept(
    world: World, account: str, job_id: str
) -> None:
    store(world, job_id, 15)
    world.hear(succeeded(WORKER, job_id, 1, playback=MADE))
    told = ask(world, account, job_id).json()
    assert told["playable_seconds"] == told["duration_seconds"] == 3_991_000 / 44100
    shown = world.client.get(f"/v1/jobs/{job_id}", headers=bearer(account)).json()
    assert shown["playable_seconds"] == told["playable_seconds"]
    assert ask(world, account, job_id, "/vocals/15").content == b"vocals 15 of attempt 1"
    assert code(ask(world, account, job_id, "/vocals/16")) == (404, "segment_not_found")
    assert code(ask(world, account, job_id, "/vocals/14")) == (404, "result_gone")
    with world.database.write() as session:
        job = session.get(Job, job_id)
        assert job is not None
        job.result_prefix = None  # as when it has expired
    assert code(ask(world, account, job_id)) == (404, "result_gone")
    assert code(ask(world, account, job_id, "/vocals/15")) == (404, "result_gone")


def test_a_job_that_was_made_without_segments_has_none(world: World, account: str, job_id: str) -> None:
    world.hear(succeeded(WORKER, job_id, 1))
    assert code(ask(world, account, job_id)) == (404, "result_gone")
    assert world.job(job_id).playable_seconds == 0


@on_sqlite
@pytest.mark.parametrize("broken", [{"segments": 0}, {"tracks": ["../x"]}, {"samples": "many"}, {"segment_seconds": 0}])
def test_a_manifest_that_tells_nonsense_of_segments_is_refused(
    world: World, job_id: str, broken: dict[str, Any]
) -> None:
    world.hear(succeeded(WORKER, job_id, 1, playback={**MADE, **broken}))
    assert world.job(job_id).status == "queued"


def test_another_attempt_begins_anew_with_segments_of_its_own(world: World, account: str, job_id: str) -> None:
    store(world, job_id, 0)
    world.beat(WORKER, running=[(job_id, 1)], playable_seconds=6.0)
    world.hear(failed(WORKER, job_id, 1, "storage_unavailable", retryable=True))
    assert ask(world, account, job_id).json()["playable_seconds"] == 0
    world.pass_time(world.settings.retry_base_seconds + 1, beating=[WORKER])
    assert world.dispatcher.place()
    world.beat(WORKER, running=[(job_id, 2)], playable_seconds=0.0)
    assert code(ask(world, account, job_id, "/vocals/0")) == (409, "segment_not_ready")
    store(world, job_id, 0, attempt=2)
    assert ask(world, account, job_id, "/vocals/0").content == b"vocals 0 of attempt 2"
    world.hear(succeeded(WORKER, job_id, 2, playback=MADE))
    assert ask(world, account, job_id, "/vocals/0").content == b"vocals 0 of attempt 2"
    world.deleter.delete_due()
    assert list(world.storage.objects) == [segment_key(stems_prefix(job_id, 2), "vocals", 0)]


@pytest.mark.parametrize("end", ["canceled", "failed", "deleted"])
def test_segments_go_with_a_job_that_makes_no_stems(world: World, account: str, job_id: str, end: str) -> None:
    store(world, job_id, 0)
    world.beat(WORKER, running=[(job_id, 1)], playable_seconds=6.0)
    if end == "failed":
        world.hear(failed(WORKER, job_id, 1, "audio_undecodable", retryable=False))
    elif end == "canceled":
        world.client.post(f"/v1/jobs/{job_id}/cancel", headers=bearer(account))
    else:
        world.client.delete(f"/v1/jobs/{job_id}", headers=bearer(account))
    expected = (404, "job_not_found") if end == "deleted" else (409, "job_not_finished")
    assert code(ask(world, account, job_id)) == code(ask(world, account, job_id, "/vocals/0")) == expected
    assert world.job(job_id).playable_seconds == 0
    world.deleter.delete_due()
    assert not world.storage.objects


def test_before_the_song_is_there_nothing_is_known(world: World, account: str) -> None:
    upload = world.pending_upload(account)
    job_id = world.post_job(account, upload)["id"]
    assert code(ask(world, account, job_id)) == (409, "job_not_finished")
    assert code(ask(world, account, job_id, "/vocals/0")) == (409, "job_not_finished")
