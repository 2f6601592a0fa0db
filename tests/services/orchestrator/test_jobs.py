"""Jobs from the API's and the siblings' side, on a real database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, update

from services.kit.events.outcomes import InvalidMessage
from services.kit.ids import new_id
from services.kit.migrations import drift
from services.kit.protos import billing_pb2, uploads_pb2
from services.kit.tables import IDEMPOTENCY, OUTBOX
from services.orchestrator import repository
from services.orchestrator.deletions import Forgetter
from services.orchestrator.models import Base, UploadView
from tests.databases import MakeDatabase
from tests.services.orchestrator.conftest import SHA256, Clock, World, running_world, succeeded

WORKER = new_id("wrk")


def bearer(account_id: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {account_id}"}


def test_models_and_migrations_agree(world: World) -> None:
    assert drift(world.database, Base.metadata) == []


def test_a_job_from_request_to_stems(world: World) -> None:
    account = new_id("usr")
    job = world.post_job(account, world.ready_upload(account, seconds=90.5), metadata={"album": "A"})
    assert job["status"] == "reserving"
    assert job["price_credits"] == 91
    [request] = [event for event in world.told() if event.type.endswith("ReservationRequested")]
    assert request.data.price_credits == 91

    world.grant(job)
    world.beat(WORKER)
    assert world.dispatcher.place()
    assert not world.dispatcher.place()
    told = world.told()
    assert [event.type.rpartition(".")[2] for event in told] == ["queued", "SeparationAssigned", "started"]
    assigned = told[1].data
    assert (assigned.worker_id, assigned.attempt, assigned.source.sha256) == (WORKER, 1, SHA256)
    assert list(assigned.stems) == ["vocals", "instrumental"]

    world.beat(WORKER, running=[(job["id"], 1)])
    running = world.client.get(f"/v1/jobs/{job['id']}", headers=bearer(account)).json()
    assert running["status"] == "running"
    assert running["progress"] == {"stage": "separating", "fraction": 0.5}

    world.hear(succeeded(WORKER, job["id"], 1))
    done = world.client.get(f"/v1/jobs/{job['id']}", headers=bearer(account)).json()
    assert done["status"] == "succeeded"
    assert [stem["name"] for stem in done["stems"]] == ["vocals", "instrumental"]
    assert done["metadata"] == {"album": "A"}
    assert world.types_told() == ["job.succeeded"]


def test_a_job_may_name_an_upload_that_is_still_coming(world: World) -> None:
    account, upload = new_id("usr"), new_id("upl")
    world.hear(uploads_pb2.UploadCreated(upload_id=upload, account_id=account))
    job = world.post_job(account, upload)
    assert job["price_credits"] is None
    world.make_ready(account, upload, seconds=10.0)
    assert world.job(job["id"]).price_credits == 10
    assert "ReservationRequested" in world.types_told()


def test_a_job_whose_upload_turns_out_bad_is_rejected_with_the_reason(world: World) -> None:
    account, upload = new_id("usr"), new_id("upl")
    world.hear(uploads_pb2.UploadCreated(upload_id=upload, account_id=account))
    job = world.post_job(account, upload)
    world.hear(
        uploads_pb2.UploadRejected(
            upload_id=upload, account_id=account, code="no_audio", reason="There is no sound in it."
        )
    )
    answer = world.client.get(f"/v1/jobs/{job['id']}", headers=bearer(account)).json()
    assert answer["status"] == "rejected"
    assert answer["error"] == {"code": "upload_rejected", "message": "There is no sound in it."}
    refused = world.client.post("/v1/jobs", json={"upload_id": upload}, headers=bearer(account))
    assert (refused.status_code, refused.json()["code"]) == (422, "upload_rejected")


def test_the_jobs_of_one_account_go_in_order(world: World) -> None:
    account = new_id("usr")
    jobs = []
    for _ in range(3):
        jobs.append(world.queued_job(account))
        world.clock.advance(1)
    for expected in jobs:
        world.beat(WORKER)
        assert world.dispatcher.place()
        assert world.job(expected).attempt == 1
        world.hear(succeeded(WORKER, expected, 1))


def test_a_job_whose_upload_is_deleted_before_it_runs_ends(world: World) -> None:
    account = new_id("usr")
    upload = world.ready_upload(account)
    job = world.post_job(account, upload)
    world.grant(job)
    world.hear(uploads_pb2.UploadDeleted(upload_id=upload, account_id=account))
    assert (world.job(job["id"]).status, world.job(job["id"]).error_code) == ("failed", "upload_deleted")
    # News of before the deletion, delivered again, does not bring it back.
    world.make_ready(account, upload)
    assert world.client.post("/v1/jobs", json={"upload_id": upload}, headers=bearer(account)).status_code == 404


def test_a_quote_asks_again_about_an_upload_whose_word_was_lost(world: World) -> None:
    account, upload = new_id("usr"), new_id("upl")
    world.hear(uploads_pb2.UploadCreated(upload_id=upload, account_id=account))
    world.hear(billing_pb2.BalanceChanged(account_id=account, balance=billing_pb2.Balance(version=1)))
    quote = world.client.post("/v1/quotes", json={"upload_id": upload}, headers=bearer(account))
    assert (quote.status_code, quote.json()["code"]) == (409, "upload_not_ready")
    assert world.types_told() == ["UploadStatusRequested"]


def test_a_quote_without_a_known_balance_is_503_not_a_guess(world: World) -> None:
    account = new_id("usr")
    quote = world.client.post("/v1/quotes", json={"upload_id": world.ready_upload(account)}, headers=bearer(account))
    assert quote.status_code == 503
    assert "BalanceRequested" in world.types_told()


def test_a_window_outside_of_a_song_that_comes_later_is_the_reason_given(world: World) -> None:
    account, upload = new_id("usr"), new_id("upl")
    world.hear(uploads_pb2.UploadCreated(upload_id=upload, account_id=account))
    body = {"upload_id": upload, "mode": "preview", "preview": {"start_seconds": 50}}
    assert world.client.post("/v1/jobs", json=body, headers=bearer(account)).status_code == 202
    world.make_ready(account, upload, seconds=10.0)
    [job] = world.client.get("/v1/jobs", headers=bearer(account)).json()["items"]
    assert job["error"]["code"] == "preview_outside_song"


def test_an_upload_that_does_not_exist_is_404_and_one_nobody_answers_about_is_503(world: World) -> None:
    account, upload = new_id("usr"), new_id("upl")
    silent = world.client.post("/v1/jobs", json={"upload_id": upload}, headers=bearer(account))
    assert silent.status_code == 503
    assert "Retry-After" in silent.headers
    assert world.types_told() == ["UploadStatusRequested"]
    world.hear(uploads_pb2.UploadDeleted(upload_id=upload))
    for path in ("/v1/jobs", "/v1/quotes"):
        answer = world.client.post(path, json={"upload_id": upload}, headers=bearer(account))
        assert (answer.status_code, answer.json()["code"]) == (404, "upload_not_found")


def test_no_credits_is_402_and_names_the_job(world: World) -> None:
    account = new_id("usr")
    job = world.post_job(account, world.ready_upload(account))
    world.hear(
        billing_pb2.ReservationRefused(
            job_id=job["id"], account_id=account, code="insufficient_credits", detail="91 credits, 0 available"
        )
    )
    assert world.job(job["id"]).status == "rejected"
    again = world.client.post(f"/v1/jobs/{job['id']}/retry", headers={**bearer(account), "Idempotency-Key": "again"})
    assert again.status_code == 202
    assert again.json()["retry_of"] == job["id"]
    world.hear(
        billing_pb2.ReservationRefused(
            job_id=again.json()["id"], account_id=account, code="insufficient_credits", detail="still none"
        )
    )


@pytest.mark.parametrize(
    "body",
    [
        {"stems": ["drums"]},
        {"stems": []},
        {"stems": ["vocals", "vocals"]},
        {"output": {"format": "wma"}},
        {"output": {"format": "mp3", "bit_depth": 16}},
        {"output": {"format": "opus", "bit_depth": 24}},
        {"output": {"format": "ogg", "bitrate_kbps": 160}},
        {"output": {"format": "flac", "bit_depth": 32}},
        {"mode": "half"},
        {"preview": {"start_seconds": 1}},
        {"mode": "preview", "preview": {"start_seconds": -1}},
        {"mode": "preview", "preview": {"duration_seconds": 31}},
        {"mode": "preview", "preview": {"start_seconds": 91}},
        {"mode": "preview", "preview": {"start_seconds": "NaN"}},
        {"mode": "preview", "preview": {"start_seconds": "1"}},
        {"mode": "preview", "preview": {"start_seconds": True}},
        {"mode": "preview", "preview": {"start_seconds": 90.49}},
        {"mode": "preview", "preview": {"duration_seconds": 1e-9}},
        {"model": "other"},
        {"price_credits": 0},
        {"status": "queued"},
        {"metadata": {"a": "b\x00"}},
    ],
)
def test_what_cannot_be_made_is_422(world: World, body: dict[str, Any]) -> None:
    account = new_id("usr")
    upload = world.ready_upload(account)
    answer = world.client.post("/v1/jobs", json={"upload_id": upload, **body}, headers=bearer(account))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    listed = world.client.get("/v1/jobs", headers=bearer(account)).json()
    assert listed == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [("mp3", 96_000, 2), ("mp3", 44_100, 6), ("m4a", 192_000, 2), ("ogg", 44_100, 1), ("opus", 48_000, 7)],
)
def test_a_format_that_cannot_hold_the_song_is_422(world: World, name: str, rate: int, channels: int) -> None:
    account = new_id("usr")
    upload = world.ready_upload(account, sample_rate_hz=rate, channels=channels)
    body = {"upload_id": upload, "output": {"format": name}}
    answer = world.client.post("/v1/jobs", json=body, headers=bearer(account))
    assert (answer.status_code, answer.json()["code"]) == (422, "output_format_unsuitable")
    assert world.post_job(account, upload)["status"] == "reserving"


@pytest.mark.parametrize("output", [{"format": "m4a", "bitrate_kbps": 256}, {"format": "ogg"}, {"format": "opus"}])
def test_every_format_reaches_the_worker(world: World, output: dict[str, Any]) -> None:
    account = new_id("usr")
    job = world.post_job(account, world.ready_upload(account), output=output)
    world.grant(job)
    world.beat(WORKER)
    world.told()
    world.dispatcher.place()
    assigned = world.told()[0].data.output
    assert (assigned.format, assigned.bitrate_kbps) == (output["format"], output.get("bitrate_kbps", 0))


def test_a_preview_is_free_has_a_window_and_brings_its_mixture(world: World) -> None:
    account = new_id("usr")
    job = world.post_job(account, world.ready_upload(account, seconds=90.5), mode="preview")
    assert job["price_credits"] == 0
    assert job["preview"] == {"start_seconds": 30.0, "duration_seconds": 30.0}
    world.grant(job)
    world.beat(WORKER)
    world.told()
    world.dispatcher.place()
    assigned = world.told()[0].data
    assert (assigned.window.start_seconds, assigned.window.duration_seconds) == (30.0, 30.0)
    assert list(assigned.stems) == ["vocals", "instrumental", "mixture"]


def test_the_quote_is_the_price(world: World) -> None:
    account = new_id("usr")
    upload = world.ready_upload(account, seconds=90.5)
    world.hear(
        billing_pb2.BalanceChanged(account_id=account, balance=billing_pb2.Balance(available_credits=90, version=4))
    )
    world.hear(
        billing_pb2.BalanceChanged(account_id=account, balance=billing_pb2.Balance(available_credits=999, version=3))
    )
    quote = world.client.post("/v1/quotes", json={"upload_id": upload}, headers=bearer(account)).json()
    assert (quote["price_credits"], quote["available_credits"], quote["affordable"]) == (91, 90, False)
    assert world.post_job(account, upload)["price_credits"] == 91


@pytest.mark.parametrize("job_id", ["a%00b", "..%2Fx", "x" * 65, "%F0%9F%98%80"])
def test_an_id_that_is_none_is_refused(world: World, job_id: str) -> None:
    answer = world.client.get(f"/v1/jobs/{job_id}", headers=bearer(new_id("usr")))
    assert answer.status_code in (404, 422)


def test_one_key_sent_twenty_times_at_once_makes_one_job(world: World) -> None:
    account = new_id("usr")
    upload = world.ready_upload(account)
    world.told()

    def send(_: int) -> tuple[int, str | None]:
        answer = world.client.post(
            "/v1/jobs", json={"upload_id": upload}, headers={**bearer(account), "Idempotency-Key": "k1"}
        )
        return answer.status_code, answer.json().get("id")

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(send, range(20)))
    assert len(answers) == 1
    assert answers.pop()[0] == 202
    assert world.types_told() == ["ReservationRequested"]
    other = world.client.post(
        "/v1/jobs",
        json={"upload_id": upload, "stems": ["vocals"]},
        headers={**bearer(account), "Idempotency-Key": "k1"},
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")


def test_nobody_sees_or_touches_what_belongs_to_another(world: World) -> None:
    owner, stranger = new_id("usr"), new_id("usr")
    upload = world.ready_upload(owner)
    job_id = world.post_job(owner, upload)["id"]
    calls = [
        ("GET", f"/v1/jobs/{job_id}"),
        ("DELETE", f"/v1/jobs/{job_id}"),
        ("POST", f"/v1/jobs/{job_id}/cancel"),
        ("POST", f"/v1/jobs/{job_id}/retry"),
        ("GET", f"/v1/jobs/{job_id}/stems/vocals"),
        ("GET", f"/v1/jobs/{job_id}/archive"),
        ("GET", f"/v1/jobs/{job_id}/waveforms"),
        ("GET", f"/v1/jobs/{job_id}/manifest"),
        ("GET", f"/v1/jobs/{job_id}/feedback"),
        ("GET", f"/internal/jobs/{job_id}/events"),
    ]
    for method, path in calls:
        assert world.client.request(method, path, headers=bearer(stranger)).status_code == 404, path
        assert world.client.request(method, path).status_code == 401, path
    put = world.client.put(f"/v1/jobs/{job_id}/feedback", json={"rating": 1}, headers=bearer(stranger))
    assert put.status_code == 404
    assert world.client.post("/v1/jobs", json={"upload_id": upload}, headers=bearer(stranger)).status_code == 404
    assert world.client.post("/v1/quotes", json={"upload_id": upload}, headers=bearer(stranger)).status_code == 404
    assert world.client.get("/v1/jobs", headers=bearer(stranger)).json()["items"] == []


def test_an_answer_about_credits_in_another_accounts_name_changes_nothing(world: World) -> None:
    account = new_id("usr")
    job = world.post_job(account, world.ready_upload(account))
    world.hear(
        billing_pb2.ReservationGranted(job_id=job["id"], account_id=new_id("usr"), price_credits=job["price_credits"])
    )
    assert world.job(job["id"]).status == "reserving"


def test_canceling(world: World) -> None:
    account = new_id("usr")
    job_id = world.running_job(WORKER, account)
    world.told()
    answer = world.client.post(f"/v1/jobs/{job_id}/cancel", headers=bearer(account))
    assert answer.json()["status"] == "canceled"
    assert world.types_told() == ["SeparationCanceled", "job.canceled"]
    assert world.client.post(f"/v1/jobs/{job_id}/cancel", headers=bearer(account)).status_code == 200
    world.hear(succeeded(WORKER, job_id, 1))
    assert world.job(job_id).status == "canceled"
    assert world.types_told() == []


def test_a_finished_job_cannot_be_canceled_and_a_good_one_not_retried(world: World) -> None:
    account = new_id("usr")
    job_id = world.running_job(WORKER, account)
    world.hear(succeeded(WORKER, job_id, 1))
    cancel = world.client.post(f"/v1/jobs/{job_id}/cancel", headers=bearer(account))
    assert (cancel.status_code, cancel.json()["code"]) == (409, "job_already_final")
    retry = world.client.post(f"/v1/jobs/{job_id}/retry", headers=bearer(account))
    assert (retry.status_code, retry.json()["code"]) == (409, "job_not_retryable")


def test_feedback(world: World) -> None:
    account = new_id("usr")
    job_id = world.post_job(account, world.ready_upload(account))["id"]
    path = f"/v1/jobs/{job_id}/feedback"
    assert world.client.get(path, headers=bearer(account)).json()["code"] == "feedback_not_found"
    for bad in (
        {"rating": 6},
        {"rating": True},
        {"rating": 3, "start_seconds": 2, "end_seconds": 1},
        {"rating": 3, "tags": ["x"]},
    ):
        assert world.client.put(path, json=bad, headers=bearer(account)).status_code == 422
    given = {"rating": 4, "stem": "vocals", "tags": ["bleed"], "comment": "drums\nat 1:02"}
    assert world.client.put(path, json=given, headers=bearer(account)).status_code == 200
    assert world.client.put(path, json={**given, "rating": 2}, headers=bearer(account)).json()["rating"] == 2
    assert world.client.get(path, headers=bearer(account)).json()["comment"] == "drums\nat 1:02"


def test_lists_are_paged_newest_first(world: World) -> None:
    account = new_id("usr")
    upload = world.ready_upload(account)
    made = [world.post_job(account, upload)["id"] for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        page = world.client.get(f"/v1/jobs?limit=2{more}", headers=bearer(account)).json()
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(made)
    assert seen == sorted(seen, reverse=True)
    for bad in ("limit=0", "limit=101", "cursor=%00", "cursor=*", "status=gone"):
        assert world.client.get(f"/v1/jobs?{bad}", headers=bearer(account)).status_code == 422


def test_a_stream_learns_what_it_missed(world: World) -> None:
    account = new_id("usr")
    job_id = world.running_job(WORKER, account)
    whole = world.client.get(f"/internal/jobs/{job_id}/events", headers=bearer(account)).json()
    assert [event["type"] for event in whole["events"]] == ["job.queued", "job.started"]
    first = whole["events"][0]["id"]
    rest = world.client.get(f"/internal/jobs/{job_id}/events", params={"after": first}, headers=bearer(account)).json()
    assert [event["type"] for event in rest["events"]] == ["job.started"]
    assert rest["job"]["status"] == "running"


def test_results_of_a_job_that_is_not_done_are_a_conflict(world: World) -> None:
    account = new_id("usr")
    job_id = world.post_job(account, world.ready_upload(account))["id"]
    for part in ("stems/vocals", "archive", "waveforms", "manifest"):
        answer = world.client.get(f"/v1/jobs/{job_id}/{part}", headers=bearer(account))
        assert (answer.status_code, answer.json()["code"]) == (409, "job_not_finished")


@pytest.mark.parametrize("route", ["quotes", "jobs"])
@pytest.mark.parametrize(
    "upload_id", ["upl_" + "i" * 26, "upl_" + "z" * 26, "upl_" + "0" * 25 + "A", "upl_" + "0" * 26 + "\n"]
)
def test_an_id_that_a_sibling_would_refuse_goes_no_further_than_the_door(
    world: World, route: str, upload_id: str
) -> None:
    answer = world.client.post(f"/v1/{route}", json={"upload_id": upload_id}, headers=bearer(new_id("usr")))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert world.told() == []


@pytest.mark.parametrize("position", ["x", "upl_" + "0" * 26, "job_" + "i" * 26, "'; --"])
def test_a_cursor_that_we_did_not_make_is_refused(world: World, position: str) -> None:
    answer = world.client.get(f"/v1/jobs?cursor={position}", headers=bearer(new_id("usr")))
    assert answer.status_code == 422


@pytest.fixture
def narrow(make_database: MakeDatabase) -> Iterator[World]:
    """An orchestrator with room for few jobs of an account."""
    clock = Clock()
    limits = {"open_jobs_per_account": 5, "waiting_jobs_per_account": 3}
    with running_world(make_database("orchestrator", clock=clock), clock, **limits) as world:
        yield world


def statuses(world: World, account: str, upload: str, count: int) -> list[int]:
    def post(_number: int) -> int:
        return int(world.client.post("/v1/jobs", json={"upload_id": upload}, headers=bearer(account)).status_code)

    with ThreadPoolExecutor(8) as pool:
        return sorted(pool.map(post, range(count)))


def test_open_jobs_of_an_account_are_bounded_under_parallel_requests(narrow: World) -> None:
    account = new_id("usr")
    upload = narrow.ready_upload(account)
    assert statuses(narrow, account, upload, 12) == [202] * 5 + [429] * 7
    refused = narrow.client.post("/v1/jobs", json={"upload_id": upload}, headers=bearer(account))
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("too_many_open_jobs", "10")
    other = new_id("usr")
    assert statuses(narrow, other, narrow.ready_upload(other), 1) == [202]


def test_jobs_that_wait_for_an_upload_are_bounded(narrow: World) -> None:
    account, upload = new_id("usr"), new_id("upl")
    narrow.hear(uploads_pb2.UploadCreated(upload_id=upload, account_id=account))
    assert statuses(narrow, account, upload, 8) == [202] * 3 + [429] * 5
    refused = narrow.client.post("/v1/jobs", json={"upload_id": upload}, headers=bearer(account))
    assert refused.json()["code"] == "too_many_waiting_jobs"
    narrow.make_ready(account, upload)
    assert statuses(narrow, account, upload, 3) == [202] * 2 + [429]


@pytest.mark.parametrize(
    ("word", "status"), [("ready", "reserving"), ("rejected", "rejected"), ("deleted", "rejected")]
)
def test_more_jobs_than_one_transaction_should_see_to_get_their_price_or_end_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, word: str, status: str
) -> None:
    monkeypatch.setattr(repository, "AT_ONCE", 2)
    account, upload = new_id("usr"), new_id("upl")
    world.hear(uploads_pb2.UploadCreated(upload_id=upload, account_id=account))
    jobs = [world.post_job(account, upload)["id"] for _ in range(5)]
    if word == "ready":
        world.make_ready(account, upload, seconds=10.0)
    elif word == "rejected":
        world.hear(uploads_pb2.UploadRejected(upload_id=upload, account_id=account, code="no_audio", reason="No."))
    else:
        world.hear(uploads_pb2.UploadDeleted(upload_id=upload, account_id=account))
    assert sum(world.job(job).price_credits is None and world.job(job).status == "reserving" for job in jobs) == 3
    with world.database.write() as session:
        session.execute(update(OUTBOX).values(published_at=session.now()))
    world.pass_time(120)
    assert {world.job(job).status for job in jobs} == {status}
    assert {world.job(job).price_credits for job in jobs} == ({10} if word == "ready" else {None})


def test_a_quote_of_a_preview_says_when_the_days_allowance_is_gone(world: World) -> None:
    account = new_id("usr")
    upload = world.ready_upload(account)

    def affordable(left: int | None) -> bool:
        told = billing_pb2.Balance(available_credits=0, version=1, previews_left=left)
        world.hear(billing_pb2.BalanceChanged(account_id=account, balance=told))
        asked = {"upload_id": upload, "mode": "preview"}
        return bool(world.client.post("/v1/quotes", json=asked, headers=bearer(account)).json()["affordable"])

    assert [affordable(left) for left in (None, 3, 0)] == [True, True, False]
    world.clock.advance(13 * 3600)
    answer = world.client.post("/v1/quotes", json={"upload_id": upload, "mode": "preview"}, headers=bearer(account))
    assert answer.json()["affordable"] is True


def test_what_a_deleted_upload_was_called_and_held_is_erased_once_no_job_needs_it(world: World) -> None:
    account = new_id("usr")
    job_id = world.running_job(WORKER, account)
    upload_id = world.job(job_id).upload_id
    world.hear(uploads_pb2.UploadDeleted(upload_id=upload_id, account_id=account))
    forgetter = Forgetter(world.database)
    forgetter.forget()

    def known() -> UploadView:
        with world.database.read() as session:
            return session.get_one(UploadView, upload_id)

    assert (known().filename, known().sha256) == (None, SHA256)
    world.hear(succeeded(WORKER, job_id, 1))
    assert world.job(job_id).status == "succeeded"
    forgetter.forget()
    assert (known().status, known().sha256, known().duration_seconds) == ("deleted", None, None)


def test_an_upload_of_one_account_is_not_told_anew_by_another(world: World) -> None:
    account, stranger = new_id("usr"), new_id("usr")
    upload = world.ready_upload(account, seconds=10.0)
    with pytest.raises(InvalidMessage):
        world.make_ready(stranger, upload, seconds=99.0)
    assert world.post_job(account, upload)["price_credits"] == 10


def test_the_key_of_a_job_that_was_deleted_tells_nothing_and_makes_nothing(world: World) -> None:
    account = new_id("usr")
    headers = {**bearer(account), "Idempotency-Key": "once"}
    order = {"upload_id": world.ready_upload(account), "metadata": {"title": "a secret"}}
    job = world.client.post("/v1/jobs", json=order, headers=headers).json()
    assert world.client.delete(f"/v1/jobs/{job['id']}", headers=headers).status_code == 204
    again = world.client.post("/v1/jobs", json=order, headers=headers)
    assert (again.status_code, again.json()["code"]) == (410, "job_deleted")
    with world.database.read() as session:
        assert "a secret" not in str(session.execute(select(IDEMPOTENCY)).all())


def test_a_job_that_cannot_be_placed_fails_and_the_others_are_placed(world: World) -> None:
    bad, good = world.queued_job(), world.queued_job()
    with world.database.write() as session:
        session.execute(update(UploadView).where(UploadView.id == world.job(bad).upload_id).values(sha256="no digest"))
    world.beat(WORKER)
    while world.dispatcher.place():
        pass
    assert (world.job(bad).status, world.job(bad).error_code) == ("failed", "internal")
    assert world.job(good).status == "running"
