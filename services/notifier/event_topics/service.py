"""What happens to partners' topics."""

from services.kit.database import Database
from services.kit.erasures import check_open
from services.kit.events.brokers import Brokers
from services.kit.ids import new_id
from services.notifier.event_topics import repository
from services.notifier.event_topics.brokers import PartnersBrokers, topic_of
from services.notifier.event_topics.errors import EventTopicExists, EventTopicNotFound, EventTopicsNotOffered
from services.notifier.event_topics.models import EventTopic
from services.notifier.event_topics.schemas import EventTopicMade, EventTopicView
from services.notifier.events import repository as events
from services.notifier.settings import Settings


class EventTopics:
    """Each method opens its own transactions, for the brokers are asked outside of any."""

    def __init__(self, database: Database, settings: Settings, partners: PartnersBrokers) -> None:
        self._database = database
        self._partners = partners
        self._offered = settings.partner_topics
        self._brokers = Brokers.of(settings)
        self._addresses = settings.partner_bootstrap_servers or settings.kafka_bootstrap_servers

    def create(self, account_id: str) -> EventTopicMade:
        """Raises EventTopicsNotOffered, EventTopicExists, AccountGone, Unavailable.

        A process that ends before it has noted what it made leaves things that nobody knows of; the next call makes use
        of them, with another password.
        """
        if not self._offered:
            raise EventTopicsNotOffered
        with self._database.write() as session:
            check_open(session, account_id)
            if repository.of_account(session, account_id) is not None:
                raise EventTopicExists
        password = self._partners.make(account_id)
        topic_id = new_id("etp")
        with self._database.write() as session:
            check_open(session, account_id)
            if not repository.add(session, topic_id, account_id, after=events.last_sequence(session, account_id)):
                raise EventTopicExists
            made = repository.of_account(session, account_id)
            assert made is not None  # noqa: S101 - it was added
            view = self._view(made)
        return EventTopicMade(**view.model_dump(), password=password)

    def of_account(self, account_id: str) -> list[EventTopicView]:
        """The account's topic, if it has one."""
        with self._database.read() as session:
            topic = repository.of_account(session, account_id)
            return [] if topic is None or topic.closed_at is not None else [self._view(topic)]

    def delete(self, account_id: str, topic_id: str) -> None:
        """Gives it up; the brokers let go of it soon after. Raises EventTopicNotFound."""
        with self._database.write() as session:
            topic = repository.of_account(session, account_id)
            if topic is None or topic.id != topic_id or topic.closed_at is not None:
                raise EventTopicNotFound
            repository.close(session, account_id, session.now())

    def _view(self, topic: EventTopic) -> EventTopicView:
        return EventTopicView(
            id=topic.id,
            topic=self._brokers.named(topic_of(topic.account_id)),
            bootstrap_servers=self._addresses,
            username=topic.account_id,
            group_prefix=f"{topic.account_id}.",
            created_at=topic.created_at,
            published_sequence=topic.published_sequence,
        )
