"""What is to be sent, and to whom: the database is the queue."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from services.kit.database import Database, WriteSession
from services.kit.ids import new_id
from services.kit.telemetry import current_traceparent
from services.notifier.deliveries import repository as deliveries
from services.notifier.deliveries.models import Delivery
from services.notifier.endpoints import repository as endpoints
from services.notifier.endpoints.models import WebhookEndpoint
from services.notifier.endpoints.service import Endpoints
from services.notifier.events import repository as events
from services.notifier.events.models import PublicEvent
from services.notifier.events.schemas import EventView
from services.notifier.events.types import TEST

log = logging.getLogger(__name__)

Room = Callable[[deliveries.Due], int]
"""How many may be taken for an endpoint; asked once for each in a round."""

AT_ONCE_TO_A_FAILING_ENDPOINT = 1
AGAIN_AT_ONCE = 1000
"""Deliveries that one call begins anew."""


@dataclass(frozen=True)
class Parcel:
    """A delivery that a process has taken on itself, with all that it takes to try it."""

    delivery_id: str
    claim: str
    endpoint_id: str
    account_id: str
    failing: bool
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    """No log shall have them, whatever it is told of. None: it cannot be signed, so it is not sent."""
    event_id: str
    body: bytes = field(repr=False)
    traceparent: str | None = None


class DeliveryQueue:
    """Puts deliveries in and takes them out.

    `lease` is how long whoever takes one has for it; after that it is due again.
    """

    def __init__(self, database: Database, endpoint_service: Endpoints, *, lease: timedelta) -> None:
        self._database = database
        self._endpoints = endpoint_service
        self._lease = lease
        self._wake: Callable[[], None] | None = None

    def on_due(self, wake: Callable[[], None]) -> None:
        """Has `wake` called, from any thread, when something became due in this process."""
        self._wake = wake

    def enqueue(self, session: WriteSession, event: PublicEvent) -> None:
        """A delivery for every endpoint of the account that wants events of this type."""
        told = endpoints.told_of(session, event.account_id, event.type)
        if told:
            one = self._row(session, event.account_id, event.id, event.type, event.sequence)
            deliveries.add(session, [{**one, "id": new_id("whd"), "endpoint_id": endpoint_id} for endpoint_id in told])
            self._tell(session)

    def enqueue_callback(self, session: WriteSession, event: PublicEvent, url: str, ordered_at: datetime) -> None:
        """A delivery to the address that an order named."""
        endpoint = self._endpoints.callbacks.endpoint_for(session, event.account_id, url, ordered_at)
        if endpoint is not None:
            delivery = self._add(session, endpoint, event.id, event.type, event.sequence)
            delivery.callback_url = url

    def enqueue_test(self, session: WriteSession, endpoint: WebhookEndpoint) -> Delivery:
        """A delivery of an event that nothing happened for."""
        return self._add(session, endpoint, new_id("evt"), TEST, 0)

    def again(self, session: WriteSession, delivery: Delivery) -> None:
        """Begins anew with a delivery, under the same event id. One that a process is about goes on as it is."""
        if delivery.status != "pending" or delivery.claim is None:
            delivery.status, delivery.tries = "pending", 0
            delivery.due_at, delivery.finished_at = session.now(), None
            self._tell(session)

    def failed_again(self, session: WriteSession, endpoint: WebhookEndpoint) -> int:
        """Begins anew with what was given up, the oldest first; how many."""
        given_up = deliveries.failed(session, endpoint.id, limit=AGAIN_AT_ONCE)
        for delivery in given_up:
            self.again(session, delivery)
        return len(given_up)

    def range_again(self, session: WriteSession, endpoint: WebhookEndpoint, first: int, last: int) -> int:
        """Sends events with these numbers, of the types that the endpoint wants, once more or for the first time; how
        many."""
        found = events.between(
            session,
            endpoint.account_id,
            after=first - 1,
            to=last,
            types=endpoint.event_types,
            limit=AGAIN_AT_ONCE,
        )
        known = deliveries.of_events(session, endpoint.id, [event.id for event in found])
        for event in found:
            if event.id in known:
                self.again(session, known[event.id])
            else:
                self._add(session, endpoint, event.id, event.type, event.sequence)
        return len(found)

    def is_due(self) -> bool:
        """Whether there is anything to take."""
        with self._database.read() as session:
            return bool(deliveries.due_endpoints(session, session.now()))

    def take(self, session: WriteSession, room: Room) -> list[Parcel]:
        """Takes what is due, as much as `room` has."""
        now = session.now()
        due = deliveries.due_endpoints(session, now)
        wanted = {each.endpoint_id: number for each in due if (number := room(each)) > 0}
        return self._claim(session, now, wanted) if wanted else []

    def give_back(self, session: WriteSession, parcels: Sequence[Parcel]) -> None:
        """They were not tried to the end: another process may have them at once."""
        deliveries.give_back(session, {parcel.delivery_id: parcel.claim for parcel in parcels})

    def _claim(self, session: WriteSession, now: datetime, wanted: Mapping[str, int]) -> list[Parcel]:
        found = endpoints.of_ids(session, wanted.keys())
        # One claim for all: each delivery is under it once.
        claim, until = new_id("req"), now + self._lease
        taken = [
            delivery
            for endpoint_id in found
            for delivery in deliveries.claim_due(
                session, endpoint_id, now, claim=claim, until=until, limit=wanted[endpoint_id]
            )
        ]
        told = events.of_ids(session, {delivery.event_id for delivery in taken})
        bodies, unreadable = _bodies_of(told)
        secrets = {key: tuple(self._endpoints.signing_secrets(session, found[key], now)) for key in found}
        parcels, not_kept = [], []
        for delivery in taken:
            if delivery.event_id in unreadable:
                # Due again when its lease ends: maybe with a process that can read it.
                continue
            endpoint = found[delivery.endpoint_id]
            body = bodies.get(delivery.event_id)
            if body is None:
                view = view_of(None, delivery)
                if view is None:
                    not_kept.append(delivery)
                    continue
                body = body_of(view)
            parcels.append(
                Parcel(
                    delivery.id,
                    claim,
                    endpoint.id,
                    endpoint.account_id,
                    endpoint.failing_since is not None,
                    delivery.callback_url or endpoint.url,
                    secrets[endpoint.id],
                    delivery.event_id,
                    body,
                    delivery.traceparent,
                )
            )
        if not_kept:
            deliveries.settle(session, [settled(delivery.id, delivery.tries, ended_at=now) for delivery in not_kept])
        return parcels

    def _add(
        self, session: WriteSession, endpoint: WebhookEndpoint, event_id: str, event_type: str, sequence: int
    ) -> Delivery:
        row = self._row(session, endpoint.account_id, event_id, event_type, sequence)
        delivery = Delivery(id=new_id("whd"), endpoint_id=endpoint.id, **row)
        session.add(delivery)
        self._tell(session)
        return delivery

    @staticmethod
    def _row(session: WriteSession, account_id: str, event_id: str, event_type: str, sequence: int) -> dict[str, Any]:
        """A new delivery by its columns, but for its id and its endpoint."""
        now = session.now()
        return {
            "account_id": account_id,
            "event_id": event_id,
            "event_type": event_type,
            "sequence": sequence,
            "traceparent": current_traceparent(),
            "status": "pending",
            "tries": 0,
            "created_at": now,
            "due_at": now,
        }

    def _tell(self, session: WriteSession) -> None:
        if self._wake is not None:
            session.after_commit(self._wake)


def settled(
    delivery_id: str, tries: int, *, status: str = "failed", due_at: datetime | None = None, ended_at: datetime | None
) -> dict[str, Any]:
    """How a delivery stands after so many tries, as `deliveries.settle` takes it."""
    return {
        "delivery": delivery_id,
        "new_tries": tries,
        "new_status": status,
        "next_due_at": due_at,
        "ended_at": ended_at,
    }


def _bodies_of(told: Mapping[str, PublicEvent]) -> tuple[Mapping[str, bytes], Collection[str]]:
    """Events as they go over the wire, by id, and the ids of those that cannot be read: one of a type that only a
    newer version knows stops nobody else's."""
    bodies, unreadable = {}, set()
    for event_id, event in told.items():
        try:
            bodies[event_id] = body_of(EventView.of(event))
        except ValueError:
            log.exception("event %s cannot be told: its deliveries wait", event_id)
            unreadable.add(event_id)
    return bodies, unreadable


def body_of(view: EventView) -> bytes:
    """The event as it goes over the wire: the very bytes that are signed."""
    return view.model_dump_json().encode()


def view_of(event: PublicEvent | None, delivery: Delivery | Row[Any]) -> EventView | None:
    """What a delivery brings; None where that is not kept any more."""
    if event is not None:
        return EventView.of(event)
    if delivery.event_type != TEST:
        return None
    about = {"id": delivery.endpoint_id, "link": f"/v1/webhook-endpoints/{delivery.endpoint_id}/deliveries"}
    return EventView(
        id=delivery.event_id,
        type=TEST,
        occurred_at=delivery.created_at,
        sequence=0,
        data={"webhook_endpoint": about},
    )
