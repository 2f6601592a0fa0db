"""Writes events to partners' topics as they are in the feed, and removes topics that were given up.

A topic is written from the feed's table by the number of its last event, not through the outbox: one that is not there
keeps nobody else waiting, and what it missed comes when it is there again. A process that ends between writing and
noting it writes the same events again, under the same ids.
"""

import logging
import time

from services.kit.database import DATABASE_AWAY, Database
from services.kit.errors import Unavailable
from services.kit.events.codec import Record
from services.kit.events.producer import EventProducer
from services.kit.periodic import Periodic
from services.notifier.event_topics import repository
from services.notifier.event_topics.brokers import PartnersBrokers, topic_of
from services.notifier.events import repository as events
from services.notifier.events.models import PublicEvent
from services.notifier.events.schemas import EventView

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
LOOK_SECONDS_WHERE_NOT_OFFERED = 60.0
"""Topics from before it was switched off are still removed with their accounts."""
AT_ONCE = 200
PAUSE_SECONDS = 30.0
"""How long a topic that cannot be written is left alone."""


class TopicPublisher(Periodic):
    """A background task, for the process that leads: events of a topic keep their order."""

    def __init__(
        self, database: Database, producer: EventProducer, partners: PartnersBrokers, *, look_seconds: float
    ) -> None:
        super().__init__("partner-topics", look_seconds, self.look)
        self._database = database
        self._producer = producer
        self._partners = partners
        self._not_before: dict[str, float] = {}

    def look(self) -> None:
        """One round."""
        self._remove()
        self._publish()

    def _remove(self) -> None:
        with self._database.read() as session:
            given_up = [(topic.id, topic.account_id) for topic in repository.closed(session)]
        for topic_id, account_id in given_up:
            if self._resting(topic_id):
                continue
            try:
                self._partners.remove(account_id)
            except Unavailable as error:
                self._rest(topic_id)
                log.warning("the topic of %s is not removed yet: %s", account_id, error)
            except Exception:
                # Whatever it is that trips us, the topics of others go on.
                self._rest(topic_id)
                log.exception("the topic of %s could not be removed", account_id)
            else:
                with self._database.write() as session:
                    repository.drop(session, topic_id)

    def _publish(self) -> None:
        with self._database.read() as session:
            behind = [
                (topic.id, topic.account_id, topic.published_sequence, last)
                for topic, last in repository.behind(session)
            ]
        for topic_id, account_id, after, last in behind:
            if self._resting(topic_id):
                continue
            try:
                self._publish_to(topic_id, account_id, after, last)
            except DATABASE_AWAY:
                raise
            except Exception:
                # One event that cannot be written stops its topic, so that none is left out, and no other's.
                self._rest(topic_id)
                log.exception("the topic of %s could not be written", account_id)

    def _publish_to(self, topic_id: str, account_id: str, after: int, last: int) -> None:
        with self._database.read() as session:
            found = events.between(session, account_id, after=after, to=last, limit=AT_ONCE)
            told = [(event.sequence, record_of(event)) for event in found]
        outcomes = self._producer.send_records([record for _, record in told])
        written = last if not told else after
        for (sequence, _), failure in zip(told, outcomes, strict=True):
            if failure is not None:
                self._rest(topic_id)
                log.warning("the topic of %s is not written at the moment: %s", account_id, failure)
                break
            written = sequence
        if written > after:
            with self._database.write() as session:
                repository.published(session, topic_id, written)

    def _resting(self, topic_id: str) -> bool:
        return time.monotonic() < self._not_before.get(topic_id, 0.0)

    def _rest(self, topic_id: str) -> None:
        self._not_before[topic_id] = time.monotonic() + PAUSE_SECONDS


def record_of(event: PublicEvent) -> Record:
    """The event as a CloudEvent in Kafka's binary mode, with the same body as in the feed.

    All of an account have one key, so that none is written before the one that it follows.
    """
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event.id,
        "ce_type": event.type,
        "ce_source": "/stemwright",
        "ce_time": event.occurred_at.isoformat().replace("+00:00", "Z"),
        "ce_subject": event.subject,
        "ce_sequence": str(event.sequence),
        "content-type": "application/json",
    }
    return Record(
        topic=topic_of(event.account_id),
        key=event.account_id.encode(),
        value=EventView.of(event).model_dump_json().encode(),
        headers=[(name, value.encode()) for name, value in attributes.items()],
    )
