"""How many requests may wait for the provider.

All requests of a process have one pool of threads. A provider that takes its time has a few of them, whoever asks, and
people sign in by the others.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from services.accounts.payments.errors import ProviderUnavailable

REQUESTS_AT_PROVIDER = 8
"""Of people who buy, of the provider's webhooks, and of admins, together."""
LOOKS_AT_PROVIDER = 2
"""Of pages that anybody opens without saying who they are: apart, for they must not be in the others' way."""
RETRY_SECONDS = 2


class Places:
    """So many at once and no more; nobody waits for a place."""

    def __init__(self, most: int) -> None:
        self._free = threading.BoundedSemaphore(most)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Has a place meanwhile. Raises ProviderUnavailable, at once, where all are taken."""
        if not self._free.acquire(blocking=False):
            raise ProviderUnavailable(
                "The payment provider takes its time with what others have asked.", retry_after_seconds=RETRY_SECONDS
            )
        try:
            yield
        finally:
            self._free.release()
