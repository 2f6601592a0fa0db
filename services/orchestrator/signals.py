"""Wakes threads of this process when something changed, so that nothing waits for a poll.

Other replicas change things too: whoever waits also looks by itself now and then.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

LOOK_SECONDS = 0.25

T = TypeVar("T")


class Signals:
    """One per process. At most `waiting_requests` threads wait at a time, so that the others can serve."""

    def __init__(self, waiting_requests: int = 16) -> None:
        self.placement = threading.Event()
        """Set when a job may have become placeable."""
        self._changed = threading.Condition()
        self._changes = 0
        self._places = threading.BoundedSemaphore(waiting_requests) if waiting_requests else None

    def job_changed(self) -> None:
        """A job, an upload or a balance is not what it was."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def wait_for(self, look: Callable[[], T | None], timeout_seconds: float) -> T | None:
        """What `look` returns as soon as it is not None, or None after the timeout. `look` reads the database.

        Looks once and does not wait where too many others wait already.
        """
        if self._places is None or not self._places.acquire(blocking=False):
            return look()
        try:
            return self._wait_for(look, time.monotonic() + timeout_seconds)
        finally:
            self._places.release()

    def _wait_for(self, look: Callable[[], T | None], deadline: float) -> T | None:
        while True:
            # Counted before looking: a change in between is not missed, and nobody is kept waiting by our reading.
            seen = self._changes
            found = look()
            remaining = deadline - time.monotonic()
            if found is not None or remaining <= 0:
                return found
            with self._changed:
                if self._changes == seen:
                    self._changed.wait(min(remaining, LOOK_SECONDS))
