"""How many records of a topic may be put among the dead letters, and how fast.

A fault of our handlers, a bad deploy, must not empty a topic into its dead letters within seconds. But no record may
end the process either: whoever could write twenty bad ones could then stop it again and again. So dead letters have a
budget per topic: some at once, then one every few seconds. A record beyond it waits and is tried again, its neighbours
go on; when too many wait the partition is full and stands still, its lag tells, and nothing is lost meanwhile.
"""

import time
from collections.abc import Callable


class DeadLetterLimit:
    """The budget of one consumer. Used by one thread.

    `burst` dead letters of a topic are taken as they come, later ones each `interval_seconds` after the one before.
    Time without any gives the budget back at the same rate.
    """

    def __init__(self, *, burst: int, interval_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._span_seconds = burst * interval_seconds
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._paid_until: dict[str, float] = {}
        """By topic, when all dead letters so far are paid for at the steady rate."""

    def wait_seconds(self, topic: str) -> float:
        """How long the next dead letter of this topic has to wait; 0: not at all."""
        return max(0.0, self._due(topic) + self._interval_seconds - self._span_seconds - self._clock())

    def count(self, topic: str) -> None:
        """Another record of this topic is put there."""
        self._paid_until[topic] = self._due(topic) + self._interval_seconds

    def _due(self, topic: str) -> float:
        return max(self._paid_until.get(topic, 0.0), self._clock())
