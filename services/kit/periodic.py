"""A background task that does one thing again and again."""

import logging
import threading
from collections.abc import Callable
from functools import partial

from prometheus_client import Counter

from services.kit.database import DATABASE_AWAY

log = logging.getLogger(__name__)

FAILED = Counter("stemwright_rounds_failed_total", "Rounds of background tasks that ended in a defect.", ["task"])


class Periodic:
    """Calls `action` every `interval_seconds`.

    A round that fails is told, counted, and tried again when the next is due: whatever one row made of it, the process
    has other things to do.
    """

    def __init__(self, name: str, interval_seconds: float, action: Callable[[], None]) -> None:
        self.name = name
        self._interval_seconds = interval_seconds
        FAILED.labels(name)  # from 0 on: of a counter that begins at 1 nobody sees that it grew
        self._action = action

    def around(self, what: Callable[[Callable[[], None]], None]) -> None:
        """From now on each round is `what`, called with the action."""
        self._action = partial(what, self._action)

    def run(self, stop: threading.Event) -> None:
        """Works until told to stop."""
        while not stop.wait(self._interval_seconds):
            try:
                self._action()
            except DATABASE_AWAY as error:
                log.warning("%s is put off: the database does not answer: %s", self.name, error)
            except Exception:
                FAILED.labels(self.name).inc()
                log.exception("a round of %s failed", self.name)
