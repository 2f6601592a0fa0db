"""Requests for jobs that are refused, and jobs that are nobody else's."""

from typing import Any

import pytest

from services.kit.events.errors import InvalidMessage
from services.kit.ids import new_id
from services.kit.protos import billing_pb2, uploads_pb2
from tests.databases import on_sqlite
from tests.services.orchestrator.world import World, bearer


def test_an_upload_that_does_not_exist_is_404(world: World) -> None:
    account, upload = new_id("usr"), new_id("upl")
    silent = world.client.post("/v1/quotes", json={"upload_id": upload}, headers=bearer(account))
    assert silent.status_code == 503
    assert "Retry-After" in silent.headers
    assert world.types_told() == ["UploadStatusRequested"]
    world.hear(uploads_pb2.UploadDeleted(upload_id=upload))
    for path in ("/v1/jobs", "/v1/quotes"):
        answer = world.client.post(path, json={"upload_id": upload}, headers=bearer(account))
        assert (answer.status_code, answer.json()["code"]) == (404, "upload_not_found")


def test_an_order_before_there_is_word_of_its_upload_waits_for_the_word(world: World) -> None:
    account, upload = new_id("usr"), new_id("upl")
    order = world.client.post("/v1/jobs", json={"upload_id": upload}, headers=bearer(account))
    assert (order.status_code, order.json()["status"], order.json()["price_credits"]) == (202, "reserving", None)
    assert "UploadStatusRequested" in world.types_told()

    world.make_ready(account, upload, seconds=10.0)
    assert world.job(order.json()["id"]).price_credits == 10
    assert "ReservationRequested" in world.types_told()


@pytest.mark.parametrize("owner", ["", new_id("usr")], ids=["nobody's", "somebody else's"])
def test_an_order_for_an_upload_that_turns_out_not_to_be_ones_own_is_rejected(world: World, owner: str) -> None:
    account, upload = new_id("usr"), new_id("upl")
    headers = {**bearer(account), "Idempotency-Key": "one"}
    order = world.client.post("/v1/jobs", json={"upload_id": upload}, headers=headers)
    assert order.status_code == 202
    if owner:
        world.make_ready(owner, upload)
    else:
        world.hear(uploads_pb2.UploadDeleted(upload_id=upload))

    job = world.client.get(f"/v1/jobs/{order.json()['id']}", headers=bearer(account)).json()
    assert job["status"] == "rejected"
    assert job["error"] == {"code": "upload_not_found", "message": "There is no such upload."}
    assert "job.rejected" in world.types_told()
    # Whoever orders it now is told so at once.
    again = world.client.post("/v1/jobs", json={"upload_id": upload}, headers=bearer(account))
    assert (again.status_code, again.json()["code"]) == (404, "upload_not_found")


@on_sqlite
def test_a_retry_is_told_to_an_address_only_while_its_owner_is_a_partner(world: World) -> None:
    account, url = new_id("usr"), "https://hooks.partner.com/stemwright?order=7"
    partner = bearer(f"{account}/partner")
    order = {"upload_id": world.ready_upload(account), "callback_url": url}
    job = world.client.post("/v1/jobs", json=order, headers=partner).json()["id"]
    world.client.post(f"/v1/jobs/{job}/cancel", headers=partner)

    for caller, told in ((bearer(account), None), (partner, url)):
        again = world.client.post(f"/v1/jobs/{job}/retry", headers=caller)
        assert again.status_code == 202
        assert again.json()["callback_url"] == told


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


@on_sqlite
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
        {"metadata": {str(number): "音" * 98 for number in range(14)}},
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


@on_sqlite
def test_notes_of_4096_bytes_are_kept(world: World) -> None:
    account = new_id("usr")
    notes = {f"{number:x}": "音" * 85 for number in range(16)}
    job = world.post_job(account, world.ready_upload(account), metadata=notes)
    assert sum(len((name + text).encode()) for name, text in notes.items()) == 4096
    assert job["metadata"] == notes


def test_made_up_uploads_are_asked_about_so_often_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs a record, an answer and a row; anybody can make up a thousand."""
    monkeypatch.setattr("services.orchestrator.uploads.service.UNKNOWN_A_MINUTE", 3)
    account, other = new_id("usr"), new_id("usr")

    def several(count: int) -> dict[str, Any]:
        return {"items": [{"upload_id": new_id("upl")} for _ in range(count)]}

    def send(path: str, body: dict[str, Any], account_id: str = account) -> Any:
        return world.client.post(path, json=body, headers=bearer(account_id))

    assert send("/v1/batches/quote", several(1000)).status_code == 503, "all of a batch may be lost here, once"
    world.told()
    for path, body in (
        ("/v1/batches/quote", lambda: several(1000)),
        ("/v1/batches", lambda: several(2)),
        ("/v1/quotes", lambda: {"upload_id": new_id("upl")}),
        ("/v1/jobs", lambda: {"upload_id": new_id("upl")}),
    ):
        refused = [send(path, body()) for _ in range(4)][-1]
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_unknown_uploads"), path
        assert refused.headers["retry-after"] == "60"
    asked = [event for event in world.told() if event.type.endswith("UploadStatusRequested")]
    assert len(asked) < 20, "of a thousand that were asked for again none was asked about"
    known = world.ready_upload(account)
    assert send("/v1/jobs", {"upload_id": known}).status_code == 202
    assert send("/v1/quotes", {"upload_id": new_id("upl")}, other).status_code == 503
    world.clock.advance(60)
    assert send("/v1/quotes", {"upload_id": new_id("upl")}).status_code == 503


@on_sqlite
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


@on_sqlite
@pytest.mark.parametrize("job_id", ["a%00b", "..%2Fx", "x" * 65, "%F0%9F%98%80"])
def test_an_id_that_is_none_is_refused(world: World, job_id: str) -> None:
    answer = world.client.get(f"/v1/jobs/{job_id}", headers=bearer(new_id("usr")))
    assert answer.status_code in (404, 422)


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
        ("GET", f"/v1/jobs/{job_id}/stem-file"),
        ("GET", f"/v1/jobs/{job_id}/mix"),
        ("GET", f"/v1/jobs/{job_id}/waveforms"),
        ("GET", f"/v1/jobs/{job_id}/manifest"),
        ("GET", f"/v1/jobs/{job_id}/playback"),
        ("GET", f"/v1/jobs/{job_id}/playback/vocals/0"),
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


def test_results_of_a_job_that_is_not_done_are_a_conflict(world: World) -> None:
    account = new_id("usr")
    job_id = world.post_job(account, world.ready_upload(account))["id"]
    for part in ("stems/vocals", "archive", "stem-file", "mix", "waveforms", "manifest"):
        answer = world.client.get(f"/v1/jobs/{job_id}/{part}", headers=bearer(account))
        assert (answer.status_code, answer.json()["code"]) == (409, "job_not_finished")


@on_sqlite
@pytest.mark.parametrize("route", ["quotes", "jobs"])
@pytest.mark.parametrize(
    "upload_id", ["upl_" + "i" * 26, "upl_" + "z" * 26, "upl_" + "0" * 25 + "A", "upl_" + "0" * 26 + "\n"]
)
def test_an_id_that_a_sibling_would_refuse_goes_no_further_than_the_route(
    world: World, route: str, upload_id: str
) -> None:
    answer = world.client.post(f"/v1/{route}", json={"upload_id": upload_id}, headers=bearer(new_id("usr")))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert world.told() == []


@on_sqlite
@pytest.mark.parametrize("position", ["x", "upl_" + "0" * 26, "job_" + "i" * 26, "'; --"])
def test_a_cursor_that_we_did_not_make_is_refused(world: World, position: str) -> None:
    answer = world.client.get(f"/v1/jobs?cursor={position}", headers=bearer(new_id("usr")))
    assert answer.status_code == 422


def test_an_upload_of_one_account_is_not_told_anew_by_another(world: World) -> None:
    account, stranger = new_id("usr"), new_id("usr")
    upload = world.ready_upload(account, seconds=10.0)
    with pytest.raises(InvalidMessage):
        world.make_ready(stranger, upload, seconds=99.0)
    assert world.post_job(account, upload)["price_credits"] == 10
