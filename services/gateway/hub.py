"""News of jobs and accounts, from the event log's threads to the event streams of this process.

Only what somebody watches takes memory, and each watcher holds one progress report and one flag, however much
arrives: a slow client sees fewer reports, never a queue of them.
"""

import asyncio
import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt is: `fraction` from 0 to 1 of the whole, and how much of it can be listened to."""

    attempt: int
    stage: str
    fraction: float
    playable_seconds: float = 0.0

    def follows(self, earlier: "Progress | None") -> bool:
        """Whether this is news to one who knows `earlier`. Reports come late, twice and out of order."""
        if earlier is None or self.attempt > earlier.attempt:
            return True
        # Of one attempt neither ever falls.
        where, before = (self.fraction, self.playable_seconds), (earlier.fraction, earlier.playable_seconds)
        return self.attempt == earlier.attempt and where > before


class Subscription:
    """What one watcher has not seen yet. Used from the event loop only."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.closed = False
        """The process stops; the stream should end so that the client resumes elsewhere."""
        self._progress: Progress | None = None
        self._status_changed = False
        self._news = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Returns when there is news, or after the given time."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    def take_progress(self) -> Progress | None:
        """The latest report since the last call."""
        progress, self._progress = self._progress, None
        self._settle()
        return progress

    def take_status_changed(self) -> bool:
        """Whether the status changed since the last call."""
        changed, self._status_changed = self._status_changed, False
        self._settle()
        return changed

    def tell(self, news: "Progress | None") -> None:
        """A progress report, or None: something else happened to it."""
        if news is None:
            self._status_changed = True
        elif news.follows(self._progress):
            self._progress = news
        self._news.set()

    def close(self) -> None:
        self.closed = True
        self._news.set()

    def _settle(self) -> None:
        if self._progress is None and not self._status_changed and not self.closed:
            self._news.clear()


class Hub:
    """Who watches which job, or which account."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[Subscription]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._lock = threading.Lock()

    @property
    def jobs(self) -> int:
        """How many jobs and accounts are watched."""
        return len(self._watchers)

    def subscribe(self, subject: str) -> Subscription:
        """Starts to watch a job or an account, by its id; called on the event loop. End it with `unsubscribe`."""
        subscription = Subscription(subject)
        with self._lock:
            self._loop = asyncio.get_running_loop()
            self._watchers.setdefault(subject, set()).add(subscription)
        if self._closed:
            subscription.close()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forgets a watcher, and with its last watcher what it watched."""
        with self._lock:
            watchers = self._watchers.get(subscription.subject, set())
            watchers.discard(subscription)
            if not watchers:
                self._watchers.pop(subscription.subject, None)

    def publish(self, subject: str, news: Progress | None) -> None:
        """Tells the watchers of a job or an account, if it has any. Safe from every thread."""
        with self._lock:
            loop = self._loop if subject in self._watchers else None
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(self._deliver, subject, news)
        except RuntimeError:
            return  # the loop was closed: nobody is left to be told

    def close(self) -> None:
        """Ends every subscription, present and future; called on the event loop when the process stops."""
        self._closed = True
        for watchers in self._watchers.values():
            for subscription in watchers:
                subscription.close()

    def _deliver(self, subject: str, news: Progress | None) -> None:
        for subscription in self._watchers.get(subject, ()):
            subscription.tell(news)
