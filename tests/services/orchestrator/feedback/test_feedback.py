"""What operators read of feedback, and what of a song they may hear for it."""

from typing import Any

import pytest

from services.kit.ids import new_id
from services.kit.protos import audit_pb2
from tests.services.orchestrator.siblings import succeeded
from tests.services.orchestrator.world import World, bearer

OPERATOR, WORKER = new_id("usr"), new_id("wrk")
PLAYBACK = {
    "tracks": ["mixture", "vocals", "instrumental"],
    "segments": 15,
    "segment_seconds": 6,
    "sample_rate_hz": 44_100,
    "channels": 2,
    "samples": 44_100 * 90,
}


@pytest.fixture
def job(world: World) -> str:
    """A job that succeeded, with segments to listen to."""
    job = world.running_job(WORKER)
    world.beat(WORKER, finished=[succeeded(WORKER, job, 1, playback=PLAYBACK)])
    for number in range(15):
        for track in PLAYBACK["tracks"]:  # type: ignore[attr-defined]
            world.storage.objects[f"stems/{job}/1/playback/{track}/{number}.flac"] = f"{track} {number}".encode()
    return job


def rate(world: World, job: str, **feedback: Any) -> None:
    path = f"/v1/jobs/{job}/feedback"
    answer = world.client.put(path, json={"rating": 2, **feedback}, headers=bearer(world.account_of(job)))
    assert answer.status_code == 200, answer.text


def get(world: World, path: str = "", **query: Any) -> Any:
    return world.client.get(f"/v1/admin/feedback{path}", params=query, headers=bearer(f"{OPERATOR}/operator"))


def heard(world: World) -> list[tuple[str, str, str]]:
    told = [event.data for event in world.told() if isinstance(event.data, audit_pb2.OperatorActed)]
    return [(data.action, data.account_id, data.target_id) for data in told]


def test_feedback_is_read_and_the_marked_region_heard_which_its_owner_is_told(world: World, job: str) -> None:
    rate(world, job, stem="vocals", tags=["bleed"], comment="Hi-hat", start_seconds=13.0, end_seconds=20.0)
    world.told()
    [item] = get(world).json()["items"]
    assert (item["rating"], item["tags"], item["comment"], item["audible"]) == (2, ["bleed"], "Hi-hat", True)
    assert get(world, most=1).json()["items"] == get(world, model="another").json()["items"] == []

    region = get(world, f"/{job}").json()
    assert (region["first"], region["last"], region["start_seconds"], region["end_seconds"]) == (2, 3, 13, 20)
    assert heard(world) == []
    for number in (2, 3):
        for track in ("mixture", "vocals"):
            assert get(world, f"/{job}/playback/{track}/{number}").content == f"{track} {number}".encode()

    assert heard(world) == [("feedback_heard", world.account_of(job), job)]
    world.clock.advance(600)
    get(world, f"/{job}/playback/vocals/2")
    assert len(heard(world)) == 1


def test_what_was_not_marked_is_not_heard(world: World, job: str) -> None:
    assert get(world, f"/{job}").json()["code"] == "feedback_not_found"
    rate(world, job)
    assert not get(world).json()["items"][0]["audible"]
    for path in (f"/{job}", f"/{job}/playback/vocals/0"):
        assert get(world, path).json()["code"] == "feedback_not_found"

    rate(world, job, start_seconds=0.0, end_seconds=90.0)
    assert get(world, f"/{job}").json()["last"] == 4  # thirty seconds of it
    assert get(world, f"/{job}/playback/vocals/5").json()["code"] == "segment_not_found"
    world.told()
    world.client.delete(f"/v1/jobs/{job}", headers=bearer(world.account_of(job)))
    assert get(world, f"/{job}/playback/vocals/0").json()["code"] == "feedback_not_found"
    assert get(world).json()["items"] == []
    assert heard(world) == []
