"""Batches: many songs as one order, with one price, one hold and one end."""

from typing import Any

import pytest

from services.kit.database import WriteSession
from services.kit.protos import billing_pb2, jobs_pb2
from services.orchestrator.batches import repository as batch_rows
from services.orchestrator.jobs.models import Job
from tests.clocks import Clock
from tests.databases import MakeDatabase
from tests.services.orchestrator.batches.songs import ADA, BALANCE, EVE, WORKER, end, songs_of, told
from tests.services.orchestrator.world import World, bearer, running_world


def test_a_batch_is_held_at_once_and_ends_with_its_last_song(world: World) -> None:
    uploads = [world.ready_upload(ADA, seconds=seconds) for seconds in (10.0, 20.0, 30.5)]
    world.told()
    batch = world.post_batch(ADA, uploads, metadata={"album": "7"})
    assert (batch["status"], batch["songs"], batch["price_credits"]) == ("reserving", 3, 61)
    (asked,) = told(world, "BatchReservationRequested")
    assert [share.price_credits for share in asked.shares] == [10, 20, 31]
    world.grant_batch(batch, ADA)
    running = songs_of(world, batch)
    assert (running["status"], running["counts"]["queued"]) == ("running", 3)
    jobs = running["items"]
    assert [job["upload_id"] for job in jobs] == uploads, "songs are in the order in which they were named"
    assert [share.job_id for share in asked.shares] == [job["id"] for job in jobs]
    assert all(job["batch_id"] == batch["id"] and job["metadata"] == {"album": "7"} for job in jobs)
    queued = told(world, "job.queued")
    assert [data["job"]["batch_id"] for data in queued] == [batch["id"]] * 3

    end(world, jobs[0]["id"])
    end(world, jobs[1]["id"], good=False)
    assert told(world, "batch.completed") == []
    end(world, jobs[2]["id"])
    (done,) = told(world, "batch.completed")
    counts = {"succeeded": 2, "failed": 1}
    assert done["batch"]["counts"] == {**dict.fromkeys(done["batch"]["counts"], 0), **counts}
    assert (done["batch"]["status"], done["batch"]["charged_credits"]) == ("completed", 41)
    answer = songs_of(world, batch)
    assert (answer["status"], answer["charged_credits"]) == ("completed", 41)
    assert answer["counts"] == done["batch"]["counts"]


def test_a_batch_that_cannot_be_paid_is_rejected_whole_and_told_once(world: World) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA) for _ in range(2)])
    world.told()
    refusal = billing_pb2.BatchReservationRefused(
        batch_id=batch["id"], account_id=ADA, code="insufficient_credits", detail="Too few.", balance=BALANCE
    )
    world.hear(refusal)
    world.hear(refusal)
    answer = songs_of(world, batch)
    assert (answer["status"], answer["error"]["code"]) == ("rejected", "insufficient_credits")
    assert answer["counts"]["rejected"] == 2
    events = world.told()
    assert [event.type for event in events].count("batch.completed") == 1
    world.grant_batch(batch, ADA)
    assert songs_of(world, batch)["status"] == "rejected"


def test_songs_of_a_refused_batch_end_some_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_rows, "REFUSED_AT_ONCE", 2)
    batch = world.post_batch(ADA, [world.ready_upload(ADA) for _ in range(5)])
    world.told()
    refuse, ended = world.lifecycle.refuse, []

    def refuse_or_break(session: WriteSession, job: Job, code: str, message: str) -> None:
        ended.append(job.id)
        if len(ended) == 4:
            raise RuntimeError
        refuse(session, job, code, message)

    monkeypatch.setattr(world.lifecycle, "refuse", refuse_or_break)
    refusal = billing_pb2.BatchReservationRefused(
        batch_id=batch["id"], account_id=ADA, code="insufficient_credits", detail="Too few.", balance=BALANCE
    )
    with pytest.raises(RuntimeError):
        world.hear(refusal)
    answer = songs_of(world, batch)
    assert (answer["status"], answer["counts"]["rejected"]) == ("reserving", 2)
    # The consumer tries again.
    world.hear(refusal)
    answer = songs_of(world, batch)
    assert (answer["status"], answer["counts"]["rejected"]) == ("rejected", 5)
    types = world.types_told()
    assert (types.count("job.rejected"), types.count("batch.completed")) == (5, 1)


def test_the_first_answer_is_402_where_accounts_answers_at_once(make_database: MakeDatabase) -> None:
    clock = Clock()
    with running_world(make_database("orchestrator", clock=clock), clock, answer_wait_seconds=5.0) as world:
        uploads = [world.ready_upload(ADA)]
        jobs = world.lifecycle.batches
        ask = jobs._ask_for_hold

        def refused_at_once(session: Any, batch: Any) -> None:
            ask(session, batch)
            refusal = billing_pb2.BatchReservationRefused(
                batch_id=batch.id, account_id=ADA, code="insufficient_credits", detail="Too few.", balance=BALANCE
            )
            session.after_commit(lambda: world.hear(refusal))

        jobs._ask_for_hold = refused_at_once  # type: ignore[method-assign]
        answer = world.client.post("/v1/batches", json={"items": [{"upload_id": uploads[0]}]}, headers=bearer(ADA))
        assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_credits")
        assert answer.json()["batch_id"].startswith("bat_")


def test_songs_that_are_still_coming_are_waited_for(world: World) -> None:
    here, coming, bad = world.ready_upload(ADA, seconds=10), world.pending_upload(ADA), world.pending_upload(ADA)
    world.told()
    batch = world.post_batch(ADA, [here, coming, bad])
    assert (batch["status"], batch["price_credits"]) == ("reserving", None)
    assert told(world, "BatchReservationRequested") == []
    world.make_ready(ADA, coming, seconds=20)
    assert told(world, "BatchReservationRequested") == []
    world.reject(ADA, bad)
    (asked,) = told(world, "BatchReservationRequested")
    assert [share.price_credits for share in asked.shares] == [10, 20]
    batch = songs_of(world, batch)
    assert (batch["price_credits"], batch["counts"]["rejected"]) == (30, 1)
    world.grant_batch(batch, ADA)
    assert songs_of(world, batch)["counts"]["queued"] == 2


def test_a_batch_of_songs_that_all_turn_out_bad_is_completed(world: World) -> None:
    bad = world.pending_upload(ADA)
    batch = world.post_batch(ADA, [bad])
    world.told()
    world.reject(ADA, bad)
    (done,) = told(world, "batch.completed")
    assert done["batch"]["counts"]["rejected"] == 1
    assert songs_of(world, batch)["status"] == "completed"


def test_an_unanswered_question_is_asked_again_and_one_song_less(world: World) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA, seconds=10), world.ready_upload(ADA, seconds=20)])
    world.told()
    first = songs_of(world, batch)["items"][0]
    assert world.client.post(f"/v1/jobs/{first['id']}/cancel", headers=bearer(ADA)).status_code == 200
    world.pass_time(world.settings.ask_again_seconds + 1)
    (asked,) = told(world, "BatchReservationRequested")
    assert [share.price_credits for share in asked.shares] == [20]
    world.grant_batch(batch, ADA)
    counts = songs_of(world, batch)["counts"]
    assert (counts["canceled"], counts["queued"]) == (1, 1)


def test_the_same_key_makes_one_batch(world: World) -> None:
    uploads = [world.ready_upload(ADA), world.ready_upload(ADA)]
    body = {"items": [{"upload_id": upload_id} for upload_id in uploads]}
    headers = {**bearer(ADA), "Idempotency-Key": "album-7"}
    first, again = (world.client.post("/v1/batches", json=body, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    assert len(world.client.get("/v1/batches", headers=bearer(ADA)).json()["items"]) == 1
    other = world.client.post("/v1/batches", json={"items": body["items"][:1]}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


def test_pages_of_songs_and_the_list_of_a_batch(world: World) -> None:
    upload = world.ready_upload(ADA)
    batch = world.post_batch(ADA, [upload] * 5)
    other = world.post_job(ADA, upload)
    found, cursor = [], None
    for _ in range(3):
        page = songs_of(world, batch, limit=2, **({"cursor": cursor} if cursor else {}))
        found += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert found == sorted(found)
    assert len(found) == 5
    listed = world.client.get("/v1/jobs", params={"batch_id": batch["id"]}, headers=bearer(ADA)).json()["items"]
    assert sorted(job["id"] for job in listed) == found
    assert other["id"] not in found


def test_a_thousand_songs_are_one_question(world: World) -> None:
    upload = world.ready_upload(ADA, seconds=1)
    world.told()
    batch = world.post_batch(ADA, [upload] * 1000)
    assert batch["price_credits"] == 1000
    (asked,) = world.told()
    assert isinstance(asked.data, jobs_pb2.BatchReservationRequested)
    assert len(asked.data.shares) == 1000


def test_answers_that_come_twice_late_and_out_of_order_change_nothing(world: World) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA), world.ready_upload(ADA)])
    first, second = (job["id"] for job in songs_of(world, batch)["items"])
    # One had ended before accounts was asked, which says so before it grants the others.
    refused = billing_pb2.ReservationRefused(
        job_id=first, account_id=ADA, code="job_ended", detail="It has ended.", balance=BALANCE
    )
    world.hear(refused)
    world.grant_batch(batch, ADA)
    world.told()
    for _ in range(2):
        world.grant_batch(batch, ADA)
        world.hear(refused)
        world.hear(
            billing_pb2.BatchReservationRefused(
                batch_id=batch["id"], account_id=ADA, code="insufficient_credits", detail="Too few.", balance=BALANCE
            )
        )
    assert world.told() == []
    counts = songs_of(world, batch)["counts"]
    assert (counts["rejected"], counts["queued"]) == (1, 1)
    world.settle(second, billing_pb2.SETTLEMENT_EXPIRED)
    answer = songs_of(world, batch)
    assert (answer["status"], answer["counts"]["failed"], answer["charged_credits"]) == ("completed", 1, 0)


def test_a_batch_keeps_nobody_else_waiting(world: World) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA) for _ in range(20)])
    world.grant_batch(batch, ADA)
    world.clock.advance(1)
    other = world.queued_job(EVE)
    world.beat(WORKER, slots=3)
    while world.dispatcher.place():
        pass
    assert world.job(other).worker_id == WORKER
    assert songs_of(world, batch)["counts"]["running"] == 2
