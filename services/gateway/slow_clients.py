"""Limits for clients that send slowly, read slowly or say nothing: how many may wait, and how long each."""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class WaitingPool:
    """Those who keep us waiting: so many of each client, so many in all, or so many bytes that they take meanwhile.

    When there is no place, nobody is refused: of the client who has most here, the one who has waited longest has to
    go. So who sends what they have to send passes through at once, however many sit here and say nothing. Used from
    the event loop only.
    """

    def __init__(self, *, per_client: int, in_all: int) -> None:
        self._per_client = per_client
        self._in_all = in_all
        self._clients: dict[str, OrderedDict[object, tuple[int, Callable[[], None]]]] = {}
        self._sizes: Counter[str] = Counter()
        self._total = 0

    def __len__(self) -> int:
        return self._total

    def of(self, client: str) -> int:
        """What those of this client who wait take together."""
        return self._sizes[client]

    def enter(self, client: str, who: object, evict: Callable[[], None], size: int = 1) -> None:
        """Takes a place of this size; `evict` is called, once, if it is needed for another."""
        while client in self._clients and self.of(client) + size > self._per_client:
            self._clear_one(client)
        while self._clients and self._total + size > self._in_all:
            self._clear_one(max(self._clients, key=self.of))
        self._clients.setdefault(client, OrderedDict())[who] = size, evict
        self._sizes[client] += size
        self._total += size

    def leave(self, client: str, who: object) -> None:
        """Frees the place, if `who` still has one."""
        waiting = self._clients.get(client)
        if waiting is None or who not in waiting:
            return
        size, _ = waiting.pop(who)
        self._sizes[client] -= size
        self._total -= size
        if not waiting:
            del self._clients[client], self._sizes[client]

    @asynccontextmanager
    async def place(self, client: str, size: int = 1) -> AsyncIterator[None]:
        """A place for the length of the block, which ends with TimeoutError if it is needed for another."""
        async with asyncio.timeout(None) as stay:
            self.enter(client, stay, lambda: stay.reschedule(0), size)
            try:
                yield
            finally:
                self.leave(client, stay)

    def _clear_one(self, client: str) -> None:
        who, (_, evict) = next(iter(self._clients[client].items()))
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
