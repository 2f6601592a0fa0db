"""An erased account leaves no job, no stem, no feedback and no note, whatever comes late."""

from typing import Any

import pytest

from services.kit.database import Database
from services.kit.erasures import Eraser
from services.kit.ids import new_id
from services.kit.protos import billing_pb2, uploads_pb2
from services.orchestrator.erasing import Forgetting
from services.orchestrator.jobs import repository
from services.orchestrator.tables import Base
from tests.erasing import counts_of, everything_in, hear, publish, receipts
from tests.services.orchestrator.siblings import succeeded
from tests.services.orchestrator.world import World, bearer

WORKER, ADA, BOB = new_id("wrk"), new_id("usr"), new_id("usr")
NOTE = {"note": "for Ada's mother"}


@pytest.fixture
def eraser(world: World) -> Eraser:
    return Eraser(world.database, Forgetting(world.database, world.storage, world.lifecycle))  # type: ignore[arg-type]


def round_of(world: World, eraser: Eraser) -> bool:
    """The event log takes what there is, and the service does what it does by itself."""
    publish(world.database)
    eraser.erase()
    publish(world.database)
    return eraser.erase()


def finished_job(world: World, account_id: str, mode: str = "full") -> str:
    job_id = world.running_job(WORKER, account_id, metadata=NOTE, mode=mode)
    world.hear(succeeded(WORKER, job_id, 1))
    world.settle(job_id, billing_pb2.SETTLEMENT_CAPTURED)
    world.storage.objects |= {f"stems/{job_id}/1/{name}.flac": b"0123456789" for name in ("vocals", "instrumental")}
    feedback = {"rating": 2, "comment": "Ada can do better"}
    put = world.client.put(f"/v1/jobs/{job_id}/feedback", json=feedback, headers=bearer(account_id))
    assert put.status_code == 200, put.text
    return job_id


def test_an_account_sees_all_feedback_that_it_gave_page_by_page(world: World) -> None:
    jobs = [finished_job(world, ADA) for _ in range(3)]
    finished_job(world, BOB)

    first = world.client.get("/internal/feedback", params={"limit": 2}, headers=bearer(ADA)).json()
    rest = {"limit": 2, "cursor": first["next_cursor"]}
    last = world.client.get("/internal/feedback", params=rest, headers=bearer(ADA)).json()

    assert [given["job_id"] for given in first["items"] + last["items"]] == sorted(jobs, reverse=True)
    assert first["items"][0]["comment"] == "Ada can do better"
    assert last["next_cursor"] is None


def rows_of(database: Database, account_id: str, *traces: str) -> list[str]:
    """Rows that name the account or have a trace of it, its receipt aside."""
    rows = everything_in(database, Base.metadata).splitlines()
    return [row for row in rows if "receipts" not in row and any(trace in row for trace in (account_id, *traces))]


def test_jobs_stems_feedback_and_what_was_known_of_songs_and_credits_go(world: World, eraser: Eraser) -> None:
    kept = finished_job(world, BOB)
    finished_job(world, ADA)
    finished_job(world, ADA, "preview")
    world.change_account(ADA, disabled=True)
    assert rows_of(world.database, ADA)

    hear(eraser, ADA)
    assert round_of(world, eraser)

    [receipt] = receipts(world.database)
    assert (receipt.service, counts_of(receipt)) == ("orchestrator", {"feedback": 2, "jobs": 2, "stems": 4})
    assert {key.split("/")[1] for key in world.storage.objects} == {kept}
    assert rows_of(world.database, ADA) == []
    assert world.client.get(f"/v1/jobs/{kept}/feedback", headers=bearer(BOB)).status_code == 200
    assert world.client.get("/v1/jobs", headers=bearer(ADA)).json()["items"] == []


def test_jobs_that_have_not_ended_are_canceled_and_wait_for_their_holds_to_be_released(
    world: World, eraser: Eraser
) -> None:
    running = world.running_job(WORKER, ADA, metadata=NOTE)
    queued = world.queued_job(ADA, metadata=NOTE)
    reserving = world.post_job(ADA, world.ready_upload(ADA), metadata=NOTE)["id"]
    world.told()

    hear(eraser, ADA)
    assert not eraser.erase()

    told = world.told()
    ends = {event.data["job"]["id"]: event for event in told if event.type == "job.canceled"}
    assert ends.keys() == {running, queued, reserving}
    assert "SeparationCanceled" in [event.type.rpartition(".")[2] for event in told]
    assert not [event for event in ends.values() if "Ada" in str(event.data)]
    assert rows_of(world.database, "Ada's mother", "Song.mp3") == []
    assert not round_of(world, eraser)
    for job_id in (running, queued, reserving):
        world.settle(job_id, billing_pb2.SETTLEMENT_RELEASED)
    assert round_of(world, eraser)
    assert counts_of(receipts(world.database)[0]) == {"jobs": 3}
    assert rows_of(world.database, ADA) == []


def test_an_end_that_accounts_did_not_hear_is_told_again_without_the_note(world: World, eraser: Eraser) -> None:
    job_id = world.running_job(WORKER, ADA, metadata=NOTE)
    world.hear(succeeded(WORKER, job_id, 1))
    hear(eraser, ADA)
    publish(world.database)
    eraser.erase()
    world.told()

    world.pass_time(60)

    [again, *_] = [event for event in world.told() if event.type == "job.succeeded"]
    assert again.data["job"]["metadata"] is None
    world.settle(job_id, billing_pb2.SETTLEMENT_CAPTURED)
    assert round_of(world, eraser)


def test_a_job_that_succeeds_after_its_account_was_erased_leaves_nothing(world: World, eraser: Eraser) -> None:
    job_id = world.running_job(WORKER, ADA)
    hear(eraser, ADA)
    eraser.erase()

    world.storage.objects |= {f"stems/{job_id}/1/vocals.flac": b"late"}
    world.hear(succeeded(WORKER, job_id, 1))
    world.settle(job_id, billing_pb2.SETTLEMENT_RELEASED)
    assert round_of(world, eraser)
    assert world.storage.objects == {}

    # A worker that slept through all of it.
    world.storage.objects |= {f"stems/{job_id}/1/manifest.json": b"later"}
    world.beat(WORKER, running=[(job_id, 1)])
    world.hear(succeeded(WORKER, job_id, 1))
    world.clock.advance(world.settings.zombie_sweep_seconds + 1)
    world.deleter.delete_due()
    publish(world.database)
    assert world.storage.objects == {}
    assert rows_of(world.database, ADA) == []


def test_late_news_of_its_uploads_and_credits_is_not_noted(world: World, eraser: Eraser) -> None:
    upload_id = world.ready_upload(ADA)
    hear(eraser, ADA)
    assert round_of(world, eraser)

    late: list[Any] = [
        uploads_pb2.UploadCreated(upload_id=upload_id, account_id=ADA),
        uploads_pb2.UploadRejected(upload_id=upload_id, account_id=ADA, code="x", reason="y"),
        uploads_pb2.UploadDeleted(upload_id=upload_id, account_id=ADA),
        billing_pb2.BalanceChanged(account_id=ADA, balance=billing_pb2.Balance(available_credits=5, version=9)),
    ]
    for message in late:
        world.hear(message)
    world.make_ready(ADA, upload_id)

    assert rows_of(world.database, ADA, upload_id, "Song.mp3") == []


def test_a_token_that_is_still_about_orders_no_job(world: World, eraser: Eraser) -> None:
    upload_id = world.ready_upload(ADA)
    hear(eraser, ADA)

    answer = world.client.post("/v1/jobs", json={"upload_id": upload_id, "metadata": NOTE}, headers=bearer(ADA))

    assert (answer.status_code, answer.json()["code"]) == (401, "account_erased")
    assert rows_of(world.database, "Ada's mother") == []


def test_while_the_store_is_away_there_is_no_receipt(
    world: World, eraser: Eraser, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished_job(world, ADA)
    hear(eraser, ADA)

    def away(_prefix: str) -> int:
        raise OSError

    with monkeypatch.context() as accident:
        accident.setattr(world.storage, "delete_prefix", away)
        assert not round_of(world, eraser)
    assert receipts(world.database) == []

    assert round_of(world, eraser)
    assert counts_of(receipts(world.database)[0])["jobs"] == 1
    assert world.storage.objects == {}


def test_more_jobs_than_one_transaction_sees_to_go_in_several(
    world: World, eraser: Eraser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "AT_ONCE", 5)
    upload_id = world.ready_upload(ADA)
    jobs = [world.post_job(ADA, upload_id)["id"] for _ in range(12)]

    hear(eraser, ADA)
    eraser.erase()
    for job_id in jobs:
        world.settle(job_id, billing_pb2.SETTLEMENT_RELEASED)

    assert round_of(world, eraser)
    assert counts_of(receipts(world.database)[0]) == {"jobs": 12}


def test_batches_go_with_what_was_noted_on_them(world: World, eraser: Eraser) -> None:
    url = "https://hooks.partner.com/ada"
    answer = world.client.post(
        "/v1/batches",
        json={"items": [{"upload_id": world.ready_upload(ADA)}] * 2, "metadata": NOTE, "callback_url": url},
        headers=bearer(f"{ADA}/partner"),
    )
    batch = answer.json()
    world.grant_batch(batch, ADA)
    job_ids = [job["id"] for job in world.client.get("/v1/jobs", headers=bearer(ADA)).json()["items"]]
    world.told()

    hear(eraser, ADA)
    assert not round_of(world, eraser), "their holds are not settled yet"
    told = [event.data for event in world.told() if event.type in ("job.canceled", "batch.completed")]
    assert len(told) == 3
    assert not any(url in str(data) or "mother" in str(data) for data in told)
    for job_id in job_ids:
        world.settle(job_id, billing_pb2.SETTLEMENT_RELEASED)

    assert round_of(world, eraser)
    assert rows_of(world.database, ADA, batch["id"], url) == []
