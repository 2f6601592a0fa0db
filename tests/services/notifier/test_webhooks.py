"""Webhooks from the outside: a partner's server, and the API beside it."""

import re
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from services.gateway.proxy import MAX_ANSWER_BYTES
from services.kit.database import ReadSession, WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import ACCOUNTS
from services.kit.ids import new_id
from services.kit.protos import accounts_pb2
from services.kit.telemetry import current_traceparent, span
from services.notifier.deliveries import repository
from services.notifier.deliveries.dispatcher import ANSWER_BYTES
from services.notifier.deliveries.models import Attempt
from services.notifier.deliveries.repository import delete_some
from services.notifier.deliveries.schedule import ATTEMPTS_KEPT, DELAYS, pause_after, wish_in
from services.notifier.endpoints.routes import EXAMPLE
from services.notifier.erasing import Forgetting
from services.notifier.events.pruning import Pruner
from services.notifier.models import Base
from services.notifier.settings import Settings
from tests.databases import PATIENCE_SECONDS, on_sqlite
from tests.erasing import everything_in
from tests.ids import numbered
from tests.messages import sample
from tests.services.notifier.asking import ENDPOINTS, add, deliveries, letters, settled, tried
from tests.services.notifier.conftest import ADA, BEGIN, BOB, Notifier, job_event
from tests.services.notifier.sending import dispatching
from tests.services.notifier.sink import Sink, until
from tests.steps import steps_of

JOB = numbered("job", 1)


def documented_check() -> Callable[[str, dict[str, str], bytes], bool]:
    """The function by which docs/events.md has partners verify signatures."""
    page = (Path(__file__).parents[3] / "docs" / "events.md").read_text(encoding="utf-8")
    [block] = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "def verified" in block]
    program: dict[str, Any] = {}
    exec(block, program)
    check: Callable[[str, dict[str, str], bytes], bool] = program["verified"]
    return check


def test_an_event_arrives_signed_as_it_stands_in_the_feed(notifier: Notifier, partner: Sink) -> None:
    endpoint = add(notifier, f"{partner.url}/hook", event_types=["job.succeeded"])
    with dispatching(notifier):
        notifier.hear(job_event("started", JOB), job_event("succeeded", JOB, metadata={"title": "Grüße"}))
        until(lambda: partner.received and settled(notifier, endpoint), "the webhook")

    [received] = partner.received
    event = next(event for event in notifier.feed() if event["type"] == "job.succeeded")
    assert received.event == event
    assert received.headers["webhook-id"] == event["id"]
    assert received.headers["content-type"] == "application/json"
    assert received.signed_by(endpoint["secret"])
    assert len(received.signatures) == 1
    verified = documented_check()
    assert verified(endpoint["secret"], received.headers, received.body)
    assert not verified(endpoint["secret"], received.headers, received.body + b" ")
    assert not verified(endpoint["secret"], {**received.headers, "webhook-timestamp": "0"}, received.body)
    [delivery] = deliveries(notifier, endpoint)
    assert (delivery["status"], delivery["sequence"], delivery["event"]) == ("succeeded", 2, event)
    assert [(attempt["status_code"], attempt["problem"]) for attempt in delivery["attempts"]] == [(204, None)]
    assert delivery["attempts"][0]["url"] == f"{partner.url}/hook"


def test_a_webhook_goes_on_with_the_trace_of_what_it_tells(notifier: Notifier, partner: Sink) -> None:
    endpoint = add(notifier, f"{partner.url}/hook", event_types=["job.succeeded"])
    with span("an order"):
        ordered = current_traceparent()
        notifier.hear(job_event("succeeded", JOB))
    with dispatching(notifier):
        until(lambda: partner.received and settled(notifier, endpoint), "the webhook")
    assert ordered is not None
    [received] = partner.received
    version, trace_id, span_id, _ = received.headers["traceparent"].split("-")
    assert (version, trace_id) == ("00", ordered.split("-")[1])
    assert span_id != ordered.split("-")[2]


def test_no_answer_but_the_first_has_the_secret_and_the_database_has_it_sealed(notifier: Notifier) -> None:
    wanted: dict[str, Any] = {"json": EXAMPLE, "headers": {"Idempotency-Key": "once"}}
    made = notifier.call("POST", ENDPOINTS, status=201, **wanted)
    again = notifier.call("POST", ENDPOINTS, status=201, **wanted)

    assert made["secret"].startswith("whsec_")
    assert made == again
    [listed] = notifier.get(ENDPOINTS)["items"]
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    assert notifier.get("/internal/webhook-endpoints", f"{ADA}:user")["items"] == [listed]
    changed = notifier.call("PATCH", f"{ENDPOINTS}/{made['id']}", json={"description": "ours"})
    assert "secret" not in changed
    assert made["secret"] not in everything_in(notifier.database, Base.metadata)


def test_what_fails_is_tried_by_the_schedule_under_one_id_and_then_again_by_hand(
    notifier: Notifier, partner: Sink
) -> None:
    partner.answer = lambda _received: (500, {})
    endpoint = add(notifier, f"{partner.url}/hook")
    with dispatching(notifier):
        notifier.hear(job_event("succeeded", JOB))
        for number, delay in enumerate(DELAYS, start=1):
            # A view reads the delivery first and its attempts after it: a new one may come with the time before.
            until(lambda: tried(notifier, endpoint, number), f"try {number}")  # noqa: B023 - ends here
            [delivery] = tried(notifier, endpoint, number)
            pause = datetime.fromisoformat(delivery["due_at"]) - notifier.clock.now
            assert 0.8 * delay <= pause <= 1.2 * delay
            notifier.clock.now += pause
        [delivery] = until(lambda: deliveries(notifier, endpoint, status="failed"), "the last try")
        assert delivery["event_id"] == notifier.feed()[0]["id"]
        assert delivery["attempts"][0]["answer"] == "no�t!"
        assert len(delivery["attempts"]) == len(DELAYS) + 1
        assert len(partner.received) == len(DELAYS) + 1
        assert {received.headers["webhook-id"] for received in partner.received} == {delivery["event_id"]}
        assert all(received.signed_by(endpoint["secret"]) for received in partner.received)

        partner.answer = lambda _received: (200, {})
        answer = notifier.call("POST", f"/v1/webhook-deliveries/{delivery['id']}/redeliver", status=202)
        assert answer["status"] == "pending"
        until(lambda: deliveries(notifier, endpoint, status="succeeded"), "the redelivery")
    assert partner.received[-1].headers["webhook-id"] == delivery["event_id"]


def test_a_hanging_partner_holds_up_nobody(notifier: Notifier, partner: Sink) -> None:
    free = threading.Event()

    def answer(received: Any) -> tuple[int, dict[str, str]]:
        if received.path == "/hangs":
            free.wait(PATIENCE_SECONDS)
        return 204, {}

    partner.answer = answer
    hanging, good = add(notifier, f"{partner.url}/hangs"), add(notifier, f"{partner.url}/good")
    with dispatching(notifier):
        notifier.hear(*(job_event("queued", numbered("job", number)) for number in range(20)))
        until(lambda: len(partner.at("/good")) == 20 and settled(notifier, good), "what the good one gets")
        most = notifier.settings.webhooks_at_once_per_endpoint
        until(lambda: len(partner.at("/hangs")) >= most, "what the other has")
        assert len(partner.at("/hangs")) == most
        free.set()
        until(lambda: settled(notifier, hanging), "what the other gets in the end")
    ids = {event["id"] for event in notifier.feed()}
    assert {received.headers["webhook-id"] for received in partner.at("/good")} == ids
    assert {received.headers["webhook-id"] for received in partner.at("/hangs")} == ids


class TestFewPlaces:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"webhooks_at_once": 8})

    def test_a_partner_whose_endpoints_all_hang_holds_up_no_other(self, notifier: Notifier, partner: Sink) -> None:
        free = threading.Event()

        def answer(received: Any) -> tuple[int, dict[str, str]]:
            if received.path != "/good":
                free.wait(PATIENCE_SECONDS)
            return 204, {}

        partner.answer = answer
        for number in range(3):
            add(notifier, f"{partner.url}/{number}")
        notifier.call("POST", ENDPOINTS, BOB, json={"url": f"{partner.url}/good"}, status=201)
        notifier.hear(*(job_event("queued", numbered("job", number)) for number in range(9)))
        with dispatching(notifier):
            until(lambda: len(partner.received) == 4, "half of all places")
            notifier.hear(*(job_event("queued", numbered("job", number), account_id=BOB) for number in range(20, 40)))
            until(lambda: len(partner.at("/good")) == 20, "what the other partner gets")
            assert len(partner.received) == 24
            free.set()


def test_what_there_is_no_place_for_is_tried_later_and_counted_against_nobody(
    notifier: Notifier, partner: Sink
) -> None:
    endpoint = add(notifier, f"{partner.url}/hook")
    asked: list[str] = []

    async def resolve(host: str, _port: int, asker: str) -> Sequence[str] | None:
        asked.append(asker)
        return None if len(asked) == 1 else [host]

    with dispatching(notifier, resolve=resolve):
        notifier.hear(job_event("queued", JOB))
        [waiting] = until(lambda: tried(notifier, endpoint, 0) if asked else [], "its being put off")
        notifier.clock.advance(seconds=10)
        until(lambda: settled(notifier, endpoint), "its delivery")
    assert datetime.fromisoformat(waiting["due_at"]) >= BEGIN + timedelta(seconds=5)
    assert notifier.get(ENDPOINTS)["items"][0]["failing_since"] is None
    [delivery] = deliveries(notifier, endpoint)
    assert [attempt["status_code"] for attempt in delivery["attempts"]] == [204]
    assert asked == [ADA, ADA]


def test_what_a_process_took_with_it_is_sent_by_the_next(notifier: Notifier, partner: Sink) -> None:
    endpoint = add(notifier, f"{partner.url}/hook")
    notifier.hear(job_event("queued", JOB), job_event("started", JOB))

    [first] = notifier.rounds.turn([], lambda _due: 1)
    [second] = notifier.rounds.turn([], lambda _due: 9)
    assert notifier.rounds.turn([], lambda _due: 9) == []
    notifier.rounds.end([], [second])
    with dispatching(notifier):
        # Noted as well: a lease that ends before that has it sent once more, which is not what this is about.
        until(
            lambda: any(one["status"] == "succeeded" for one in deliveries(notifier, endpoint)), "what was given back"
        )
        assert len(partner.received) == 1
        notifier.clock.advance(seconds=notifier.settings.webhook_lease.total_seconds())
        until(lambda: len(partner.received) == 2 and settled(notifier, endpoint), "what the dead process had")
    assert partner.received[1].headers["webhook-id"] == first.event_id


def test_for_a_day_both_secrets_sign(notifier: Notifier, partner: Sink) -> None:
    endpoint = add(notifier, f"{partner.url}/hook")
    rotated = notifier.call("POST", f"{ENDPOINTS}/{endpoint['id']}/rotate-secret")
    assert rotated["previous_secret_until"] == (BEGIN + timedelta(hours=24)).isoformat().replace("+00:00", "Z")
    with dispatching(notifier):
        notifier.call("POST", f"{ENDPOINTS}/{endpoint['id']}/test", status=202)
        until(lambda: deliveries(notifier, endpoint, status="succeeded"), "the first test")
        notifier.clock.advance(hours=24)
        notifier.call("POST", f"{ENDPOINTS}/{endpoint['id']}/test", status=202)
        until(lambda: len(partner.received) == 2, "the second test")

    first, second = partner.received
    assert [first.signed_by(secret) for secret in (endpoint["secret"], rotated["secret"])] == [True, True]
    assert [second.signed_by(secret) for secret in (endpoint["secret"], rotated["secret"])] == [False, True]
    assert (first.event["type"], first.event["sequence"]) == ("webhook_endpoint.test", 0)
    assert notifier.feed() == []


def test_an_endpoint_that_is_gone_is_left_alone_until_it_is_enabled(notifier: Notifier, partner: Sink) -> None:
    partner.answer = lambda received: (410 if received.path == "/gone" else 204, {})
    gone, good = add(notifier, f"{partner.url}/gone"), add(notifier, f"{partner.url}/good")
    with dispatching(notifier):
        notifier.hear(job_event("queued", JOB))
        until(lambda: len(partner.at("/good")) == 2, "the news of the other")
        notifier.hear(job_event("started", JOB))
        until(lambda: len(partner.at("/good")) == 3 and settled(notifier, good), "the next event")

    assert len(partner.at("/gone")) == 1
    # It may come before the event that it followed: both are sent at a time.
    [told] = [sent.event for sent in partner.at("/good") if sent.event["type"] == "webhook_endpoint.disabled"]
    assert told["data"]["webhook_endpoint"]["disabled_because"] == "gone"
    shown = next(endpoint for endpoint in notifier.get(ENDPOINTS)["items"] if endpoint["id"] == gone["id"])
    assert (shown["enabled"], shown["disabled_because"]) == (False, "gone")
    refused = notifier.call("POST", f"{ENDPOINTS}/{gone['id']}/test", status=409)
    assert refused["code"] == "webhook_endpoint_disabled"

    partner.answer = lambda _received: (204, {})
    notifier.call("PATCH", f"{ENDPOINTS}/{gone['id']}", json={"enabled": True})
    with dispatching(notifier):
        assert notifier.call("POST", f"{ENDPOINTS}/{gone['id']}/redeliver", json={}, status=202) == {"deliveries": 1}
        until(lambda: len(partner.at("/gone")) == 2, "what was given up")
        whole = {"from_sequence": 1, "to_sequence": 100}
        assert notifier.call("POST", f"{ENDPOINTS}/{gone['id']}/redeliver", json=whole, status=202)["deliveries"] == 3
        until(lambda: len({received.headers["webhook-id"] for received in partner.at("/gone")}) == 3, "the range")
    backwards = notifier.call(
        "POST", f"{ENDPOINTS}/{gone['id']}/redeliver", json={"from_sequence": 2, "to_sequence": 1}, status=422
    )
    assert backwards["errors"][0]["problem"] == "to_sequence must not be less than from_sequence"


def test_days_of_failure_disable_an_endpoint(notifier: Notifier, partner: Sink) -> None:
    partner.answer = lambda _received: (503, {"Retry-After": "60"})
    endpoint = add(notifier, f"{partner.url}/hook?key=secret")
    with dispatching(notifier):
        notifier.hear(job_event("queued", JOB))
        [delivery] = until(lambda: tried(notifier, endpoint, 1), "the first try")
        # It asked for more than the schedule's five seconds.
        assert datetime.fromisoformat(delivery["due_at"]) == BEGIN + timedelta(seconds=60)
        notifier.clock.advance(days=notifier.settings.webhook_patience_days, seconds=1)
        until(lambda: not notifier.get(ENDPOINTS)["items"][0]["enabled"], "the end of patience")
    assert notifier.get(ENDPOINTS)["items"][0]["disabled_because"] == "failing"
    assert notifier.types()[-1] == "webhook_endpoint.disabled"
    # Accounts is told, which writes to the owner; never with what may be a secret.
    [letter] = letters(notifier)
    assert (letter.account_id, letter.endpoint_id, letter.disabled_because) == (ADA, endpoint["id"], "failing")
    assert letter.endpoint_url == f"{partner.url}/hook"


def test_who_is_no_partner_any_more_is_told_of_nothing(notifier: Notifier) -> None:
    add(notifier, "https://hooks.example.com/")
    demoted = sample(accounts_pb2.AccountChanged)
    demoted.account_id, demoted.disabled = ADA, False
    demoted.roles[:] = ["user"]
    demoted.changed_at.FromDatetime(BEGIN - timedelta(seconds=1))
    # Of before the endpoint was made: the role came back in between.
    notifier.hear(OutgoingEvent(ACCOUNTS, ADA, demoted))
    assert notifier.get(ENDPOINTS)["items"][0]["enabled"]

    demoted.changed_at.FromDatetime(BEGIN + timedelta(seconds=1))
    notifier.hear(OutgoingEvent(ACCOUNTS, ADA, demoted))
    assert notifier.get(ENDPOINTS)["items"][0]["disabled_because"] == "not_a_partner"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "https://127.0.0.2/"}, "webhook_url_refused"),
        ({"url": "https://hooks.example.com:22/"}, "webhook_url_refused"),
        ({"url": "https://user:pass@hooks.example.com/"}, "webhook_url_refused"),
        ({"url": "https://hooks.example.com/", "event_types": ["job.stolen"]}, "invalid_request"),
        ({"url": "https://hooks.example.com/", "headers": {"webhook-id": "x"}}, "invalid_request"),
        ({"url": "https://hooks.example.com/", "description": "a\r\nb"}, "invalid_request"),
        ({}, "invalid_request"),
    ],
)
def test_what_cannot_be_an_endpoint_is_refused(notifier: Notifier, body: dict[str, Any], code: str) -> None:
    assert notifier.call("POST", ENDPOINTS, json=body, status=422)["code"] == code
    assert notifier.get(ENDPOINTS)["items"] == []


def test_an_endpoint_is_its_accounts_alone(notifier: Notifier) -> None:
    endpoint = add(notifier, "https://hooks.example.com/")
    notifier.hear(job_event("queued", JOB))
    [delivery] = deliveries(notifier, endpoint)
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", f"{ENDPOINTS}/{endpoint['id']}", {"json": {"enabled": False}}),
        ("DELETE", f"{ENDPOINTS}/{endpoint['id']}", {}),
        ("POST", f"{ENDPOINTS}/{endpoint['id']}/rotate-secret", {}),
        ("POST", f"{ENDPOINTS}/{endpoint['id']}/test", {}),
        ("GET", f"{ENDPOINTS}/{endpoint['id']}/deliveries", {}),
        ("POST", f"{ENDPOINTS}/{endpoint['id']}/redeliver", {"json": {}}),
        ("POST", f"/v1/webhook-deliveries/{delivery['id']}/redeliver", {}),
    ]
    for method, path, options in calls:
        assert notifier.call(method, path, BOB, status=404, **options)["code"].endswith("_not_found")
        assert notifier.call(method, path, f"{ADA}:user", status=403, **options)["code"] == "forbidden"
    assert notifier.get(ENDPOINTS, BOB)["items"] == []

    notifier.call("DELETE", f"{ENDPOINTS}/{endpoint['id']}", status=204)
    assert notifier.get(ENDPOINTS)["items"] == []
    assert delivery["id"] not in everything_in(notifier.database, Base.metadata)


@pytest.mark.parametrize("by", ["owner", "erasure"])
def test_deliveries_are_deleted_some_at_a_time(notifier: Notifier, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    monkeypatch.setattr("services.notifier.endpoints.service.DELIVERIES_AT_ONCE", 2)
    monkeypatch.setattr("services.notifier.erasing.BATCH", 2)
    endpoint = add(notifier, "https://hooks.example.com/")
    notifier.hear(*(job_event("queued", numbered("job", number)) for number in range(5)))
    portions: list[WriteSession] = []

    def some(session: WriteSession, **which: Any) -> int:
        if len(portions) == 2:
            portions.clear()
            raise ConnectionError("the process is stopped")
        portions.append(session)
        return delete_some(session, **which)

    monkeypatch.setattr(repository, "delete_some", some)

    def delete() -> None:
        if by == "owner":
            notifier.endpoints.delete(notifier.database, ADA, endpoint["id"])
        else:
            Forgetting(notifier.database)(ADA)

    with pytest.raises(ConnectionError):
        delete()
    [shown] = notifier.get(ENDPOINTS)["items"]
    assert not shown["enabled"]
    assert len(deliveries(notifier, endpoint)) == 1
    delete()
    assert notifier.get(ENDPOINTS)["items"] == []
    assert endpoint["id"] not in everything_in(notifier.database, Base.metadata)
    assert len(portions) == 1


class TestFewEndpoints:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(endpoints_max=1)

    def test_an_account_has_no_more_than_it_may(self, notifier: Notifier) -> None:
        add(notifier, "https://hooks.example.com/")
        body = {"url": "https://hooks.example.com/2"}
        assert notifier.call("POST", ENDPOINTS, json=body, status=409)["code"] == "too_many_webhook_endpoints"


def test_deliveries_are_kept_as_long_as_their_events(notifier: Notifier, settings: Settings) -> None:
    endpoint = add(notifier, "https://hooks.example.com/")
    notifier.hear(job_event("queued", JOB))
    notifier.clock.advance(days=settings.events_kept_days, seconds=1)

    Pruner(notifier.database, kept=settings.events_kept).prune()

    assert deliveries(notifier, endpoint) == []


def test_the_schedule_reaches_over_three_days_and_ends() -> None:
    assert sum(DELAYS, timedelta()) > timedelta(days=3)
    assert [pause_after(tries, 0.5) for tries in range(1, len(DELAYS) + 2)] == [*DELAYS, None]
    assert pause_after(1, 0.0) == 0.8 * DELAYS[0]
    assert pause_after(1, 1.0) == 1.2 * DELAYS[0]
    assert pause_after(1, 0.5, timedelta(minutes=1)) == timedelta(minutes=1)
    assert pause_after(2, 0.5, timedelta(seconds=1)) == DELAYS[1]


DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("header", "wish"),
    [
        (None, None),
        ("120", timedelta(seconds=120)),
        ("999999999", DAY),
        ("9" * 64, DAY),
        ("-1", None),
        ("NaN", None),
        ("1e9", None),
        ("soon", None),
        ("", None),
        ("Fri, 20 Nov 2026 12:01:00 GMT", timedelta(minutes=1)),
        ("Fri, 20 Nov 2026 11:00:00 GMT", None),
        ("Fri, 20 Nov 2099 12:00:00 GMT", DAY),
        ("Fri, 99 Nov 99999 12:00:00 GMT", None),
    ],
)
def test_an_endpoint_may_ask_for_patience_within_bounds(header: str | None, wish: timedelta | None) -> None:
    assert wish_in(header, BEGIN.astimezone(UTC)) == wish


@on_sqlite
def test_a_page_of_many_deliveries_takes_no_more_than_one_of_few(notifier: Notifier) -> None:
    endpoint = add(notifier, "http://127.0.0.1:9/hook")["id"]
    questions: list[Callable[[ReadSession], object]] = [
        partial(repository.page, endpoint_id=endpoint, status=None, before=None, limit=5),
        partial(repository.page, endpoint_id=endpoint, status="failed", before=None, limit=5),
        partial(repository.page_of_callbacks, account_id=ADA, status=None, before=None, limit=5),
        partial(repository.failed, endpoint_id=endpoint, limit=5),
    ]

    def deliver(count: int, status: str) -> None:
        row = {"endpoint_id": endpoint, "account_id": ADA, "event_type": "job.queued", "sequence": 1, "tries": 1}
        row |= {"status": status, "created_at": notifier.clock(), "callback_url": "http://127.0.0.1:9/"}
        with notifier.database.write() as session:
            repository.add(session, [{**row, "id": new_id("whd"), "event_id": new_id("evt")} for _ in range(count)])

    deliver(10, "failed")
    few = [steps_of(notifier.database, question) for question in questions]
    deliver(100, "succeeded")
    assert [steps_of(notifier.database, question) for question in questions] == pytest.approx(few, rel=0.1)


@on_sqlite
def test_pages_of_deliveries_are_no_longer_than_a_gateway_passes_on(notifier: Notifier) -> None:
    endpoint = add(notifier, "http://127.0.0.1:9/hook")["id"]
    row = {"endpoint_id": endpoint, "account_id": ADA, "event_type": "job.queued", "sequence": 1, "tries": 1}
    row |= {"status": "failed", "created_at": notifier.clock(), "callback_url": "http://127.0.0.1:9/"}
    ids = [new_id("whd") for _ in range(100)]
    # As of an endpoint that answers with something binary.
    attempt = {"started_at": notifier.clock(), "seconds": 0.1, "url": "http://127.0.0.1:9/", "status_code": 500}
    attempt |= {"problem": None, "answer": "\1" * ANSWER_BYTES}
    with notifier.database.write() as session:
        repository.add(session, [{**row, "id": delivery, "event_id": new_id("evt")} for delivery in ids])
        session.execute(
            insert(Attempt), [{**attempt, "delivery_id": each} for each in ids for _ in range(ATTEMPTS_KEPT)]
        )
    for path in (f"/v1/webhook-endpoints/{endpoint}/deliveries", "/v1/callbacks/deliveries"):
        shown: list[str] = []
        cursor: dict[str, str] = {}
        while cursor or not shown:
            answer = notifier.client.get(
                path, params={"limit": 100, **cursor}, headers={"Authorization": f"Bearer {ADA}"}
            )
            assert len(answer.content) <= MAX_ANSWER_BYTES
            shown += [item["id"] for item in answer.json()["items"]]
            following = answer.json()["next_cursor"]
            cursor = {"cursor": following} if following else {}
        assert sorted(shown) == sorted(ids)
