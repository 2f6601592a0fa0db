"""What a batch costs: as quoted, and as ordered."""

from services.kit.protos import billing_pb2
from tests.services.orchestrator.batches.songs import ADA, BALANCE, EVE, end
from tests.services.orchestrator.siblings import rate
from tests.services.orchestrator.world import World, bearer


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


def test_an_address_that_no_order_may_name_is_refused_in_a_quote_too(world: World) -> None:
    song = {"upload_id": world.ready_upload(ADA)}
    for body, status, code in (
        ({"items": [song], "callback_url": "AAA"}, 403, "callbacks_for_partners"),
        ({"items": [song, {"source_url": "https://10.0.0.1/song.wav"}]}, 422, "source_not_allowed"),
    ):
        answer = world.client.post("/v1/batches/quote", json=body, headers=bearer(ADA))
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_previews_are_quoted_by_what_is_left_of_the_day(world: World) -> None:
    left = billing_pb2.Balance(available_credits=0, version=1, previews_left=2)
    world.hear(billing_pb2.BalanceChanged(account_id=ADA, balance=left))
    upload = world.ready_upload(ADA)
    for number, reason in ((2, None), (3, "preview_allowance_exhausted")):
        body = {"items": [{"upload_id": upload}] * number, "mode": "preview"}
        quote = world.client.post("/v1/batches/quote", json=body, headers=bearer(ADA)).json()
        assert (quote["price_credits"], quote["reason"], quote["previews_left"]) == (0, reason, 2)


def test_a_preview_is_deducted_once_though_its_song_is_named_twice(world: World) -> None:
    upload = world.ready_upload(ADA, seconds=100)
    preview = world.post_job(ADA, upload, mode="preview")
    world.grant(preview)
    end(world, preview["id"])
    batch = world.post_batch(ADA, [upload, upload])
    assert batch["price_credits"] == 100 + 70
