"""Jobs from the API's and the siblings' side, on a real database."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from separation.models.mask.plan import PatchPlan
from separation.settings import SeparationSettings
from services.kit.ids import new_id
from services.kit.migrations import drift
from services.kit.playback import SEGMENT_SECONDS
from services.kit.protos import billing_pb2, uploads_pb2
from services.kit.tables import IDEMPOTENCY
from services.orchestrator.jobs.previews import preview_window
from services.orchestrator.results.deletions import Forgetter
from services.orchestrator.settings import Settings
from services.orchestrator.tables import Base
from services.orchestrator.uploads.models import KnownUpload
from tests.bench.test_capacity import UNET
from tests.databases import on_sqlite
from tests.services.orchestrator.siblings import SHA256, failed, succeeded
from tests.services.orchestrator.world import World, bearer

WORKER = new_id("wrk")


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


@on_sqlite
def test_a_window_that_is_too_long_is_told_as_such(world: World) -> None:
    account = new_id("usr")
    preview = {"start_seconds": 0, "duration_seconds": 31}
    body = {"upload_id": world.ready_upload(account), "mode": "preview", "preview": preview}
    refused = world.client.post("/v1/jobs", json=body, headers=bearer(account))
    assert (refused.status_code, refused.json()["code"]) == (422, "preview_outside_song")
    assert "or is too long" in refused.json()["title"]
    assert refused.json()["detail"] == "a preview is at most 30 seconds long"


@on_sqlite
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
    assert job["preview"] == {"start_seconds": 31.0, "duration_seconds": 30.0}
    world.grant(job)
    world.beat(WORKER)
    world.told()
    world.dispatcher.place()
    assigned = world.told()[0].data
    assert (assigned.window.start_seconds, assigned.window.duration_seconds) == (31.0, 30.0)
    assert list(assigned.stems) == ["vocals", "instrumental", "mixture"]


@pytest.mark.parametrize(
    ("seconds", "voice", "start"),
    [
        (240.0, 180.0, 177.286),
        (240.0, 0.0, 0.0),
        (240.0, 210.0, 208.633),
        (45.0, 15.0, 10.102),
        (30.5, 0.5, 0.0),
        (8.0, None, 0.0),
    ],
)
def test_a_preview_begins_near_to_where_someone_sings(
    world: World, seconds: float, voice: float | None, start: float
) -> None:
    account = new_id("usr")
    job = world.post_job(account, world.ready_upload(account, seconds=seconds, voice=voice), mode="preview")
    assert job["preview"] == {"start_seconds": start, "duration_seconds": min(30.0, seconds - start)}


@pytest.mark.parametrize("voice", [None, *range(0, 271, 15)])
def test_one_patch_of_the_network_is_all_that_the_first_sound_of_a_preview_waits_for(voice: float | None) -> None:
    settings = Settings.model_construct()
    start, _ = preview_window(settings, KnownUpload(duration_seconds=320.0, voice_start_seconds=voice), None, None)
    first = round(start * UNET.sample_rate_hz)
    plan = PatchPlan(
        UNET,
        SeparationSettings(),
        channel_names=("FL", "FR"),
        begin=first,
        end=first + round(SEGMENT_SECONDS * UNET.sample_rate_hz),
    )
    assert plan.first_patch == plan.last_patch


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
    assert quote["reason"] == "insufficient_credits"
    assert world.post_job(account, upload)["price_credits"] == 91


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
    job_id = world.running_job(WORKER, account)
    path = f"/v1/jobs/{job_id}/feedback"
    early = world.client.put(path, json={"rating": 4}, headers=bearer(account))
    assert (early.status_code, early.json()["code"]) == (409, "job_not_finished")
    world.hear(succeeded(WORKER, job_id, 1))
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


@pytest.mark.parametrize("end", ["failed", "canceled"])
def test_there_is_no_feedback_on_a_job_without_stems(world: World, end: str) -> None:
    account = new_id("usr")
    job_id = world.running_job(WORKER, account)
    if end == "failed":
        world.hear(failed(WORKER, job_id, 1, "audio_undecodable", retryable=False))
    else:
        world.client.post(f"/v1/jobs/{job_id}/cancel", headers=bearer(account))
    assert world.job(job_id).status == end
    answer = world.client.put(f"/v1/jobs/{job_id}/feedback", json={"rating": 1}, headers=bearer(account))
    assert (answer.status_code, answer.json()["code"]) == (409, "job_not_finished")


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


def test_each_event_of_a_stream_has_the_whole_job_as_it_was_then(world: World) -> None:
    account = new_id("usr")
    job_id = world.running_job(WORKER, account)
    world.hear(succeeded(WORKER, job_id, 1))
    told = world.client.get(f"/internal/jobs/{job_id}/events", headers=bearer(account)).json()
    now = world.client.get(f"/v1/jobs/{job_id}", headers=bearer(account)).json()
    queued, started, done = (event["job"] for event in told["events"])
    assert done == told["job"] == now
    assert queued.keys() == started.keys() == now.keys()
    assert [job["status"] for job in (queued, started, done)] == ["queued", "running", "succeeded"]
    assert [len(job["stems"]) for job in (queued, started, done)] == [0, 0, 2]
    assert (queued["started_at"], queued["attempt"], queued["quality"]) == (None, 0, None)
    assert (started["started_at"], started["finished_at"]) == (now["started_at"], None)


@on_sqlite
def test_a_job_tells_key_tempo_and_level_of_its_song(world: World) -> None:
    account = new_id("usr")
    told = {"key": "F# minor", "camelot": "11A", "tempo_bpm": 127.9, "loudness_lufs": -9.1, "peak_dbfs": None}

    def analysis(job_id: str) -> Any:
        return world.client.get(f"/v1/jobs/{job_id}", headers=bearer(account)).json()["analysis"]

    made = world.running_job(WORKER, account)
    assert analysis(made) is None
    world.hear(succeeded(WORKER, made, 1, analysis=told))
    assert analysis(made) == told
    older = world.running_job(WORKER, account)
    world.hear(succeeded(WORKER, older, 1))
    assert analysis(older) is None


@on_sqlite
@pytest.mark.parametrize(
    ("stems", "quality", "exact"),
    [
        (["vocals", "instrumental"], {"null_residual_dbfs": None, "null_measured": "in_files"}, True),
        (["vocals", "instrumental"], {"null_residual_dbfs": None, "null_measured": "before_encoding"}, False),
        (["vocals", "instrumental"], {"null_residual_dbfs": -96.3, "null_measured": "in_files"}, False),
        (["vocals"], {"null_residual_dbfs": None, "null_measured": "in_files"}, None),
    ],
)
def test_a_job_says_in_a_word_whether_its_stems_sum_to_the_song(
    world: World, stems: list[str], quality: dict[str, Any], exact: bool | None
) -> None:
    account = new_id("usr")
    made = world.running_job(WORKER, account, stems=stems)
    world.hear(succeeded(WORKER, made, 1, quality=quality))
    answer = world.client.get(f"/v1/jobs/{made}", headers=bearer(account)).json()
    assert answer["requested_stems"] == stems
    assert answer["expires_at"] is None
    assert answer["quality"] == {**quality, "sum_is_exact": exact}


def test_where_a_stem_is_can_be_asked_for(world: World) -> None:
    account = new_id("usr")
    job_id = world.running_job(WORKER, account)
    world.hear(succeeded(WORKER, job_id, 1))
    world.storage.objects[f"stems/{job_id}/1/vocals.flac"] = b"0123456789"
    path = f"/v1/jobs/{job_id}/stems/vocals"
    link = world.client.get(path, headers={**bearer(account), "Accept": "application/json"})
    assert link.status_code == 200
    assert (link.json()["size_bytes"], link.json()["sha256"]) == (10, "b" * 64)
    assert datetime.fromisoformat(link.json()["expires_at"]) > datetime.now(UTC)
    followed = world.client.get(path, headers=bearer(account))
    assert (followed.status_code, followed.headers["location"]) == (307, link.json()["url"])
    assert link.headers["vary"] == followed.headers["vary"] == "Accept"


def test_a_quote_of_a_preview_says_when_the_days_allowance_is_gone(world: World) -> None:
    account = new_id("usr")
    upload = world.ready_upload(account)

    def affordable(left: int | None) -> bool:
        told = billing_pb2.Balance(available_credits=0, version=1, previews_left=left)
        world.hear(billing_pb2.BalanceChanged(account_id=account, balance=told))
        asked = {"upload_id": upload, "mode": "preview"}
        return bool(world.client.post("/v1/quotes", json=asked, headers=bearer(account)).json()["affordable"])

    assert [affordable(left) for left in (None, 3, 0)] == [True, True, False]
    answer = world.client.post("/v1/quotes", json={"upload_id": upload, "mode": "preview"}, headers=bearer(account))
    assert answer.json()["reason"] == "preview_allowance_exhausted"
    world.clock.advance(13 * 3600)
    answer = world.client.post("/v1/quotes", json={"upload_id": upload, "mode": "preview"}, headers=bearer(account))
    assert answer.json()["affordable"] is True


def test_what_a_deleted_upload_was_called_and_held_is_erased_once_no_job_needs_it(world: World) -> None:
    account = new_id("usr")
    job_id = world.running_job(WORKER, account)
    upload_id = world.job(job_id).upload_id
    world.hear(uploads_pb2.UploadDeleted(upload_id=upload_id, account_id=account))
    forgetter = Forgetter(world.database, world.settings)
    forgetter.forget()

    def known() -> KnownUpload:
        with world.database.read() as session:
            return session.get_one(KnownUpload, upload_id)

    assert (known().filename, known().sha256) == (None, SHA256)
    world.hear(succeeded(WORKER, job_id, 1))
    assert world.job(job_id).status == "succeeded"
    forgetter.forget()
    assert (known().status, known().sha256, known().duration_seconds) == ("deleted", None, None)


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


def test_the_deletion_of_a_job_is_told_once_and_without_what_was_noted_on_it(world: World) -> None:
    job_id = world.queued_job(metadata={"title": "a secret"})
    account = world.account_of(job_id)
    queued = next(event for event in world.told() if event.type == "job.queued")
    assert world.client.delete(f"/v1/jobs/{job_id}", headers=bearer(account)).status_code == 204

    [deleted] = [event for event in world.told() if event.type == "job.deleted"]
    job = queued.data["job"]
    assert (job["model"]["name"], job["audio_seconds"], job["retry_of"]) == ("spleeter-2stems", 90.5, None)
    assert deleted.data["job"] == {
        **job,
        **{name: deleted.data["job"][name] for name in ("status", "finished_at")},
        "metadata": None,
    }
    assert (deleted.key, deleted.subject, deleted.data["job"]["status"]) == (account, job_id, "canceled")


@pytest.mark.parametrize(
    ("search", "found"),
    [("song", 2), ("SONG", 2), ("g.mp", 1), ("100%", 1), ("%", 1), ("_", 0), ("other", 0), ("' OR 1=1 --", 0)],
)
def test_jobs_are_found_by_part_of_their_songs_name(world: World, search: str, found: int) -> None:
    account, stranger = new_id("usr"), new_id("usr")
    for owner, filename in ((account, "Song.mp3"), (account, "My song 100%.wav"), (stranger, "Song.mp3")):
        upload = world.pending_upload(owner)
        world.make_ready(owner, upload, filename=filename)
        world.post_job(owner, upload)
    world.post_job(account, world.pending_upload(account))  # whose name is not known yet
    answer = world.client.get("/v1/jobs", params={"search": search}, headers=bearer(account))
    assert len(answer.json()["items"]) == found
    first = world.client.get("/v1/jobs", params={"search": search, "limit": 1}, headers=bearer(account)).json()
    assert (first["next_cursor"] is not None) == (found > 1)
