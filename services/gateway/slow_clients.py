"""Limits for clients that send slowly, read slowly or say nothing: how many may wait, and how long each."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from services.gateway.errors import BodyTimeout


class WaitingPool:
    """Those who keep us waiting for their bytes: so many of each client, so many in all.

    When there is no place, nobody is refused: of the client who has most here, the one who has waited longest has to
    go. So who sends what they have to send passes through at once, however many sit here and say nothing. Used from
    the event loop only.
    """

    def __init__(self, *, per_client: int, in_all: int) -> None:
        self._per_client = per_client
        self._in_all = in_all
        self._clients: dict[str, OrderedDict[object, Callable[[], None]]] = {}
        self._total = 0

    def __len__(self) -> int:
        return self._total

    def of(self, client: str) -> int:
        """How many of this client wait."""
        return len(self._clients.get(client, ()))

    def enter(self, client: str, who: object, evict: Callable[[], None]) -> None:
        """Takes a place; `evict` is called, once, if it is needed for another."""
        if self.of(client) >= self._per_client:
            self._clear_one(client)
        elif self._total >= self._in_all:
            self._clear_one(max(self._clients, key=self.of))
        self._clients.setdefault(client, OrderedDict())[who] = evict
        self._total += 1

    def leave(self, client: str, who: object) -> None:
        """Frees the place, if `who` still has one."""
        waiting = self._clients.get(client)
        if waiting is None or who not in waiting:
            return
        del waiting[who]
        self._total -= 1
        if not waiting:
            del self._clients[client]

    @asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[None]:
        """A place for the length of the block, which ends with BodyTimeout if it is needed for another."""
        try:
            async with asyncio.timeout(None) as stay:
                self.enter(client, stay, lambda: stay.reschedule(0))
                try:
                    yield
                finally:
                    self.leave(client, stay)
        except TimeoutError:
            raise BodyTimeout("The request did not arrive before others needed its place.") from None

    def _clear_one(self, client: str) -> None:
        who, evict = next(iter(self._clients[client].items()))
        self.leave(client, who)
        evict()


class TimeBudget:
    """How long one peer may still keep us waiting: waiting uses it up, bytes earn it back.

    So silence may last `seconds`, and in the long run `bytes_per_second` have to come.
    """

    def __init__(self, seconds: float, bytes_per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = self._left = seconds
        self._bytes_per_second = bytes_per_second
        self._clock = clock

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Around what waits for the peer, and nothing else. Raises TimeoutError when nothing is left of it."""
        begun = self._clock()
        try:
            async with asyncio.timeout(max(0.0, self._left)):
                yield
        finally:
            self._left -= self._clock() - begun

    def earn(self, size_bytes: int) -> None:
        """So many bytes have come."""
        self._left = min(self._most, self._left + size_bytes / self._bytes_per_second)
