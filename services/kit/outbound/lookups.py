"""Names become addresses: the system's resolver, in threads of which nobody who asks gets all."""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

AT_ONCE = 64
"""A name server that is silent holds a thread for as long as the system's resolver asks it."""
AT_ONCE_OF_ONE = 8
"""The same, of one who asks: an account."""
LONGEST_WAIT_SECONDS = 2.0
LOOK_SECONDS = 0.05


class Lookups:
    """From any thread and event loop. `wait_seconds` is how long one waits for a place."""

    def __init__(self, *, wait_seconds: float = LONGEST_WAIT_SECONDS) -> None:
        self._wait_seconds = wait_seconds
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="resolver")
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[Sequence[str]]] = {}
        """By host, until the thread is free: also where nobody waits for the answer any more."""
        self._taken: Counter[str] = Counter()
        """Places by who took them."""

    def close(self) -> None:
        """Lets go of the threads; lookups that hang end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def __call__(self, host: str, port: int, asker: str) -> Sequence[str] | None:
        """The IP addresses of a host, as text; None where no place was free for `asker`. Raises OSError where there
        are none.

        Who asks for a host that is being looked up already takes no place and gets the same answer.
        """
        deadline = time.monotonic() + self._wait_seconds
        while (lookup := self._begun(host, port, asker)) is None:
            if time.monotonic() >= deadline:
                return None
            await asyncio.sleep(LOOK_SECONDS)
        # Who stops waiting takes the answer from nobody else.
        return await asyncio.shield(asyncio.wrap_future(lookup))

    def _begun(self, host: str, port: int, asker: str) -> Future[Sequence[str]] | None:
        with self._lock:
            lookup = self._under_way.get(host)
            if lookup is not None:
                return lookup
            if self._taken.total() >= AT_ONCE or self._taken[asker] >= AT_ONCE_OF_ONE:
                return None
            lookup = self._under_way[host] = self._threads.submit(_ask_system, host, port)
            self._taken[asker] += 1
        # Outside: what has ended by now is told at once.
        lookup.add_done_callback(partial(self._ended, host, asker))
        return lookup

    def _ended(self, host: str, asker: str, _lookup: Future[Sequence[str]]) -> None:
        with self._lock:
            del self._under_way[host]
            self._taken[asker] -= 1
            if not self._taken[asker]:
                del self._taken[asker]


def _ask_system(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # The scope of a link-local address is not part of it, and makes it none the better.
    return [str(address[0]).partition("%")[0] for *_, address in found]
