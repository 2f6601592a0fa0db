"""Forgets an erased account's events, and where it was told of them."""

from services.kit.database import Database
from services.kit.erasures import count
from services.notifier.callbacks import repository as callbacks
from services.notifier.deliveries import repository as deliveries
from services.notifier.deliveries.models import Delivery
from services.notifier.endpoints import repository as endpoints
from services.notifier.event_topics import repository as event_topics
from services.notifier.events import repository as events

BATCH = 1000


class Forgetting:
    """The notifier's part in an erasure."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __call__(self, account_id: str) -> bool:
        """Deletes what was sent some at a time, then the account's endpoints; its events some at a time, then their
        counter. Not at its end while the account has a topic at the brokers."""
        with self._database.write() as session:
            endpoints.stop_all(session, account_id)
            callbacks.delete_account(session, account_id)
            event_topics.close(session, account_id, session.now())
        deleted = BATCH
        while deleted == BATCH:
            with self._database.write() as session:
                deleted = deliveries.delete_some(session, of=Delivery.account_id == account_id, limit=BATCH)
                if deleted < BATCH:
                    count(session, account_id, "webhook_endpoints", endpoints.delete_all(session, account_id))
        while True:
            with self._database.write() as session:
                deleted = events.delete_some(session, account_id, limit=BATCH)
                count(session, account_id, "events", deleted)
                if deleted < BATCH:
                    events.delete_log(session, account_id)
                    # What is on its topic goes with the topic, which another task removes.
                    return event_topics.of_account(session, account_id) is None
