"""How long a fetch may wait at the brokers.

Apache Kafka answers a waiting fetch the moment a record arrives. The local broker looks only after half of the time
and at its end, so there the wait is latency: half of it at worst, a quarter on average. Short waits cost processor time
for nothing while nobody works. So the wait follows the quiet: a few per cent of the time since the last record that
matters.
"""

import time
from collections.abc import Callable

SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 1.0
SHARE_OF_QUIET = 0.04


class Pace:
    """The wait of the next fetch, for one consumer. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stirred_at = clock()

    def stir(self) -> None:
        """A record came that others may follow soon."""
        self._stirred_at = self._clock()

    def wait_ms(self) -> int:
        """Milliseconds for the next fetch."""
        quiet = self._clock() - self._stirred_at
        return int(1000 * min(max(quiet * SHARE_OF_QUIET, SHORTEST_SECONDS), LONGEST_SECONDS))
