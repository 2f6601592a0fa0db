"""Addresses that an order named are told of its end, by the rules of webhooks."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import ACCOUNTS, JOBS_EVENTS
from services.kit.protos import accounts_pb2
from services.notifier.callbacks import service as callbacks
from services.notifier.events.pruning import Pruner
from services.notifier.models import Base
from tests.databases import on_sqlite
from tests.erasing import everything_in, hear
from tests.ids import numbered
from tests.messages import sample
from tests.services.notifier.conftest import ADA, BEGIN, BOB, Notifier, job_event
from tests.services.notifier.sending import dispatching
from tests.services.notifier.sink import Sink, sink, until

JOB, BATCH = numbered("job", 1), numbered("bat", 1)


def batch_event(url: str | None = None) -> OutgoingEvent:
    """What the orchestrator says of a batch that is over."""
    batch = {
        "id": BATCH,
        "account_id": ADA,
        "status": "completed",
        "mode": "full",
        "tier": "fast",
        "songs": 3,
        "counts": {"succeeded": 2, "failed": 1},
        "price_credits": 300,
        "charged_credits": 200,
        "created_at": BEGIN.isoformat(),
        "queued_at": BEGIN.isoformat(),
        "finished_at": BEGIN.isoformat(),
        "error": None,
        "metadata": {"album": "7"},
        "callback_url": url,
    }
    return OutgoingEvent(JOBS_EVENTS, ADA, {"batch": batch}, type="batch.completed", subject=BATCH)


def sent(notifier: Notifier, token: str = ADA, **query: Any) -> list[Any]:
    items: list[Any] = notifier.get("/v1/callbacks/deliveries", token, **query)["items"]
    return items


def test_the_end_of_an_order_is_told_to_its_address_and_nothing_else_is(notifier: Notifier, partner: Sink) -> None:
    secret = notifier.call("POST", "/v1/callbacks/rotate-secret")["secret"]
    url = f"{partner.url}/done?order=7"
    with dispatching(notifier):
        for kind in ("queued", "started", "succeeded"):
            notifier.hear(job_event(kind, JOB, callback_url=url))
        notifier.hear(batch_event(url), batch_event(url))
        until(lambda: len(sent(notifier, status="succeeded")) == 2, "both callbacks")

    told = {received.event["type"]: received for received in partner.received}
    assert sorted(told) == ["batch.completed", "job.succeeded"]
    assert len(partner.received) == 2
    feed = {event["id"]: event for event in notifier.feed()}
    for received in told.values():
        assert received.path == "/done?order=7"
        assert received.signed_by(secret)
        assert received.event == feed[received.headers["webhook-id"]]
    # Where it is told is no part of the event.
    assert all("callback_url" not in str(event["data"]) for event in feed.values())
    batch = told["batch.completed"].event["data"]["batch"]
    assert (batch["link"], batch["charged_credits"]) == (f"/v1/batches/{BATCH}", 200)
    assert {delivery["callback_url"] for delivery in sent(notifier)} == {url}
    assert [delivery["attempts"][0]["status_code"] for delivery in sent(notifier)] == [204, 204]
    assert sent(notifier, BOB) == []


def test_a_queue_of_callbacks_is_a_webhook_endpoint_to_nobody(notifier: Notifier) -> None:
    notifier.hear(job_event("succeeded", JOB, callback_url="https://hooks.partner.com/a"))
    [delivery] = sent(notifier)
    assert notifier.get("/v1/webhook-endpoints")["items"] == []
    path = f"/v1/webhook-endpoints/{delivery['endpoint_id']}"
    notifier.call("PATCH", path, json={"url": "https://elsewhere.com/"}, status=404)
    notifier.call("DELETE", path, status=404)
    notifier.call("POST", f"{path}/rotate-secret", status=404)
    # Nor does it hear what endpoints hear.
    notifier.hear(job_event("succeeded", numbered("job", 2)))
    assert len(sent(notifier)) == 1


def test_a_rotated_secret_signs_beside_the_one_before_for_a_day(notifier: Notifier, partner: Sink) -> None:
    made = notifier.call("POST", "/v1/callbacks/rotate-secret")
    assert made["previous_secret_until"] is None, "there was none before"
    rotated = notifier.call("POST", "/v1/callbacks/rotate-secret")
    assert datetime.fromisoformat(rotated["previous_secret_until"]) == notifier.clock.now + timedelta(hours=24)
    first, second = made["secret"], rotated["secret"]
    assert second not in everything_in(notifier.database, Base.metadata)
    with dispatching(notifier):
        notifier.hear(batch_event(partner.url))
        until(lambda: sent(notifier, status="succeeded"), "the first callback")
        notifier.clock.advance(hours=25)
        notifier.hear(job_event("succeeded", JOB, at=notifier.clock.now, callback_url=partner.url))
        until(lambda: len(partner.received) == 2, "the second")
    both, later = partner.received
    assert both.signed_by(first)
    assert both.signed_by(second)
    assert later.signed_by(second)
    assert not later.signed_by(first)


def test_an_address_that_is_gone_is_given_up_alone_and_can_be_tried_again(notifier: Notifier, partner: Sink) -> None:
    with sink() as gone, dispatching(notifier):
        gone.answer = lambda _: (410, {})
        notifier.hear(batch_event(f"{gone.url}/a"))
        notifier.hear(job_event("succeeded", JOB, callback_url=f"{partner.url}/b"))
        until(lambda: {delivery["status"] for delivery in sent(notifier)} == {"failed", "succeeded"}, "both ends")
        gone.answer = lambda _: (204, {})
        [failed] = sent(notifier, status="failed")
        notifier.call("POST", f"/v1/webhook-deliveries/{failed['id']}/redeliver", status=202)
        until(lambda: len(sent(notifier, status="succeeded")) == 2, "the redelivery")
    assert "webhook_endpoint.disabled" not in notifier.types()


def test_what_fails_is_tried_again_by_the_schedule(notifier: Notifier, partner: Sink) -> None:
    partner.answer = lambda _: (500, {})
    with dispatching(notifier):
        notifier.hear(batch_event(partner.url))
        until(lambda: [len(d["attempts"]) for d in sent(notifier, status="pending")] == [1], "the first try")
        [delivery] = sent(notifier)
        assert delivery["due_at"] is not None
        partner.answer = lambda _: (204, {})
        notifier.clock.advance(seconds=10)
        until(lambda: len(sent(notifier, status="succeeded")) == 1, "the second try")


@on_sqlite
def test_beyond_so_many_hosts_the_others_share_a_queue(notifier: Notifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "MOST_HOSTS", 2)
    for number in range(1, 6):
        url = f"https://host-{number}.partner.com/a"
        notifier.hear(job_event("succeeded", numbered("job", number), callback_url=url))
    notifier.hear(job_event("failed", numbered("job", 6), callback_url="https://HOST-1.partner.com/b"))
    queues = {delivery["callback_url"]: delivery["endpoint_id"] for delivery in sent(notifier)}
    assert len(queues) == 6
    assert len(set(queues.values())) == 3
    assert queues["https://HOST-1.partner.com/b"] == queues["https://host-1.partner.com/a"]
    # A queue that nothing is known of any more goes.
    notifier.clock.advance(days=31)
    Pruner(notifier.database, kept=timedelta(days=30)).prune()
    assert "partner.com" not in everything_in(notifier.database, Base.metadata)


def test_who_is_no_partner_any_more_is_not_called_back_for_what_was_ordered_before(notifier: Notifier) -> None:
    url = "https://hooks.partner.com/a"
    notifier.hear(job_event("succeeded", JOB, callback_url=url))
    changed = sample(accounts_pb2.AccountChanged)
    changed.account_id = ADA
    del changed.roles[:]
    changed.roles.append("user")
    changed.changed_at.FromDatetime(BEGIN + timedelta(seconds=1))
    notifier.hear(OutgoingEvent(ACCOUNTS, ADA, changed))
    assert [delivery["status"] for delivery in sent(notifier)] == ["failed"]
    notifier.hear(job_event("succeeded", numbered("job", 2), callback_url=url))
    assert len(sent(notifier)) == 1
    # A partner again: what is ordered from then on is told.
    later = BEGIN + timedelta(seconds=2)
    notifier.hear(job_event("succeeded", numbered("job", 3), at=later, callback_url=url))
    assert len(sent(notifier)) == 2


@on_sqlite
def test_only_partners_with_the_scope_see_and_rotate(notifier: Notifier) -> None:
    for token in (f"{ADA}:user", f"{ADA}:events"):
        notifier.call("POST", "/v1/callbacks/rotate-secret", token, status=403)
        notifier.call("GET", "/v1/callbacks/deliveries", token, status=403)


def test_an_erasure_takes_addresses_and_secret(notifier: Notifier) -> None:
    notifier.call("POST", "/v1/callbacks/rotate-secret")
    notifier.hear(batch_event("https://hooks.partner.com/a"))
    hear(notifier.eraser, ADA)
    assert notifier.eraser.erase()
    left = everything_in(notifier.database, Base.metadata)
    assert "partner.com" not in left
    assert BATCH not in left
