"""What is no batch: songs, rooms and addresses that are refused, and answers to strangers."""

from typing import Any

import pytest

from services.kit.ids import new_id
from services.kit.protos import billing_pb2
from tests.clocks import Clock
from tests.databases import MakeDatabase, on_sqlite
from tests.services.orchestrator.batches.songs import ADA, BALANCE, EVE, songs_of
from tests.services.orchestrator.world import World, bearer, running_world

PARTNER = f"{ADA}/partner"
INSIDE = (
    *("http://a.partner.com/", "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/"),
    *("https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/", "https://10.0.0.1/"),
    *("https://localhost/", "https://kafka:9092/", "https://a.default.svc.cluster.local/", "https://a.partner.com./"),
    *("https://metadata.google.internal/", "https://①②⑦.⓪.⓪.①/", "https://pаrtner.com/", "https://a.partner.com:22/"),
    *("https://u:p@partner.com/", "https://ok.com#@127.0.0.1", "https://ok.com\\@127.0.0.1", "https://ok.com/\n"),
)
"""Where nobody is called, in many spellings."""


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


def test_batches_have_room_of_their_own_and_no_more(make_database: MakeDatabase) -> None:
    clock = Clock()
    limits: dict[str, Any] = {"open_jobs_per_account": 1, "waiting_jobs_per_account": 1, "open_batches_per_account": 2}
    with running_world(make_database("orchestrator", clock=clock), clock, **limits) as world:
        upload, coming = world.ready_upload(ADA), world.pending_upload(ADA)
        first = world.post_batch(ADA, [upload, coming, coming])
        second = world.post_batch(ADA, [upload] * 3)
        # Whose songs are in nobody's way.
        world.post_job(ADA, upload)
        answer = world.client.post("/v1/batches", json={"items": [{"upload_id": upload}]}, headers=bearer(ADA))
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_open_batches")
        assert "retry-after" in answer.headers
        world.post_batch(EVE, [world.ready_upload(EVE)])
        # What costs nothing leaves room only when all have done what there is to do about it.
        world.hear(
            billing_pb2.BatchReservationRefused(
                batch_id=second["id"], account_id=ADA, code="insufficient_credits", detail="Too few.", balance=BALANCE
            )
        )
        answer = world.client.post("/v1/batches", json={"items": [{"upload_id": upload}]}, headers=bearer(ADA))
        assert answer.json()["code"] == "too_many_open_batches"
        for job in songs_of(world, second)["items"]:
            world.settle(job["id"], billing_pb2.SETTLEMENT_RELEASED)
        world.post_batch(ADA, [upload])
        world.client.post(f"/v1/batches/{first['id']}/cancel", headers=bearer(ADA))
        for job in songs_of(world, first)["items"]:
            world.settle(job["id"], billing_pb2.SETTLEMENT_RELEASED)
        world.post_batch(ADA, [upload])


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
