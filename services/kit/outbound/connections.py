"""Connections to addresses that were looked at, and for how long they are kept."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpcore2

from services.kit.outbound.urls import Target

KEPT_SECONDS = 60.0
"""How long what was found out about a name counts; then it is resolved and looked at anew."""
MOST_KEPT = 256
"""Connections that are kept at a time, those in use included."""
_MOST_UNREAD_BYTES = 0x10000

Origin = tuple[str, str, int]


class Pinned(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that were looked at, whatever the host is called."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the name is for TLS and the Host header
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        for address in self._addresses[:-1]:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore2.ConnectError:
                continue
        return await self._backend.connect_tcp(self._addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class Wire(asyncio.Protocol, httpcore2.AsyncNetworkStream):
    """A connection, TLS and all, over which one small request at a time goes out and its answer comes.

    Limits of time are the caller's, and what is written leaves when an answer is waited for.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._outgoing = bytearray()
        """Head and body of a request, which leave together."""
        self._incoming = bytearray()
        self._paused = False
        self._ended = asyncio.Event()
        self._problem: Exception | None = None
        self._news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._incoming += data
        if len(self._incoming) > _MOST_UNREAD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._problem = exc
        self._ended.set()
        self._news.set()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        if self._outgoing:
            self._transport.write(bytes(self._outgoing))
            self._outgoing.clear()
        while not self._incoming:
            if self._problem is not None:
                raise httpcore2.ReadError from self._problem
            if self._ended.is_set():
                return b""
            self._news.clear()
            await self._news.wait()
        data = bytes(self._incoming[:max_bytes])
        del self._incoming[:max_bytes]
        if self._paused and len(self._incoming) <= _MOST_UNREAD_BYTES:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._outgoing += buffer

    async def aclose(self) -> None:
        self._transport.abort()
        await self._ended.wait()

    def get_extra_info(self, info: str) -> Any:
        """Whether it is good for another request: what comes without being asked for is no answer to anything."""
        return bool(self._incoming) or self._ended.is_set() if info == "is_readable" else None


class KeptConnections:
    """Keeps what `connect` makes for a scheme, host and port, up to so many seconds from when it was made.

    Belongs to one event loop.
    """

    def __init__(self, connect: Callable[[Target, str], Awaitable[Wire]], *, seconds: float) -> None:
        self._connect = connect
        self._seconds = seconds
        self._ends: dict[httpcore2.AsyncHTTP11Connection, asyncio.TimerHandle] = {}
        """Of those that may be kept."""
        self._idle: defaultdict[Origin, list[httpcore2.AsyncHTTP11Connection]] = defaultdict(list)
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def to(self, target: Target, asker: str) -> AsyncIterator[tuple[httpcore2.AsyncHTTP11Connection, bool]]:
        """A connection to where this leads, for one request, and whether it was kept; it is made for `asker`. Raises as
        `connect` does."""
        origin = (target.scheme, target.host, target.port)
        kept = self._take(origin)
        connection = kept or await self._made(origin, target, asker)
        try:
            yield connection, kept is not None
        finally:
            if connection.is_idle() and connection in self._ends:
                self._idle[origin].append(connection)
            else:
                self._let_go(connection)
                await connection.aclose()

    async def aclose(self) -> None:
        """Closes those that nobody uses."""
        for origin in list(self._idle):
            for connection in list(self._idle[origin]):
                self._end(origin, connection)
        await asyncio.gather(*self._closing)

    async def _made(self, origin: Origin, target: Target, asker: str) -> httpcore2.AsyncHTTP11Connection:
        scheme, host, port = origin
        wire = await self._connect(target, asker)
        made = httpcore2.AsyncHTTP11Connection(httpcore2.Origin(scheme.encode(), host.encode(), port), wire)
        if len(self._ends) < MOST_KEPT:
            loop = asyncio.get_running_loop()
            self._ends[made] = loop.call_later(self._seconds, self._end, origin, made)
        return made

    def _take(self, origin: Origin) -> httpcore2.AsyncHTTP11Connection | None:
        for connection in list(reversed(self._idle.get(origin, ()))):
            if connection.has_expired():
                self._end(origin, connection)
            else:
                self._leave(origin, connection)
                return connection
        return None

    def _end(self, origin: Origin, connection: httpcore2.AsyncHTTP11Connection) -> None:
        """Closes it, if need be after its request."""
        self._let_go(connection)
        if connection in self._idle.get(origin, ()):
            self._leave(origin, connection)
            closing = asyncio.get_running_loop().create_task(connection.aclose())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _let_go(self, connection: httpcore2.AsyncHTTP11Connection) -> None:
        timer = self._ends.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def _leave(self, origin: Origin, connection: httpcore2.AsyncHTTP11Connection) -> None:
        self._idle[origin].remove(connection)
        if not self._idle[origin]:
            del self._idle[origin]
