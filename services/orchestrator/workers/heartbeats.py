"""Whether heartbeats arrive at all: the silence of one worker means something only while others are heard.

After a gap (the event log was away, this process was down) every worker has been silent, the living too. Until their
heartbeats have had time to arrive again, nobody's silence is held against them.
"""

import threading
import time
from collections.abc import Callable


class HeartbeatMonitor:
    """Fed with every heartbeat of any worker. Safe to share between threads.

    A pause of more than `gap_seconds` between two heartbeats starts the count anew. `clock` is a monotonic one.
    """

    def __init__(self, gap_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap_seconds = gap_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._since = self._last = float("-inf")

    def received(self) -> None:
        """A heartbeat came."""
        with self._lock:
            now = self._clock()
            if now - self._last > self._gap_seconds:
                self._since = now
            self._last = now

    def are_steady(self, for_seconds: float = 0.0) -> bool:
        """Whether heartbeats have been coming for longer than a gap, or than that if it is longer: who lives has been
        heard by now."""
        with self._lock:
            now = self._clock()
            since = now - self._since
            return now - self._last <= self._gap_seconds < since and since > for_seconds
