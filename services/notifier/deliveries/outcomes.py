"""What a try means for its delivery and its endpoint."""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.kit import outbox
from services.kit.database import WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import WEBHOOKS
from services.kit.protos import webhooks_pb2
from services.notifier.deliveries import repository as deliveries
from services.notifier.deliveries.queue import Parcel, settled
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
PUT_OFF_FOR = timedelta(seconds=5)
"""Until what there was no place for is taken up again, at least; at most twice as long."""


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


@dataclass(frozen=True)
class Tried:
    """A try that has ended; without an outcome where there was no place for it, which is nothing of the endpoint's."""

    parcel: Parcel
    outcome: Outcome | None


class Outcomes:
    """Writes down what came of tries. `patience` is how long an endpoint may fail before it is disabled."""

    def __init__(self, recorder: Recorder, *, patience: timedelta) -> None:
        self._recorder = recorder
        self._patience = patience

    def note(self, session: WriteSession, tries: Sequence[Tried]) -> None:
        """In the order in which they ended. Nothing of a delivery that somebody else has by now, or that is gone."""
        if not tries:
            return
        # Endpoints first, as everybody locks them.
        locked = endpoints.lock_all(session, {tried.parcel.endpoint_id for tried in tries})
        mine = deliveries.lock_claimed(session, {tried.parcel.delivery_id: tried.parcel.claim for tried in tries})
        counted = [tried for tried in tries if tried.parcel.endpoint_id in locked and tried.parcel.delivery_id in mine]
        if not counted:
            return
        now = session.now()
        rows, attempts, given_up = [], [], {}
        for tried in counted:
            endpoint, number = locked[tried.parcel.endpoint_id], mine[tried.parcel.delivery_id] + 1
            if tried.outcome is None:
                due_at = now + PUT_OFF_FOR * random.uniform(1, 2)  # noqa: S311 - jitter
                rows.append(
                    settled(tried.parcel.delivery_id, number - 1, status="pending", due_at=due_at, ended_at=None)
                )
                continue
            attempts.append(_attempt(tried.parcel, tried.outcome))
            rows.append(self._settled(endpoint, tried.parcel.delivery_id, tried.outcome, number, now))
            because = self._why_disabled(endpoint, tried.outcome, now)
            if because is not None:
                # It may be disabled again another day: what happens once is what this try brought about.
                given_up[endpoint.id] = because, f"{tried.parcel.delivery_id}.{number}"
        if attempts:
            deliveries.add_attempts(session, attempts)
        deliveries.settle(session, rows)
        for endpoint_id, (because, cause) in given_up.items():
            self._disable(session, locked[endpoint_id], because, cause)

    @staticmethod
    def _settled(
        endpoint: WebhookEndpoint, delivery_id: str, outcome: Outcome, number: int, now: datetime
    ) -> dict[str, Any]:
        """How the delivery stands after this try; whether its endpoint fails is noted on that."""
        if outcome.succeeded:
            endpoint.failing_since = None
            return settled(delivery_id, number, status="succeeded", ended_at=now)
        endpoint.failing_since = endpoint.failing_since or now
        chance = random.random()  # noqa: S311 - jitter
        pause = pause_after(number, chance, wish_in(outcome.retry_after, now))
        if pause is None or outcome.status_code == GONE:
            return settled(delivery_id, number, ended_at=now)
        return settled(delivery_id, number, status="pending", due_at=now + pause, ended_at=None)

    def _why_disabled(self, endpoint: WebhookEndpoint, outcome: Outcome, now: datetime) -> DisabledBecause | None:
        """Why nothing more is sent to the endpoint, if so."""
        if endpoint.callback_origin is not None or endpoint.failing_since is None:
            # The address of a callback is its order's alone: nothing else is given up because of it.
            return None
        if outcome.status_code == GONE:
            return "gone"
        return "failing" if endpoint.failing_since <= now - self._patience else None

    def _disable(self, session: WriteSession, endpoint: WebhookEndpoint, because: DisabledBecause, cause: str) -> None:
        log.info("webhook endpoint %s is disabled: %s", endpoint.id, because)
        session.flush()
        disable(session, endpoint, because)
        about = {"id": endpoint.id, "url": endpoint.url, "disabled_because": because}
        told = {**about, "link": f"/v1/webhook-endpoints/{endpoint.id}/deliveries"}
        news = News(
            endpoint.account_id,
            "webhook_endpoint.disabled",
            cause,
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


def _attempt(parcel: Parcel, outcome: Outcome) -> dict[str, Any]:
    """The try as a row, by its columns."""
    return {
        "delivery_id": parcel.delivery_id,
        "started_at": outcome.started_at,
        "seconds": outcome.seconds,
        "url": parcel.url,
        "status_code": outcome.status_code,
        "problem": outcome.problem[:MAX_PROBLEM_CHARACTERS] if outcome.problem else None,
        "answer": outcome.answer,
    }
