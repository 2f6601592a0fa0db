"""Batches: many songs as one order, with one price, one hold and one end."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.kit.ids import new_id
from services.kit.protos import billing_pb2, jobs_pb2
from services.orchestrator.batches import service as batch_service
from services.orchestrator.jobs import repository as job_rows
from services.orchestrator.results.deletions import Forgetter
from tests.databases import PATIENCE_SECONDS, MakeDatabase, on_sqlite
from tests.services.accounts.racing import wait_until_it_waits
from tests.services.orchestrator.siblings import failed, rate, succeeded
from tests.services.orchestrator.world import Clock, World, bearer, running_world

WORKER = new_id("wrk")
ADA, EVE = new_id("usr"), new_id("usr")
PARTNER = f"{ADA}/partner"
INSIDE = (
    *("http://a.partner.com/", "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/"),
    *("https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/", "https://10.0.0.1/"),
    *("https://localhost/", "https://kafka:9092/", "https://a.default.svc.cluster.local/", "https://a.partner.com./"),
    *("https://metadata.google.internal/", "https://①②⑦.⓪.⓪.①/", "https://pаrtner.com/", "https://a.partner.com:22/"),
    *("https://u:p@partner.com/", "https://ok.com#@127.0.0.1", "https://ok.com\\@127.0.0.1", "https://ok.com/\n"),
)
"""Where nobody is called, in many spellings."""
BALANCE = billing_pb2.Balance(available_credits=500, version=1)


def told(world: World, kind: str) -> list[Any]:
    """Data of the events of this type that were told since the last call."""
    return [event.data for event in world.told() if event.type.endswith(kind)]


def songs_of(world: World, batch: Any, account_id: str = ADA, **query: Any) -> Any:
    answer = world.client.get(f"/v1/batches/{batch['id']}", params=query, headers=bearer(account_id))
    assert answer.status_code == 200, answer.text
    return answer.json()


def end(world: World, job_id: str, *, good: bool = True) -> None:
    """A worker takes the next job and ends it; it has to be this one."""
    world.beat(WORKER)
    assert world.dispatcher.place()
    job = world.job(job_id)
    assert job.worker_id is not None, "another job was placed"
    message = (
        succeeded(job.worker_id, job_id, job.attempt)
        if good
        else failed(job.worker_id, job_id, job.attempt, "bad_song", retryable=False)
    )
    world.hear(message)
    world.settle(job_id, billing_pb2.SETTLEMENT_CAPTURED if good else billing_pb2.SETTLEMENT_RELEASED)


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


def test_a_foreign_upload_refuses_the_whole_batch(world: World) -> None:
    mine, foreign = world.ready_upload(ADA), world.ready_upload(EVE)
    world.told()
    answer = world.client.post(
        "/v1/batches", json={"items": [{"upload_id": mine}, {"upload_id": foreign}]}, headers=bearer(ADA)
    )
    assert (answer.status_code, answer.json()["code"], answer.json()["item"]) == (404, "upload_not_found", 1)
    assert world.client.get("/v1/batches", headers=bearer(ADA)).json()["items"] == []
    assert world.client.get("/v1/jobs", headers=bearer(ADA)).json()["items"] == []
    assert world.told() == []


def test_a_batch_is_nobody_elses(world: World) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA)])
    for method, path in (("GET", ""), ("POST", "/cancel")):
        answer = world.client.request(method, f"/v1/batches/{batch['id']}{path}", headers=bearer(EVE))
        assert (answer.status_code, answer.json()["code"]) == (404, "batch_not_found")
    assert world.client.get("/v1/batches", headers=bearer(EVE)).json()["items"] == []
    # Nor is the answer about its hold, if it names another account.
    world.grant_batch(batch, EVE)
    assert songs_of(world, batch)["status"] == "reserving"


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


def test_a_canceled_batch_cancels_what_has_not_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_service, "CANCELED_AT_ONCE", 2)
    batch = world.post_batch(ADA, [world.ready_upload(ADA) for _ in range(5)])
    world.grant_batch(batch, ADA)
    end(world, songs_of(world, batch)["items"][0]["id"])
    world.told()
    for _ in range(2):
        answer = world.client.post(f"/v1/batches/{batch['id']}/cancel", headers=bearer(ADA))
        assert answer.status_code == 200
        assert answer.json()["status"] == "canceled"
        assert (answer.json()["counts"]["succeeded"], answer.json()["counts"]["canceled"]) == (1, 4)
    types = world.types_told()
    assert (types.count("job.canceled"), types.count("batch.completed")) == (4, 1)


def test_a_cancellation_that_was_cut_short_is_finished(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA) for _ in range(3)])
    world.grant_batch(batch, ADA)
    batches = world.app.state.batches
    with monkeypatch.context() as patched:
        patched.setattr(batches, "cancel_songs", lambda _: None)
        batches.cancel(ADA, batch["id"])
    assert songs_of(world, batch)["counts"]["queued"] == 3
    world.batch_sweeper.sweep()
    assert songs_of(world, batch)["status"] == "canceled"


def test_a_batch_that_is_over_cannot_be_canceled(world: World) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA)])
    world.grant_batch(batch, ADA)
    end(world, songs_of(world, batch)["items"][0]["id"])
    answer = world.client.post(f"/v1/batches/{batch['id']}/cancel", headers=bearer(ADA))
    assert (answer.status_code, answer.json()["code"]) == (409, "batch_already_final")


def test_the_end_is_told_again_until_every_song_is_settled(world: World) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA)])
    world.grant_batch(batch, ADA)
    job_id = songs_of(world, batch)["items"][0]["id"]
    world.client.post(f"/v1/jobs/{job_id}/cancel", headers=bearer(ADA))
    ids = [event.id for event in world.told() if event.type == "batch.completed"]
    world.pass_time(world.settings.ask_again_seconds + 1)
    world.settle(job_id, billing_pb2.SETTLEMENT_RELEASED)
    world.pass_time(4 * world.settings.ask_again_seconds)
    ids += [event.id for event in world.told() if event.type == "batch.completed"]
    assert len(ids) >= 2
    assert len(set(ids)) == 1
    world.pass_time(600)
    assert "batch.completed" not in world.types_told()


def test_the_same_key_makes_one_batch(world: World) -> None:
    uploads = [world.ready_upload(ADA), world.ready_upload(ADA)]
    body = {"items": [{"upload_id": upload_id} for upload_id in uploads]}
    headers = {**bearer(ADA), "Idempotency-Key": "album-7"}
    first, again = (world.client.post("/v1/batches", json=body, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    assert len(world.client.get("/v1/batches", headers=bearer(ADA)).json()["items"]) == 1
    other = world.client.post("/v1/batches", json={"items": body["items"][:1]}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


def test_batches_have_room_of_their_own_and_no_more(make_database: MakeDatabase) -> None:
    clock = Clock()
    limits: dict[str, Any] = {"open_jobs_per_account": 1, "waiting_jobs_per_account": 1, "open_batches_per_account": 2}
    with running_world(make_database("orchestrator", clock=clock), clock, **limits) as world:
        upload, coming = world.ready_upload(ADA), world.pending_upload(ADA)
        first = world.post_batch(ADA, [upload, coming, coming])
        world.post_batch(ADA, [upload] * 3)
        # Whose songs are in nobody's way.
        world.post_job(ADA, upload)
        answer = world.client.post("/v1/batches", json={"items": [{"upload_id": upload}]}, headers=bearer(ADA))
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_open_batches")
        assert "retry-after" in answer.headers
        world.post_batch(EVE, [world.ready_upload(EVE)])
        world.client.post(f"/v1/batches/{first['id']}/cancel", headers=bearer(ADA))
        world.post_batch(ADA, [upload])


def test_a_preview_is_deducted_once_though_its_song_is_named_twice(world: World) -> None:
    upload = world.ready_upload(ADA, seconds=100)
    preview = world.post_job(ADA, upload, mode="preview")
    world.grant(preview)
    end(world, preview["id"])
    batch = world.post_batch(ADA, [upload, upload])
    assert batch["price_credits"] == 100 + 70


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


@on_sqlite
def test_a_deleted_song_is_counted_until_its_batch_is_over(world: World) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA), world.ready_upload(ADA)])
    world.grant_batch(batch, ADA)
    first, second = (job["id"] for job in songs_of(world, batch)["items"])
    assert world.client.delete(f"/v1/jobs/{first}", headers=bearer(ADA)).status_code == 204
    world.settle(first, billing_pb2.SETTLEMENT_RELEASED)
    Forgetter(world.database).forget()
    answer = songs_of(world, batch)
    assert [job["id"] for job in answer["items"]] == [second]
    assert answer["counts"]["canceled"] == 1
    end(world, second)
    Forgetter(world.database).forget()
    assert songs_of(world, batch)["counts"]["canceled"] == 1


@on_sqlite
@pytest.mark.parametrize(
    "body",
    [
        {"items": []},
        {"items": [{"upload_id": new_id("upl")}] * 1001},
        {"items": [{"upload_id": "upl_1"}]},
        {"items": [{"upload_id": new_id("upl"), "tier": "fast"}]},
        {"items": [{"upload_id": new_id("upl"), "preview": {}}]},
        {"items": [{"upload_id": new_id("upl")}], "price_credits": 1},
        {"items": [{"upload_id": new_id("upl")}], "account_id": EVE},
    ],
)
def test_what_no_batch_is(world: World, body: Any) -> None:
    assert world.client.post("/v1/batches", json=body, headers=bearer(ADA)).status_code == 422


@on_sqlite
def test_a_song_that_cannot_be_ordered_refuses_all_and_is_named(world: World) -> None:
    good, bad = world.ready_upload(ADA), world.pending_upload(ADA)
    world.reject(ADA, bad)
    short = world.ready_upload(ADA, seconds=5)
    for items, mode, code in (
        ([{"upload_id": good}, {"upload_id": bad}], "full", "upload_rejected"),
        (
            [{"upload_id": good}, {"upload_id": short, "preview": {"start_seconds": 6}}],
            "preview",
            "preview_outside_song",
        ),
    ):
        answer = world.client.post("/v1/batches", json={"items": items, "mode": mode}, headers=bearer(ADA))
        assert (answer.status_code, answer.json()["code"], answer.json()["item"]) == (422, code, 1)
    assert world.client.get("/v1/jobs", headers=bearer(ADA)).json()["items"] == []


@on_sqlite
@pytest.mark.parametrize("url", INSIDE)
def test_nobody_is_called_back_inside(world: World, url: str) -> None:
    upload = world.ready_upload(ADA)
    for path, body in (("jobs", {"upload_id": upload}), ("batches", {"items": [{"upload_id": upload}]})):
        answer = world.client.post(f"/v1/{path}", json={**body, "callback_url": url}, headers=bearer(PARTNER))
        assert (answer.status_code, answer.json()["code"]) == (422, "callback_url_refused")


@on_sqlite
def test_only_partners_are_called_back(world: World) -> None:
    upload, url = world.ready_upload(ADA), "https://hooks.partner.com/stemwright?order=7"
    for path, body in (("jobs", {"upload_id": upload}), ("batches", {"items": [{"upload_id": upload}]})):
        answer = world.client.post(f"/v1/{path}", json={**body, "callback_url": url}, headers=bearer(ADA))
        assert (answer.status_code, answer.json()["code"]) == (403, "callbacks_for_partners")
        answer = world.client.post(f"/v1/{path}", json={**body, "callback_url": url}, headers=bearer(PARTNER))
        assert answer.status_code == 202
        assert answer.json()["callback_url"] == url


def test_a_thousand_songs_are_one_question(world: World) -> None:
    upload = world.ready_upload(ADA, seconds=1)
    world.told()
    batch = world.post_batch(ADA, [upload] * 1000)
    assert batch["price_credits"] == 1000
    (asked,) = world.told()
    assert isinstance(asked.data, jobs_pb2.BatchReservationRequested)
    assert len(asked.data.shares) == 1000


def test_a_quote_is_what_the_batch_costs_even_if_rates_rise(world: World) -> None:
    world.hear(
        billing_pb2.BalanceChanged(account_id=ADA, balance=billing_pb2.Balance(available_credits=340, version=1))
    )
    first, second = world.ready_upload(ADA, seconds=100), world.ready_upload(ADA, seconds=50)
    preview = world.post_job(ADA, first, mode="preview")
    world.grant(preview)
    end(world, preview["id"])
    items = [{"upload_id": upload} for upload in (first, second, first)]
    body = {"items": items, "metadata": {"album": "7"}}
    answer = world.client.post("/v1/batches/quote", json=body, headers=bearer(ADA))
    assert answer.status_code == 200, answer.text
    quote = answer.json()
    assert (quote["songs"], quote["price_credits"], quote["preview_credit_credits"]) == (3, 70 + 50 + 100, 30)
    assert (quote["affordable"], quote["reason"]) == (True, None)
    world.tell_rates(rate(2000))
    assert world.post_batch(ADA, [first, second, first])["price_credits"] == quote["price_credits"]
    dear = world.client.post("/v1/batches/quote", json={"items": items * 2}, headers=bearer(ADA)).json()
    assert (dear["affordable"], dear["reason"]) == (False, "insufficient_credits")


def test_a_quote_needs_every_song_and_only_ones_own(world: World) -> None:
    world.hear(billing_pb2.BalanceChanged(account_id=ADA, balance=BALANCE))
    mine = {"upload_id": world.ready_upload(ADA)}
    for other, status, code in (
        (world.pending_upload(ADA), 409, "upload_not_ready"),
        (world.ready_upload(EVE), 404, "upload_not_found"),
    ):
        body = {"items": [mine, {"upload_id": other}]}
        answer = world.client.post("/v1/batches/quote", json=body, headers=bearer(ADA))
        assert (answer.status_code, answer.json()["code"], answer.json()["item"]) == (status, code, 1)


def test_previews_are_quoted_by_what_is_left_of_the_day(world: World) -> None:
    left = billing_pb2.Balance(available_credits=0, version=1, previews_left=2)
    world.hear(billing_pb2.BalanceChanged(account_id=ADA, balance=left))
    upload = world.ready_upload(ADA)
    for number, reason in ((2, None), (3, "preview_allowance_exhausted")):
        body = {"items": [{"upload_id": upload}] * number, "mode": "preview"}
        quote = world.client.post("/v1/batches/quote", json=body, headers=bearer(ADA)).json()
        assert (quote["price_credits"], quote["reason"]) == (0, reason)


def test_of_two_songs_that_end_at_the_same_moment_one_is_the_last(world: World) -> None:
    batch = world.post_batch(ADA, [world.ready_upload(ADA), world.ready_upload(ADA)])
    world.grant_batch(batch, ADA)
    first, second = (job["id"] for job in songs_of(world, batch)["items"])
    world.told()
    with ThreadPoolExecutor(1) as pool:
        with world.database.write() as session:
            job = job_rows.locked_job(session, first)
            assert job is not None
            world.lifecycle.cancel(session, job)
            other = pool.submit(world.client.post, f"/v1/jobs/{second}/cancel", headers=bearer(ADA))
            wait_until_it_waits(session, other)
        assert other.result(PATIENCE_SECONDS).status_code == 200
    types = world.types_told()
    assert (types.count("job.canceled"), types.count("batch.completed")) == (2, 1)
    assert songs_of(world, batch)["counts"]["canceled"] == 2


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
