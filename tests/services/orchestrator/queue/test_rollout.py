"""A share of the songs goes to a candidate model, and none is kept waiting by it."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from services.kit.ids import new_id
from services.orchestrator.queue.rollout import Rollout
from services.orchestrator.settings import Settings
from tests.clocks import Clock
from tests.databases import MakeDatabase
from tests.services.orchestrator.siblings import MODEL, failed
from tests.services.orchestrator.world import World, running_world

CANDIDATE = "candidate"
OLD, NEW = new_id("wrk"), new_id("wrk")


@pytest.fixture
def world(make_database: MakeDatabase) -> Iterator[World]:
    """The orchestrator with a candidate that gets every song."""
    clock = Clock()
    database = make_database("orchestrator", clock=clock)
    with running_world(database, clock, candidate_model=CANDIDATE, candidate_share=1.0) as made:
        yield made


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_the_candidate_gets_its_share_of_the_songs(share: float) -> None:
    rollout = Rollout(MODEL, CANDIDATE, share)
    given = [rollout.model_for(new_id("upl"), {MODEL, CANDIDATE}) for _ in range(4000)]
    assert given.count(CANDIDATE) / len(given) == pytest.approx(share, abs=0.04)
    assert given.count(MODEL) == len(given) - given.count(CANDIDATE)


def test_a_song_stays_with_its_model_and_a_larger_share_takes_none_back() -> None:
    uploads = [new_id("upl") for _ in range(200)]
    shares = (0.1, 0.4, 0.8)
    chosen = [
        {one for one in uploads if Rollout(MODEL, CANDIDATE, share).model_for(one, [CANDIDATE]) == CANDIDATE}
        for share in shares
    ]
    assert chosen[0] < chosen[1] < chosen[2]
    assert all(Rollout(MODEL, None, 0.0).model_for(one, [CANDIDATE]) == MODEL for one in uploads)


@pytest.mark.parametrize(
    "wrong", [{"candidate_share": 0.1}, {"candidate_model": MODEL}, {"candidate_model": "x", "candidate_share": 1.1}]
)
def test_settings_that_make_no_rollout_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(database_url="sqlite:///unused.db", **wrong)


def test_a_song_goes_to_the_candidate_and_its_job_says_so(world: World) -> None:
    world.beat(OLD)
    world.beat(NEW, models=[MODEL, CANDIDATE])
    account = new_id("usr")
    job = world.post_job(account, world.ready_upload(account))
    assert job["model"]["name"] == CANDIDATE
    world.grant(job)
    assert world.dispatcher.place()
    assert world.job(job["id"]).worker_id == NEW


@pytest.mark.parametrize("name", [MODEL, CANDIDATE, "third"])
def test_an_order_that_names_a_model_gets_it(world: World, name: str) -> None:
    world.beat(NEW, models=[MODEL, CANDIDATE, "third"])
    account = new_id("usr")
    assert world.post_job(account, world.ready_upload(account), model=name)["model"]["name"] == name


def test_an_order_that_names_a_model_of_no_worker_is_told_which_there_are(world: World) -> None:
    world.beat(NEW, models=["third"])
    account = new_id("usr")
    body = {"upload_id": world.ready_upload(account), "model": "fourth"}
    answer = world.client.post("/v1/jobs", json=body, headers={"Authorization": f"Bearer {account}"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_model")
    assert f"models: {', '.join(sorted([CANDIDATE, MODEL, 'third']))}" in answer.text


def test_an_order_that_named_its_model_waits_for_it(world: World) -> None:
    world.beat(NEW, models=[CANDIDATE])
    account = new_id("usr")
    ordered = world.post_job(account, world.ready_upload(account), model=CANDIDATE)
    world.grant(ordered)
    world.beat(NEW, stopping=True)
    world.beat(OLD)
    assert not world.dispatcher.place()
    world.beat(NEW, models=[CANDIDATE])
    assert world.dispatcher.place()
    assert (world.job(ordered["id"]).model_name, world.job(ordered["id"]).worker_id) == (CANDIDATE, NEW)


def test_without_a_worker_for_the_candidate_songs_go_to_the_default(world: World) -> None:
    world.beat(OLD)
    assert world.job(world.queued_job()).model_name == MODEL


def test_songs_that_wait_for_a_candidate_whose_workers_have_gone_go_to_the_default(world: World) -> None:
    world.beat(NEW, models=[CANDIDATE])
    waiting = world.queued_job()
    assert world.job(waiting).model_name == CANDIDATE
    world.beat(NEW, stopping=True)
    world.beat(OLD)
    assert world.dispatcher.place()
    assert (world.job(waiting).model_name, world.job(waiting).worker_id) == (MODEL, OLD)


def test_songs_whose_candidate_is_only_busy_wait_for_it(world: World) -> None:
    world.beat(NEW, models=[CANDIDATE])
    world.queued_job()
    waiting = world.queued_job()
    assert world.dispatcher.place()
    world.beat(OLD)
    assert not world.dispatcher.place()
    assert world.job(waiting).model_name == CANDIDATE


def test_a_song_that_the_candidate_has_begun_stays_with_it(world: World) -> None:
    world.beat(NEW, models=[CANDIDATE])
    begun = world.queued_job()
    assert world.dispatcher.place()
    world.hear(failed(NEW, begun, 1, "worker_busy", retryable=True))
    world.beat(NEW, stopping=True)
    world.beat(OLD)
    assert not world.dispatcher.place()
    assert world.job(begun).model_name == CANDIDATE


def test_a_retry_of_an_order_whose_model_is_gone_is_told_so(world: World) -> None:
    world.beat(NEW, models=["third"])
    account = new_id("usr")
    job = world.post_job(account, world.ready_upload(account), model="third")
    world.grant(job)
    assert world.dispatcher.place()
    world.hear(failed(NEW, job["id"], 1, "model_answer_invalid", retryable=False))
    world.beat(NEW, models=[MODEL])
    answer = world.client.post(f"/v1/jobs/{job['id']}/retry", headers={"Authorization": f"Bearer {account}"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_model")


def test_a_model_whose_workers_are_away_for_a_moment_can_be_ordered(world: World) -> None:
    world.beat(NEW, models=["third"])
    world.beat(NEW, models=["third"], stopping=True)
    account = new_id("usr")
    assert world.post_job(account, world.ready_upload(account), model="third")["model"]["name"] == "third"
