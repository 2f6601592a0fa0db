"""What is to be sent, and to whom: the database is the queue."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

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

AT_ONCE_TO_A_FAILING_ENDPOINT = 1
AGAIN_AT_ONCE = 1000
"""Deliveries that one call begins anew."""


@dataclass(frozen=True)
class Parcel:
    """A delivery that a process has taken on itself, with all that it takes to try it."""

    delivery_id: str
    claim: str
    endpoint_id: str
    failing: bool
    url: str
    secrets: tuple[str, ...]
    event_id: str
    body: bytes
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
        for endpoint in endpoints.enabled(session, event.account_id):
            if not endpoint.event_types or event.type in endpoint.event_types:
                self._add(session, endpoint, event.id, event.type, event.sequence)

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

    def take(self, room: Callable[[str, bool], int]) -> list[Parcel]:
        """Takes what is due, as much as `room` has: it is told endpoint and whether that fails, once for each."""
        with self._database.read() as session:
            due = deliveries.due_endpoints(session, session.now())
        wanted = {endpoint_id: number for endpoint_id, failing in due if (number := room(endpoint_id, failing)) > 0}
        return self._claim(wanted) if wanted else []

    def give_back(self, parcel: Parcel) -> None:
        """It was not tried to the end: another process may have it at once."""
        with self._database.write() as session:
            delivery = deliveries.lock(session, parcel.delivery_id)
            if delivery is not None and delivery.claim == parcel.claim:
                delivery.claim, delivery.due_at = None, session.now()

    def _claim(self, wanted: Mapping[str, int]) -> list[Parcel]:
        parcels = []
        with self._database.write() as session:
            now = session.now()
            for endpoint_id, number in wanted.items():
                taken = deliveries.lock_due(session, endpoint_id, now, limit=number)
                endpoint = session.get(WebhookEndpoint, endpoint_id)
                if endpoint is None or not taken:
                    continue
                secrets = tuple(self._endpoints.signing_secrets(session, endpoint, now))
                for delivery in taken:
                    body = _body(session, delivery)
                    if body is None:
                        # It was kept long enough.
                        delivery.status, delivery.due_at, delivery.finished_at = "failed", None, now
                        continue
                    delivery.claim, delivery.due_at = new_id("req"), now + self._lease
                    parcels.append(
                        Parcel(
                            delivery.id,
                            delivery.claim,
                            endpoint.id,
                            endpoint.failing_since is not None,
                            delivery.callback_url or endpoint.url,
                            secrets,
                            delivery.event_id,
                            body,
                            delivery.traceparent,
                        )
                    )
        return parcels

    def _add(
        self, session: WriteSession, endpoint: WebhookEndpoint, event_id: str, event_type: str, sequence: int
    ) -> Delivery:
        now = session.now()
        delivery = Delivery(
            id=new_id("whd"),
            endpoint_id=endpoint.id,
            account_id=endpoint.account_id,
            event_id=event_id,
            event_type=event_type,
            sequence=sequence,
            traceparent=current_traceparent(),
            status="pending",
            tries=0,
            created_at=now,
            due_at=now,
        )
        session.add(delivery)
        self._tell(session)
        return delivery

    def _tell(self, session: WriteSession) -> None:
        if self._wake is not None:
            session.after_commit(self._wake)


def _body(session: WriteSession, delivery: Delivery) -> bytes | None:
    """The event as it goes over the wire: the very bytes that are signed. None where it is not kept any more."""
    view = view_of(session.get(PublicEvent, delivery.event_id), delivery)
    return None if view is None else view.model_dump_json().encode()


def view_of(event: PublicEvent | None, delivery: Delivery) -> EventView | None:
    """What a delivery brings."""
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
