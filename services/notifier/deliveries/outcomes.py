"""What a try means for its delivery and its endpoint."""

import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.kit import outbox
from services.kit.database import Database, WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import WEBHOOKS
from services.kit.protos import webhooks_pb2
from services.notifier.deliveries import repository as deliveries
from services.notifier.deliveries.models import Attempt, Delivery
from services.notifier.deliveries.queue import Parcel
from services.notifier.deliveries.schedule import pause_after, wish_in
from services.notifier.endpoints import repository as endpoints
from services.notifier.endpoints.models import WebhookEndpoint
from services.notifier.endpoints.schemas import DisabledBecause
from services.notifier.endpoints.service import disable
from services.notifier.events.news import ONCE, News
from services.notifier.events.recorder import Recorder

log = logging.getLogger(__name__)

GONE = 410
MAX_PROBLEM_CHARACTERS = 200


@dataclass(frozen=True)
class Outcome:
    """What came of one try: an answer, or the problem why there is none."""

    started_at: datetime
    seconds: float
    status_code: int | None = None
    answer: str | None = None
    retry_after: str | None = None
    problem: str | None = None

    @property
    def succeeded(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300


class Outcomes:
    """Writes down what came of tries. `patience` is how long an endpoint may fail before it is disabled."""

    def __init__(self, database: Database, recorder: Recorder, *, patience: timedelta) -> None:
        self._database = database
        self._recorder = recorder
        self._patience = patience

    def note(self, parcel: Parcel, outcome: Outcome) -> None:
        """In one transaction. Nothing, where somebody else has the delivery by now, or it is gone."""
        with self._database.write() as session:
            # The endpoint first, as everybody locks them.
            endpoint = endpoints.lock(session, parcel.endpoint_id)
            delivery = deliveries.lock(session, parcel.delivery_id)
            if endpoint is None or delivery is None or delivery.claim != parcel.claim:
                return
            session.add(
                Attempt(
                    delivery_id=delivery.id,
                    started_at=outcome.started_at,
                    seconds=outcome.seconds,
                    url=parcel.url,
                    status_code=outcome.status_code,
                    problem=outcome.problem[:MAX_PROBLEM_CHARACTERS] if outcome.problem else None,
                    answer=outcome.answer,
                )
            )
            delivery.claim = None
            delivery.tries += 1
            if outcome.succeeded:
                delivery.status, delivery.due_at, delivery.finished_at = "succeeded", None, session.now()
                endpoint.failing_since = None
            else:
                self._failed(session, endpoint, delivery, outcome)

    def _failed(self, session: WriteSession, endpoint: WebhookEndpoint, delivery: Delivery, outcome: Outcome) -> None:
        now = session.now()
        endpoint.failing_since = endpoint.failing_since or now
        if endpoint.callback_origin is not None:
            # The address is this order's alone: nothing else is given up because of it.
            self._put_off(delivery, outcome, now, gone=outcome.status_code == GONE)
            return
        if outcome.status_code == GONE:
            self._disable(session, endpoint, delivery, "gone")
            return
        if endpoint.failing_since <= now - self._patience:
            self._disable(session, endpoint, delivery, "failing")
            return
        self._put_off(delivery, outcome, now)

    @staticmethod
    def _put_off(delivery: Delivery, outcome: Outcome, now: datetime, *, gone: bool = False) -> None:
        chance = random.random()  # noqa: S311 - jitter
        pause = pause_after(delivery.tries, chance, wish_in(outcome.retry_after, now))
        if gone or pause is None:
            delivery.status, delivery.due_at, delivery.finished_at = "failed", None, now
        else:
            delivery.due_at = now + pause

    def _disable(
        self, session: WriteSession, endpoint: WebhookEndpoint, delivery: Delivery, because: DisabledBecause
    ) -> None:
        log.info("webhook endpoint %s is disabled: %s", endpoint.id, because)
        session.flush()
        disable(session, endpoint, because)
        about = {"id": endpoint.id, "url": endpoint.url, "disabled_because": because}
        told = {**about, "link": f"/v1/webhook-endpoints/{endpoint.id}/deliveries"}
        # It may be disabled again another day: what happens once is what this delivery brought about.
        news = News(
            endpoint.account_id,
            "webhook_endpoint.disabled",
            f"{delivery.id}.{delivery.tries}",
            ONCE,
            session.now(),
            {"webhook_endpoint": told},
        )
        self._recorder.record(session, news)
        letter = webhooks_pb2.WebhookEndpointDisabled(
            account_id=endpoint.account_id,
            endpoint_id=endpoint.id,
            endpoint_url=endpoint.url.partition("?")[0],
            disabled_because=because,
        )
        letter.disabled_at.FromDatetime(session.now())
        outbox.add(session, OutgoingEvent(WEBHOOKS, endpoint.account_id, letter, account_id=endpoint.account_id))
