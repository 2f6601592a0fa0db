"""Reading an account's events in their order, and waiting for the next."""

import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import timedelta

from starlette.concurrency import run_in_threadpool

from services.kit.database import DATABASE_AWAY, Database
from services.kit.erasures import is_erased
from services.notifier.events import repository as events
from services.notifier.events.readers import Readers
from services.notifier.events.schemas import EventPage, EventView

NOTED_EVERY = timedelta(hours=1)
"""How exactly it is known when a feed was last read."""


class Feed:
    """The feed of every account. `poll_seconds` is how often one who waits looks by itself."""

    def __init__(self, database: Database, readers: Readers, *, poll_seconds: float) -> None:
        self._database = database
        self._readers = readers
        self._poll_seconds = poll_seconds

    def page(self, account_id: str, *, after: int, types: Collection[str], limit: int) -> EventPage:
        """What follows `after`. Blocks."""
        with self._database.read() as session:
            # Read first: what is recorded while we look belongs to the next page.
            last = events.last_sequence(session, account_id)
            found = events.between(session, account_id, after=after, to=last, types=types, limit=limit)
            oldest = events.oldest_sequence(session, account_id)
        next_after = found[-1].sequence if len(found) == limit else last
        return EventPage(items=[EventView.of(event) for event in found], next_after=next_after, oldest_sequence=oldest)

    def _note_reader(self, account_id: str) -> None:
        """Has the account's events kept for it, about once an hour. Blocks."""
        # Reading goes on where the database takes nothing for a while.
        with suppress(*DATABASE_AWAY):
            with self._database.read() as session:
                noted, now = events.last_read(session, account_id), session.now()
            if noted is not None and now - noted < NOTED_EVERY:
                return
            with self._database.write() as session:
                if not is_erased(session, account_id):
                    events.lock_log(session, account_id).read_at = session.now()

    async def next(
        self,
        account_id: str,
        *,
        after: int,
        types: Collection[str],
        limit: int,
        wait_seconds: float,
        gone: Callable[[], Awaitable[bool]],
    ) -> EventPage:
        """The same; where nothing follows yet, what does within `wait_seconds`, as long as there is room to wait and
        the client is not `gone`."""

        async def look() -> EventPage:
            return await run_in_threadpool(self.page, account_id, after=after, types=types, limit=limit)

        await run_in_threadpool(self._note_reader, account_id)
        if not wait_seconds:
            return await look()
        deadline = time.monotonic() + wait_seconds
        with self._readers.waiting(account_id) as reader:
            while True:
                page = await look()
                left = deadline - time.monotonic()
                if page.items or reader is None or left <= 0 or self._readers.closing or await gone():
                    return page
                await reader.wait(min(left, self._poll_seconds))
