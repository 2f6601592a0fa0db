"""Readers of the feed that wait for an event: each is a coroutine, none a thread."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from services.notifier.settings import Settings


class Readers:
    """Wakes those who wait for events of an account.

    Only a hint to look again: another process may have recorded the event, so whoever waits looks now and then as well.
    """

    def __init__(self, settings: Settings) -> None:
        self._most = settings.max_waiting_readers
        self._most_per_account = settings.max_waiting_readers_per_account
        self._lock = threading.Lock()
        self._waiting: defaultdict[str, set[Reader]] = defaultdict(set)
        self._count = 0
        self.closing = False
        """True when the process stops: nobody waits any more."""

    @property
    def count(self) -> int:
        """How many wait."""
        return self._count

    @contextmanager
    def waiting(self, account_id: str) -> Iterator["Reader | None"]:
        """A place among those who wait, or None where there is none left; taken before the first look, so that no
        event is missed. Enter it on the event loop."""
        reader = Reader()
        with self._lock:
            taken = self._count < self._most and len(self._waiting[account_id]) < self._most_per_account
            if taken:
                self._waiting[account_id].add(reader)
                self._count += 1
        try:
            yield reader if taken else None
        finally:
            with self._lock:
                if taken:
                    self._waiting[account_id].remove(reader)
                    self._count -= 1
                if not self._waiting[account_id]:
                    del self._waiting[account_id]

    def announce(self, account_id: str) -> None:
        """Wakes whoever waits for this account; from any thread."""
        with self._lock:
            for reader in self._waiting.get(account_id, ()):
                reader.wake()

    def close(self) -> None:
        """Sends everybody home with what there is."""
        self.closing = True
        with self._lock:
            for readers in self._waiting.values():
                for reader in readers:
                    reader.wake()


class Reader:
    """One who waits."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Ends the wait; from any thread."""
        self._loop.call_soon_threadsafe(self._news.set)

    async def wait(self, seconds: float) -> None:
        """Returns when woken, or after so many seconds; what woke it is forgotten then."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()
