"""What a provider has told and nobody heard: its own list of events is read, and each goes the way of a webhook.

A window of time at a time is gone over page by page, a bounded number of pages a round. What could not be acted on has
its window gone over again; what was dealt with is known by its id and costs nothing. So it makes no difference whether
webhook or list come first, nor how often.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.accounts.payments import subscription_repository as told
from services.accounts.payments.errors import ProviderUnavailable
from services.accounts.payments.providers import Provider, ProviderEvent
from services.accounts.payments.webhooks import Webhooks
from services.kit.database import DATABASE_AWAY, Database, WriteSession

log = logging.getLogger(__name__)

PAGES_A_ROUND = 5
LOOKED_BACK = timedelta(days=3)
"""How far the first look goes back, and how long what cannot be acted on is tried: as long as Stripe repeats events."""
NEWEST = timedelta(minutes=1)
"""Webhooks have so long to come first, and the provider's list to be whole."""


@dataclass(frozen=True)
class _Place:
    """Where the reading of a window is."""

    since: datetime
    until: datetime
    after: str | None
    missed: bool


class ProviderFeed:
    """`pause` is the least time between two rounds, by whatever replicas."""

    def __init__(self, database: Database, webhooks: Webhooks, provider: Provider | None, pause: timedelta) -> None:
        self._database = database
        self._webhooks = webhooks
        self._provider = provider
        self._pause = pause

    def read(self) -> None:
        """Reads some more of the provider's events, and acts on those that are news. Blocks."""
        if self._provider is None:
            return
        with self._database.write() as session:
            place = self._begin(session, self._provider)
        if place is None:
            return
        for _ in range(PAGES_A_ROUND):
            try:
                page = self._provider.events(place.since, place.until, place.after)
            except ProviderUnavailable:
                log.warning("the events of %s cannot be read at the moment", self._provider.name)
                return
            missed = [event for event in page.events if not self._act(self._provider, event)]
            place = _Place(place.since, place.until, page.next, place.missed or bool(missed))
            with self._database.write() as session:
                self._note(session, self._provider, place)
            if page.next is None:
                return

    def _act(self, provider: Provider, event: ProviderEvent) -> bool:
        """Whether it is dealt with."""
        try:
            if self._webhooks.hear(provider, event):
                log.info("%s of %s was found without a webhook", event.type, event.object_id)
        except DATABASE_AWAY:
            raise
        except ProviderUnavailable:
            return False
        except Exception:
            log.exception("%s of %s could not be acted on", event.type, event.object_id)
            return False
        return True

    def _begin(self, session: WriteSession, provider: Provider) -> _Place | None:
        """Where to go on; None where another replica reads."""
        now = session.now()
        feed = told.lock_feed(session, provider.name, now - LOOKED_BACK, now - self._pause)
        if feed.read_at > now - self._pause:
            return None
        feed.read_at = now
        if feed.until is None:
            feed.until = max(now - NEWEST, feed.since)
        return _Place(feed.since, feed.until, feed.after, feed.missed)

    def _note(self, session: WriteSession, provider: Provider, place: _Place) -> None:
        now = session.now()
        feed = told.lock_feed(session, provider.name, place.since, now)
        if (feed.since, feed.until) != (place.since, place.until):
            return  # a round that took longer than the pause: another has gone on
        feed.after, feed.missed = place.after, place.missed
        if place.after is None:
            # Whatever was missed is gone over again, with what came since.
            feed.since = max(place.since, now - LOOKED_BACK) if place.missed else place.until
            feed.until, feed.missed = None, False
