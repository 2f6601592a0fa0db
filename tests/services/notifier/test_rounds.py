"""What is said to the database between tries, by one process and by two."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.exc import OperationalError

from services.notifier.deliveries.models import Attempt
from services.notifier.deliveries.outcomes import Tried
from services.notifier.deliveries.queue import Parcel, Room
from services.notifier.deliveries.rounds import Rounds
from services.notifier.deliveries.schedule import ATTEMPTS_KEPT, DELAYS
from tests.ids import numbered
from tests.services.notifier.asking import ENDPOINTS, add, any_number, deliveries, letters, outcome
from tests.services.notifier.conftest import Notifier, job_event
from tests.services.notifier.sending import dispatching
from tests.services.notifier.sink import Sink, until

JOB = numbered("job", 1)


def test_of_two_processes_each_delivery_is_with_one_and_who_was_too_slow_changes_nothing(notifier: Notifier) -> None:
    endpoint = add(notifier, "https://hooks.example.com/")
    notifier.hear(*(job_event("queued", numbered("job", number)) for number in range(3)))
    slow, quick = notifier.rounds, notifier.rounds
    theirs = slow.turn([], lambda _due: 2)
    assert len({parcel.delivery_id for parcel in (*theirs, *quick.turn([], any_number))}) == 3

    notifier.clock.advance(seconds=notifier.settings.webhook_lease.total_seconds())
    again = quick.turn([], any_number)
    assert {parcel.delivery_id for parcel in theirs} < {parcel.delivery_id for parcel in again}
    slow.turn([Tried(parcel, outcome(500)) for parcel in theirs], any_number)
    slow.end([], theirs)
    assert quick.turn([], any_number) == []
    quick.end([Tried(parcel, outcome(204)) for parcel in again], [])
    assert [
        (delivery["status"], [attempt["status_code"] for attempt in delivery["attempts"]])
        for delivery in deliveries(notifier, endpoint)
    ] == [("succeeded", [204])] * 3
    assert notifier.get(ENDPOINTS)["items"][0]["failing_since"] is None


def test_tries_that_end_together_are_noted_each_for_itself(notifier: Notifier) -> None:
    good, bad = add(notifier, "https://a.example.com/"), add(notifier, "https://b.example.com/")
    notifier.hear(job_event("queued", JOB), job_event("started", JOB))
    came = {good["id"]: [outcome(204), outcome(200)], bad["id"]: [outcome(500), outcome(2**70)]}
    parcels = notifier.rounds.turn([], any_number)

    # One of them holds what no database takes; with it alone nothing is done.
    assert (
        notifier.rounds.turn([Tried(parcel, came[parcel.endpoint_id].pop(0)) for parcel in parcels], any_number) == []
    )

    assert [delivery["status"] for delivery in deliveries(notifier, good)] == ["succeeded", "succeeded"]
    newest, oldest = deliveries(notifier, bad)
    assert [len(delivery["attempts"]) for delivery in (newest, oldest)] == [0, 1]
    shown = {endpoint["id"]: endpoint["failing_since"] for endpoint in notifier.get(ENDPOINTS)["items"]}
    assert shown[good["id"]] is None
    assert shown[bad["id"]] is not None
    notifier.clock.advance(seconds=notifier.settings.webhook_lease.total_seconds())
    due = notifier.rounds.turn([], any_number)
    assert {parcel.delivery_id for parcel in due} == {newest["id"], oldest["id"]}


def test_what_is_gone_for_several_tries_at_a_time_is_told_once(notifier: Notifier) -> None:
    endpoint = add(notifier, "https://hooks.example.com/", event_types=["job.queued"])
    notifier.hear(*(job_event("queued", numbered("job", number)) for number in range(6)))
    parcels = notifier.rounds.turn([], lambda _due: 4)

    assert notifier.rounds.turn([Tried(parcel, outcome(410)) for parcel in parcels], any_number) == []

    assert [delivery["status"] for delivery in deliveries(notifier, endpoint)] == ["failed"] * 6
    assert notifier.types().count("webhook_endpoint.disabled") == 1
    assert len(letters(notifier)) == 1


def test_of_a_delivery_that_is_sent_again_and_again_the_newest_tries_are_kept_and_shown(notifier: Notifier) -> None:
    endpoint = add(notifier, "https://hooks.example.com/")
    notifier.hear(job_event("queued", JOB), job_event("started", JOB))
    for number in range(ATTEMPTS_KEPT + 3):
        parcels = notifier.rounds.turn([], any_number)
        notifier.rounds.turn([Tried(parcel, outcome(200 + number)) for parcel in parcels], any_number)
        notifier.call("POST", f"/v1/webhook-deliveries/{parcels[0].delivery_id}/redeliver", status=202)
    shown = {len(each["attempts"]): each for each in deliveries(notifier, endpoint)}
    assert set(shown) == {1, ATTEMPTS_KEPT}
    newest = [attempt["status_code"] for attempt in shown[ATTEMPTS_KEPT]["attempts"]]
    assert newest == [200 + number for number in range(3, ATTEMPTS_KEPT + 3)]
    with notifier.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Attempt)) == 1 + ATTEMPTS_KEPT

    # What was kept by an older version is not shown either.
    again = {**base_of(notifier, shown[1]["id"]), "status_code": 204}
    with notifier.database.write() as session:
        session.execute(insert(Attempt), [again] * 2 * ATTEMPTS_KEPT)
    assert {len(each["attempts"]) for each in deliveries(notifier, endpoint)} == {ATTEMPTS_KEPT}
    assert len(DELAYS) + 1 < ATTEMPTS_KEPT


def base_of(notifier: Notifier, delivery_id: str) -> dict[str, Any]:
    """A row as that of the delivery's attempt."""
    with notifier.database.read() as session:
        row = session.scalars(select(Attempt).where(Attempt.delivery_id == delivery_id)).one()
        return {column: getattr(row, column) for column in ("delivery_id", "started_at", "seconds", "url")}


class AwayOnce(Rounds):
    """A database that does not answer when it is first told what came of a try."""

    away = False

    def turn(self, tries: Sequence[Tried], room: Room) -> list[Parcel]:
        if tries and not self.away:
            self.away = True
            raise OperationalError("", {}, Exception("away"))
        return super().turn(tries, room)


def test_what_came_of_a_try_is_noted_when_the_database_is_back(notifier: Notifier, partner: Sink) -> None:
    endpoint = add(notifier, f"{partner.url}/hook")
    rounds = AwayOnce(notifier.database, notifier.queue, notifier.outcomes)
    with dispatching(notifier, rounds):
        notifier.hear(job_event("queued", JOB))
        until(lambda: deliveries(notifier, endpoint, status="succeeded"), "the noting")
    assert rounds.away
    assert len(partner.received) == 1
