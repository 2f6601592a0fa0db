"""Secrets of endpoints are nowhere but in the answer that shows them, and what they sign is ours."""

import json
import logging

import pytest

from services.kit.ids import is_id
from services.notifier.deliveries.outcomes import Tried
from services.notifier.deliveries.signing import new_secret, signed_headers
from services.notifier.events.news import NEWS_OF
from tests.databases import on_sqlite
from tests.ids import numbered
from tests.services.notifier.asking import ENDPOINTS, add, any_number, outcome, tried
from tests.services.notifier.conftest import Notifier, job_event
from tests.services.notifier.sending import dispatching
from tests.services.notifier.sink import Sink, until

JOB = numbered("job", 1)


@on_sqlite
def test_no_log_no_event_and_no_webhook_has_a_secret(
    notifier: Notifier, partner: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    partner.answer = lambda received: ({"/gone": 410, "/fails": 500}.get(received.path, 204), {})
    made = [add(notifier, f"{partner.url}/{name}") for name in ("good", "gone", "fails")]
    secrets = [endpoint["secret"] for endpoint in made]
    rotating = [f"{ENDPOINTS}/{endpoint['id']}/rotate-secret" for endpoint in made]
    secrets += [notifier.call("POST", path)["secret"] for path in (*rotating, "/v1/callbacks/rotate-secret")]
    with dispatching(notifier):
        notifier.hear(job_event("queued", JOB), job_event("succeeded", JOB))
        until(lambda: len(partner.at("/good")) == 3, "the events, and that one endpoint is disabled")
        until(lambda: tried(notifier, made[2], 1), "the one that fails")
    # What could not be noted is told of too.
    notifier.clock.advance(seconds=60)
    parcels = notifier.rounds.turn([], any_number)
    notifier.rounds.turn([Tried(parcel, outcome(2**70)) for parcel in parcels], any_number)

    said = [caplog.text, *(str(vars(record)) for record in caplog.records), repr(parcels), json.dumps(notifier.feed())]
    said += [str((received.headers, received.body)) for received in partner.received]
    assert "could not be noted" in caplog.text
    assert parcels
    for secret in secrets:
        assert not any(secret.removeprefix("whsec_") in text for text in said)


@on_sqlite
@pytest.mark.parametrize(
    "event_type", ["job.queued\r\nwebhook-id: evt_forged", "job.queued.1796000000.{}", "job.", ".", ""]
)
def test_nobody_outside_names_a_type_or_an_id_that_is_signed(notifier: Notifier, event_type: str) -> None:
    wanted = {"url": "https://hooks.example.com/", "event_types": [event_type]}
    assert notifier.call("POST", ENDPOINTS, json=wanted, status=422)["code"] == "invalid_request"
    assert notifier.call("GET", "/v1/events", params={"types": event_type}, status=422)["code"] == "invalid_request"
    # What a stranger writes into the event log under such a type becomes no event of anybody.
    assert event_type not in NEWS_OF
    endpoint = add(notifier, "https://hooks.example.com/")
    notifier.hear(job_event("queued", JOB, metadata={"type": event_type, "id": event_type}))
    [parcel] = notifier.rounds.turn([], any_number)
    headers = signed_headers([endpoint["secret"]], parcel.event_id, 1_796_000_000, parcel.body)
    assert is_id("evt", headers["webhook-id"])
    assert json.loads(parcel.body)["type"] == "job.queued"
    assert not any(ending in value for value in headers.values() for ending in "\r\n")


@pytest.mark.parametrize("event_id", ["evt_1.1796000000.{}", "evt_1\r\nX: y", "", "evt 1"])
def test_what_is_no_id_is_not_signed(event_id: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        signed_headers([new_secret()], event_id, 1_796_000_000, b"{}")
