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
    """One per process."""

    def __init__(self) -> None:
        self.placement = threading.Event()
        """Set when a job may have become placeable."""
        self._changed = threading.Condition()

    def job_changed(self) -> None:
        """A job, an upload or a balance is not what it was."""
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, look: Callable[[], T | None], timeout_seconds: float) -> T | None:
        """What `look` returns as soon as it is not None, or None after the timeout. `look` reads the database."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            with self._changed:
                found = look()
                remaining = deadline - time.monotonic()
                if found is not None or remaining <= 0:
                    return found
                self._changed.wait(min(remaining, LOOK_SECONDS))
