"""Keys that seal secrets come and go; a secret that none of them opens is its owner's alone."""

import logging

import pytest
from sqlalchemy import update

from services.notifier.deliveries.outcomes import Tried
from services.notifier.endpoints.models import WebhookEndpoint
from services.notifier.endpoints.service import Endpoints
from services.notifier.events.models import PublicEvent
from services.notifier.settings import Settings
from tests.ids import numbered
from tests.made_settings import made_settings
from tests.services.notifier.asking import ENDPOINTS, add, any_number, deliveries, outcome, settled, tried
from tests.services.notifier.conftest import ADA, BOB, Notifier, job_event
from tests.services.notifier.sending import dispatching
from tests.services.notifier.sink import Sink, until

OLD, NEW = "o" * 40, "n" * 40


def sealing_by(*keys: str) -> Endpoints:
    return Endpoints(made_settings(Settings, sealing_key=",".join(keys), outbound_allow_loopback=True))


def test_a_secret_that_no_key_opens_stops_nobody_else_and_its_owner_makes_another(
    notifier: Notifier, partner: Sink, caplog: pytest.LogCaptureFixture
) -> None:
    lost = add(notifier, f"{partner.url}/lost")
    good = notifier.call("POST", ENDPOINTS, BOB, json={"url": f"{partner.url}/good"}, status=201)
    with notifier.database.write() as session:
        sealed = sealing_by(OLD)._sealer.seal(lost["secret"], lost["id"])
        session.execute(update(WebhookEndpoint).where(WebhookEndpoint.id == lost["id"]).values(sealed_secret=sealed))
    caplog.set_level(logging.ERROR)

    with dispatching(notifier):
        notifier.hear(job_event("queued", numbered("job", 1)), job_event("started", numbered("job", 1)))
        notifier.hear(*(job_event("queued", numbered("job", number), account_id=BOB) for number in range(2, 5)))
        until(lambda: len(partner.at("/good")) == 3, "what has nothing to do with it")
        until(lambda: len(tried(notifier, lost, 1)) == 2, "the tries of the other")
    problems = [attempt["problem"] for each in deliveries(notifier, lost) for attempt in each["attempts"]]
    assert len(problems) == 2
    assert all("rotate the secret" in problem for problem in problems)
    assert partner.at("/lost") == []
    assert len([record for record in caplog.records if lost["id"] in record.getMessage()]) == 1

    made = notifier.call("POST", f"{ENDPOINTS}/{lost['id']}/rotate-secret")
    assert made["previous_secret_until"] is None
    notifier.clock.advance(minutes=1)
    with dispatching(notifier):
        until(lambda: settled(notifier, lost), "what was put off")
    assert [received.signed_by(made["secret"]) for received in partner.at("/lost")] == [True, True]
    assert all(received.signed_by(good["secret"]) for received in partner.at("/good"))


def test_what_another_key_sealed_is_sealed_anew_so_that_the_key_can_go(notifier: Notifier) -> None:
    before, between, after = sealing_by(OLD), sealing_by(NEW, OLD), sealing_by(NEW)
    endpoint_id = add(notifier, "https://hooks.example.com/")["id"]
    add(notifier, "https://other.example.com/")  # by a key that nobody has any more
    with notifier.database.write() as session:
        session.get_one(WebhookEndpoint, endpoint_id).sealed_secret = before._sealer.seal("whsec_Zmlyc3Q=", endpoint_id)
    with notifier.database.write() as session:
        second, _ = before.rotate_secret(session, ADA, endpoint_id)
        callback, _ = before.callbacks.rotate_secret(session, ADA)

    between.reseal(notifier.database)
    between.reseal(notifier.database)

    with notifier.database.read() as session:
        endpoint, now = session.get_one(WebhookEndpoint, endpoint_id), session.now()
        assert after.signing_secrets(session, endpoint, now) == (second, "whsec_Zmlyc3Q=")
        assert after.callbacks.signing_secrets(session, ADA, now) == (callback,)
        assert before.signing_secrets(session, endpoint, now) == ()


def test_an_event_that_cannot_be_read_stops_nobody_else_and_waits(notifier: Notifier) -> None:
    add(notifier, "https://ada.example.com/")
    notifier.call("POST", ENDPOINTS, BOB, json={"url": "https://bob.example.com/"}, status=201)
    notifier.hear(job_event("queued", numbered("job", 1)), job_event("queued", numbered("job", 2), account_id=BOB))

    def known_as(event_type: str) -> None:
        with notifier.database.write() as session:
            session.execute(update(PublicEvent).where(PublicEvent.account_id == ADA).values(type=event_type))

    known_as("job.foreseen")  # by a newer version
    parcels = notifier.rounds.turn([], any_number)
    assert [parcel.url for parcel in parcels] == ["https://bob.example.com/"]
    notifier.rounds.turn([Tried(parcel, outcome(204)) for parcel in parcels], any_number)
    notifier.clock.advance(seconds=notifier.settings.webhook_lease.total_seconds())
    known_as("job.queued")
    assert [parcel.url for parcel in notifier.rounds.turn([], any_number)] == ["https://ada.example.com/"]
