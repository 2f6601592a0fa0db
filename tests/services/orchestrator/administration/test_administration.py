"""What operators see of the queue, the workers and everybody's jobs, and what they do to them."""

from typing import Any

import pytest
from sqlalchemy import update

from services.kit.ids import new_id
from services.kit.protos import audit_pb2, separation_pb2
from services.orchestrator.administration.models import QueueSample
from services.orchestrator.jobs.models import Job
from tests.services.orchestrator.siblings import failed, succeeded
from tests.services.orchestrator.world import World, bearer

OPERATOR = new_id("usr")
WORKER = new_id("wrk")
BECAUSE = {"reason": "A driver is renewed"}


@pytest.fixture
def desk(world: World) -> "Desk":
    return Desk(world)


class Desk:
    """An operator's."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get(self, path: str, **query: Any) -> Any:
        answer = self._world.client.get(f"/v1/admin/{path}", params=query, headers=bearer(f"{OPERATOR}/operator"))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: dict[str, str] | None = None, *, key: str | None = None) -> tuple[int, Any]:
        headers = {**bearer(f"{OPERATOR}/operator"), **({"Idempotency-Key": key} if key else {})}
        answer = self._world.client.post(f"/v1/admin/{path}", json=body, headers=headers)
        return answer.status_code, answer.json()

    def audited(self) -> list[tuple[str, str, str]]:
        """What was told to the audit log since the last time: action, target and reason."""
        events = [event.data for event in self._world.told()]
        acted = [data for data in events if isinstance(data, audit_pb2.OperatorActed)]
        assert all(data.operator_id == OPERATOR for data in acted)
        return [(data.action, data.target_id, data.reason) for data in acted]


def test_nothing_is_placed_while_the_queue_is_paused(world: World, desk: Desk) -> None:
    job = world.queued_job()
    world.beat(WORKER)
    assert desk.post("queue/pause", BECAUSE)[1]["paused"]["reason"] == BECAUSE["reason"]
    desk.post("queue/pause", {"reason": "Pressed twice"})

    assert not world.dispatcher.place()

    assert desk.post("queue/resume")[1]["paused"] is None
    assert world.dispatcher.place()
    assert world.job(job).worker_id == WORKER
    assert desk.audited() == [("queue_paused", "", BECAUSE["reason"]), ("queue_resumed", "", "")]


def test_a_drained_worker_ends_what_it_has_and_gets_nothing_new(world: World, desk: Desk) -> None:
    first = world.running_job(WORKER)
    assert desk.post(f"workers/{WORKER}/drain", BECAUSE)[1]["state"] == "draining"
    world.queued_job()
    world.beat(WORKER, slots=2, running=[(first, 1)])
    assert not world.dispatcher.place()

    world.beat(WORKER, finished=[succeeded(WORKER, first, 1)])
    assert world.job(first).status == "succeeded"
    assert [(worker["id"], worker["state"]) for worker in desk.get("workers")["items"]] == [(WORKER, "drained")]

    assert desk.post(f"workers/{WORKER}/resume")[1]["state"] == "live"
    assert world.dispatcher.place()
    world.clock.advance(60)
    assert desk.get("workers")["items"][0]["state"] == "silent"
    assert desk.audited() == [("worker_drained", WORKER, BECAUSE["reason"]), ("worker_resumed", WORKER, "")]
    assert desk.post(f"workers/{new_id('wrk')}/drain", BECAUSE)[0] == 404


def test_a_running_job_is_taken_from_its_worker_and_begun_anew(world: World, desk: Desk) -> None:
    job = world.running_job(WORKER)
    world.told()

    status, answer = desk.post(f"jobs/{job}/requeue", BECAUSE)

    assert (status, answer["id"], answer["status"], answer["failures"]) == (200, job, "queued", 0)
    told = [event.data for event in world.told()]
    assert [data.attempt for data in told if isinstance(data, separation_pb2.SeparationCanceled)] == [1]
    world.beat(WORKER)
    assert world.dispatcher.place()
    assert world.job(job).attempt == 2


@pytest.mark.parametrize("ran_on", [True, False])
def test_a_requeued_job_is_done_by_any_version_of_its_model(world: World, desk: Desk, ran_on: bool) -> None:
    """The version with which it began may be gone: an operator sees a song that stands still."""
    job = world.running_job(WORKER)
    if not ran_on:
        world.beat(WORKER, finished=[failed(WORKER, job, 1, "no_space", retryable=True)])
    assert desk.post(f"jobs/{job}/requeue", BECAUSE)[1]["status"] == "queued"
    new, digest = new_id("wrk"), "sha256:" + "2" * 64
    world.beat(WORKER, stopping=True)
    world.beat(new, digest=digest)
    assert world.dispatcher.place()
    world.hear(succeeded(new, job, 2, digest=digest))
    assert (world.job(job).status, world.job(job).model_digest) == ("succeeded", digest)


def test_a_failed_job_is_ordered_anew_once_in_its_owners_name(world: World, desk: Desk) -> None:
    owner = new_id("usr")
    old = world.running_job(WORKER, owner)
    url = "https://hooks.partner.com/stemwright?order=7"
    with world.database.write() as session:
        session.execute(update(Job).where(Job.id == old).values(callback_url=url))
    world.beat(WORKER, finished=[failed(WORKER, old, 1, "out_of_memory", retryable=False)])
    assert world.job(old).status == "failed"
    assert desk.get(f"jobs/{old}")["job"]["requeueable"]

    first = desk.post(f"jobs/{old}/requeue", BECAUSE, key="k")
    assert desk.post(f"jobs/{old}/requeue", BECAUSE, key="k") == first
    status, answer = first

    assert (status, answer["retry_of"], answer["account_id"]) == (200, old, owner)
    assert world.job(answer["id"]).callback_url == url
    assert desk.audited() == [("job_requeued", old, BECAUSE["reason"])]
    assert [desk.post(f"jobs/{job}/requeue", BECAUSE)[1]["code"] for job in (old, answer["id"])] == [
        "job_not_requeueable",
        "job_not_requeueable",
    ]


def test_jobs_of_everybody_are_found_by_id_status_model_and_time(world: World, desk: Desk) -> None:
    running = world.running_job(WORKER)
    then = world.clock()
    world.clock.advance(3600)
    queued = world.queued_job()

    def found(**query: Any) -> list[str]:
        return [job["id"] for job in desk.get("jobs", **query)["items"]]

    assert found() == [queued, running]
    assert found(status="running") == [running]
    assert found(until=then.isoformat()) == []
    assert found(since=world.clock().isoformat()) == [queued]
    assert found(model="another") == []
    job = world.job(running)
    for text in (running, job.account_id, job.upload_id, WORKER):
        assert found(query=text) == [running]
    assert found(query="%") == []
    page = desk.get("jobs", limit=1)
    assert found(limit=1, cursor=page["next_cursor"]) == [running]
    # What the song is called is its owner's business.
    assert "Song.mp3" not in str(page)


def test_a_jobs_way_through_the_services(world: World, desk: Desk) -> None:
    job = world.running_job(WORKER)
    way = desk.get(f"jobs/{job}")
    assert [(entry["service"], entry["what"]) for entry in way["entries"]] == [
        ("orchestrator", "ordered"),
        ("upload", "upload_ready"),
        ("accounts", "held"),
        ("orchestrator", "started"),
        ("worker", "working"),
    ]

    world.clock.advance(30)
    world.beat(WORKER, finished=[succeeded(WORKER, job, 1)])

    last = desk.get(f"jobs/{job}")["entries"][-1]
    assert (last["what"], last["attempt"]) == ("succeeded", 1)
    assert desk.post(f"jobs/{job}/requeue", BECAUSE)[1]["code"] == "job_not_requeueable"


def test_the_queue_in_numbers(world: World, desk: Desk) -> None:
    world.running_job(WORKER)  # 90.5 s, half done
    world.queued_job()
    world.clock.advance(40)
    world.queued_job(mode="preview")

    queue = desk.get("queue")

    assert (queue["queued"], queue["running"], queue["oldest_wait_seconds"]) == (2, 1, 40)
    assert queue["outstanding_audio_seconds"] == pytest.approx(90.5 / 2 + 90.5 + 30)
    assert [(load["mode"], load["queued"], load["running"]) for load in queue["loads"]] == [
        ("full", 1, 1),
        ("preview", 1, 0),
    ]


def test_an_overview_tells_of_what_ended_also_of_what_was_deleted(world: World, desk: Desk) -> None:
    owner = new_id("usr")
    waited = []
    for seconds in (10, 20, 60):
        job = world.queued_job(owner)
        world.clock.advance(seconds)
        world.beat(WORKER)
        assert world.dispatcher.place()
        outcome = failed(WORKER, job, 1, "no_audio", retryable=False) if seconds == 60 else succeeded(WORKER, job, 1)
        world.beat(WORKER, finished=[outcome])
        waited.append(job)
    world.client.put(f"/v1/jobs/{waited[0]}/feedback", json={"rating": 4}, headers=bearer(owner))
    world.queued_job(owner)
    world.sampler.sample()
    world.client.delete(f"/v1/jobs/{waited[1]}", headers=bearer(owner))

    overview = desk.get("overview", span="hour")

    assert (overview["step_seconds"], len(overview["steps"])) == (300, 12)
    now = overview["steps"][-1]
    assert (now["succeeded"], now["failed"], now["canceled"]) == (2, 1, 0)
    assert now["succeeded_audio_seconds"] == pytest.approx(181)
    assert (now["wait_p50_seconds"], now["wait_p95_seconds"]) == (20, 60)
    assert (overview["wait_p50_seconds"], overview["wait_p95_seconds"]) == (20, 60)
    assert (now["ratings"], now["mean_rating"], now["outstanding_audio_seconds"]) == (1, 4, 90.5)
    assert overview["failures"] == [{"code": "no_audio", "jobs": 1}]
    assert overview["steps"][0]["wait_p50_seconds"] is None

    world.clock.advance(9 * 86_400)
    world.sampler.sample()
    with world.database.read() as session:
        assert session.query(QueueSample).count() == 1
    assert all(step["failed"] == 0 for step in desk.get("overview", span="week")["steps"])
