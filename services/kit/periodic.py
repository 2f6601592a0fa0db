"""A background task that does one thing again and again."""

import logging
import threading
from collections.abc import Callable

from services.kit.database import DATABASE_AWAY

log = logging.getLogger(__name__)


class Periodic:
    """Calls `action` every `interval_seconds`. A database that is away is waited for; any other error is raised."""

    def __init__(self, name: str, interval_seconds: float, action: Callable[[], None]) -> None:
        self.name = name
        self._interval_seconds = interval_seconds
        self._action = action

    def run(self, stop: threading.Event) -> None:
        """Works until told to stop."""
        while not stop.wait(self._interval_seconds):
            try:
                self._action()
            except DATABASE_AWAY as error:
                log.warning("%s is put off: the database does not answer: %s", self.name, error)
