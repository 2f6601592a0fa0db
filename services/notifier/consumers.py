"""What the notifier hears: all that becomes public, and which accounts are erased or are no partner any more."""

from collections.abc import Mapping
from datetime import UTC

from google.protobuf.message import Message

from services.kit.auth import Role
from services.kit.database import Database, WriteSession
from services.kit.erasures import Eraser
from services.kit.events.brokers import Brokers
from services.kit.events.codec import Event
from services.kit.events.consumer import Consumer, Handler
from services.kit.events.rights import writes_of
from services.kit.events.topics import ACCOUNTS, BILLING, JOBS_EVENTS, UPLOADS
from services.kit.handling import in_transaction
from services.kit.protos import accounts_pb2
from services.kit.settings import ConsumerGroupSettings
from services.notifier.endpoints.service import Endpoints
from services.notifier.event_topics import repository as event_topics
from services.notifier.events.news import NEWS_OF
from services.notifier.events.recorder import Recorder


def news_consumer(
    settings: ConsumerGroupSettings, database: Database, recorder: Recorder, endpoints: Endpoints, eraser: Eraser
) -> Consumer:
    """The background task that reads what this service makes public."""
    return Consumer(
        Brokers.of(settings),
        name="notifier",
        group="notifier",
        sole=settings.kafka_sole_consumers,
        writes=writes_of("notifier"),
        topics=[UPLOADS, JOBS_EVENTS, BILLING, ACCOUNTS],
        handlers={**recording(database, recorder), **closing(database, endpoints), **eraser.handlers},
    )


def recording(database: Database, recorder: Recorder) -> Mapping[type[Message] | str, Handler]:
    """The handlers of what becomes public."""

    def record(session: WriteSession, event: Event) -> None:
        recorder.record(session, NEWS_OF[event.type](event))

    return dict.fromkeys(NEWS_OF, in_transaction(database, record))


def closing(database: Database, endpoints: Endpoints) -> Mapping[type[Message] | str, Handler]:
    """The handler of what an account may do from now on."""

    def changed(session: WriteSession, event: Event) -> None:
        told: accounts_pb2.AccountChanged = event.data
        if told.disabled or Role.PARTNER not in told.roles:
            at = told.changed_at.ToDatetime(tzinfo=UTC)
            endpoints.close_all(session, told.account_id, at)
            event_topics.close(session, told.account_id, at)

    return {accounts_pb2.AccountChanged: in_transaction(database, changed)}
