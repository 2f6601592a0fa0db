"""Batches of songs that are named by their addresses, and of uploads of which there is no word yet."""

from typing import Any

import pytest

from services.kit.ids import new_id
from services.kit.protos import billing_pb2, uploads_pb2
from services.orchestrator.uploads import repository as upload_rows
from tests.databases import on_sqlite
from tests.erasing import publish
from tests.services.orchestrator.batches.songs import ADA, BALANCE, EVE, songs_of, told
from tests.services.orchestrator.batches.test_refusals import INSIDE
from tests.services.orchestrator.world import World, bearer

URL = "https://music.partner.com/song.flac?key=secret"


def order(world: World, items: list[Any], token: str = ADA, path: str = "/v1/batches", **more: Any) -> Any:
    return world.client.post(path, json={"items": items, **more}, headers=bearer(token))


def source_of(world: World, upload_id: str) -> str | None:
    with world.database.read() as session:
        upload = upload_rows.upload(session, upload_id)
    assert upload is not None
    return upload.source_url


def test_a_song_by_address_becomes_an_upload_and_is_waited_for(world: World) -> None:
    here = world.ready_upload(ADA, seconds=10)
    world.told()
    answer = order(world, [{"source_url": URL}, {"upload_id": here}])
    assert (answer.status_code, answer.json()["status"]) == (202, "reserving"), answer.text
    (asked,) = told(world, "UploadFetchRequested")
    assert (asked.account_id, asked.source_url) == (ADA, URL)
    batch = songs_of(world, answer.json())
    assert [job["upload_id"] for job in batch["items"]] == [asked.upload_id, here]
    assert "secret" not in str(batch)

    world.hear(uploads_pb2.UploadCreated(upload_id=asked.upload_id, account_id=ADA))
    world.make_ready(ADA, asked.upload_id, seconds=20)
    (hold,) = told(world, "BatchReservationRequested")
    assert [share.price_credits for share in hold.shares] == [20, 10]
    world.grant_batch(batch, ADA)
    assert songs_of(world, batch)["counts"]["queued"] == 2


def test_the_order_is_repeated_until_it_was_heard_and_then_forgotten(world: World) -> None:
    order(world, [{"source_url": URL}])
    (asked,) = told(world, "UploadFetchRequested")
    world.pass_time(world.settings.ask_again_seconds + 1)
    (again,) = told(world, "UploadFetchRequested")
    assert again == asked
    assert source_of(world, asked.upload_id) == URL

    world.hear(uploads_pb2.UploadCreated(upload_id=asked.upload_id, account_id=ADA))
    assert source_of(world, asked.upload_id) is None, "its query may be a secret"
    publish(world.database)
    world.pass_time(15)
    types = world.types_told()
    assert "UploadFetchRequested" not in types
    assert "UploadStatusRequested" in types


def test_a_song_that_cannot_be_fetched_takes_no_other_with_it(world: World) -> None:
    batch = order(world, [{"source_url": URL}, {"source_url": URL}]).json()
    gone, good = (asked.upload_id for asked in told(world, "UploadFetchRequested"))
    assert gone != good
    world.hear(
        uploads_pb2.UploadRejected(upload_id=gone, account_id=ADA, code="source_refused", reason="It answers 404.")
    )
    world.make_ready(ADA, good, seconds=20)
    batch = songs_of(world, batch)
    assert (batch["price_credits"], batch["counts"]["rejected"]) == (20, 1)
    assert batch["items"][0]["error"]["message"] == "It answers 404."


def test_the_same_key_has_a_song_fetched_once(world: World) -> None:
    headers = {**bearer(ADA), "Idempotency-Key": "album-7"}
    first, again = (
        world.client.post("/v1/batches", json={"items": [{"source_url": URL}]}, headers=headers) for _ in range(2)
    )
    assert first.json()["id"] == again.json()["id"]
    assert len(told(world, "UploadFetchRequested")) == 1


@on_sqlite
@pytest.mark.parametrize("url", INSIDE)
def test_nothing_is_fetched_from_inside(world: World, url: str) -> None:
    answer = order(world, [{"source_url": URL}, {"source_url": url}])
    assert (answer.status_code, answer.json()["code"], answer.json()["item"]) == (422, "source_not_allowed", 1)
    assert world.told() == []


@on_sqlite
@pytest.mark.parametrize("item", [{}, {"upload_id": new_id("upl"), "source_url": URL}, {"source_url": None}])
def test_a_song_is_named_in_one_way(world: World, item: Any) -> None:
    answer = order(world, [item])
    assert answer.status_code == 422
    assert "either upload_id or source_url" in answer.text


@on_sqlite
def test_a_key_that_may_not_upload_names_no_addresses(world: World) -> None:
    answer = order(world, [{"source_url": URL}], token=f"{ADA}/user/jobs")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert order(world, [{"upload_id": world.ready_upload(ADA)}], token=f"{ADA}/user/jobs").status_code == 202


def test_what_is_yet_to_be_fetched_has_no_price(world: World) -> None:
    world.hear(billing_pb2.BalanceChanged(account_id=ADA, balance=BALANCE))
    items = [{"upload_id": world.ready_upload(ADA)}, {"source_url": URL}]
    answer = order(world, items, path="/v1/batches/quote")
    assert (answer.status_code, answer.json()["code"], answer.json()["item"]) == (409, "upload_not_ready", 1)
    world.told()


def test_an_upload_without_word_is_waited_for_as_by_a_single_job(world: World) -> None:
    here, unheard = world.ready_upload(ADA, seconds=10), new_id("upl")
    answer = order(world, [{"upload_id": here}, {"upload_id": unheard}])
    assert answer.status_code == 202, answer.text
    assert told(world, "UploadStatusRequested")[0].upload_id == unheard
    world.hear(uploads_pb2.UploadCreated(upload_id=unheard, account_id=ADA))
    world.make_ready(ADA, unheard, seconds=20)
    assert songs_of(world, answer.json())["price_credits"] == 30


@pytest.mark.parametrize("owner", [EVE, ""], ids=["anothers", "none"])
def test_one_that_turns_out_to_be_anothers_or_none_is_rejected_alone(world: World, owner: str) -> None:
    here, unheard = world.ready_upload(ADA, seconds=10), new_id("upl")
    batch = order(world, [{"upload_id": here}, {"upload_id": unheard}]).json()
    word = uploads_pb2.UploadCreated if owner else uploads_pb2.UploadDeleted
    world.hear(word(upload_id=unheard, account_id=owner))
    world.pass_time(world.settings.ask_again_seconds + 1)
    batch = songs_of(world, batch)
    assert (batch["counts"]["rejected"], batch["price_credits"]) == (1, 10)
    assert batch["items"][1]["error"]["code"] == "upload_not_found"


def test_a_quote_of_an_upload_without_word_is_asked_for_again(world: World) -> None:
    """Whether there is such an upload is not known: neither 404 nor 409 would be true."""
    answer = order(world, [{"upload_id": new_id("upl")}], path="/v1/batches/quote")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
