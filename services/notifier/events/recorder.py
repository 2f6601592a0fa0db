"""Gives public events their place in their account's log."""

from datetime import timedelta

from services.kit.database import WriteSession
from services.kit.erasures import is_erased
from services.kit.events.errors import InvalidMessage
from services.kit.ids import new_id
from services.notifier.deliveries.queue import DeliveryQueue
from services.notifier.events import repository as events
from services.notifier.events.models import PublicEvent
from services.notifier.events.news import DELETED, News
from services.notifier.events.readers import Readers


class Recorder:
    """Numbers what becomes public, and has it sent. `kept` is how long events stay."""

    def __init__(self, readers: Readers, queue: DeliveryQueue, *, kept: timedelta) -> None:
        self._readers = readers
        self._queue = queue
        self._kept = kept

    def record(self, session: WriteSession, news: News) -> PublicEvent | None:
        """The event under its account's next number, or None where it is no news.

        It is none if what it happened to has come as far before (told twice, or too late), if its account was erased,
        or if it is older than what is kept: whether it was told then is not known any more. Raises InvalidMessage for
        what is another account's.

        The account's log is locked until the transaction ends: numbers appear in their order, and none is left out.
        """
        if is_erased(session, news.account_id) or news.occurred_at < session.now() - self._kept:
            return None
        log = events.lock_log(session, news.account_id)
        latest = events.latest_of(session, news.subject)
        if latest is not None and latest.account_id != news.account_id:
            raise InvalidMessage("it tells of what is another account's")
        if latest is not None and latest.stage >= news.stage:
            return None
        if news.stage == DELETED:
            # What the client noted on the job goes with it.
            events.drop_metadata(session, news.subject)
        log.last_sequence += 1
        event = PublicEvent(
            id=new_id("evt"),
            account_id=news.account_id,
            sequence=log.last_sequence,
            type=news.type,
            subject=news.subject,
            stage=news.stage,
            occurred_at=news.occurred_at,
            recorded_at=session.now(),
            data=news.data,
        )
        session.add(event)
        self._queue.enqueue(session, event)
        if news.callback is not None:
            session.flush()
            self._queue.enqueue_callback(session, event, news.callback.url, news.callback.ordered_at)
        session.after_commit(lambda: self._readers.announce(news.account_id))
        return event
