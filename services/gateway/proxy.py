"""Requests to the services behind the gateway, with bounded memory: songs and files are streamed, calls read whole.

httpcore2 is used, the layer below httpx2: headers and target go out byte for byte as we wrote them, bodies are pulled
chunk by chunk (so a slow reader slows the writer), and nothing is decoded.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from urllib.parse import urlsplit

import anyio
import httpcore2
from prometheus_client import Counter
from starlette.types import Receive, Scope, Send

from services.gateway.errors import BadRequest, Overloaded, UpstreamBroken, UpstreamDown, UpstreamTimeout
from services.gateway.expect import ExpectingBackend
from services.gateway.headers import Headers, first, to_client
from services.gateway.routes import Load, Upstream
from services.gateway.settings import Settings

log = logging.getLogger(__name__)

FAILED = Counter(
    "stemwright_upstream_errors_total",
    "Requests that a service behind the gateway did not answer.",
    ["upstream", "code"],
)

WHOLE_ANSWER_BYTES = 64 * 1024
"""Files up to this size are read whole and written at once."""
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Most that a service answers to a call: a page of 100 jobs with the longest notes is half of it."""
PIECE_BYTES = 64 * 1024
"""An answer that was read whole is written in pieces of this size, the next one when the client has read."""

# Below the time after which the services close an idle connection (5 s), so that a request rarely meets one.
KEEP_ALIVE_SECONDS = 4.0

_NEVER_ARRIVED = (httpcore2.ConnectError, httpcore2.ConnectTimeout)
_BROKE_OFF = (httpcore2.ReadError, httpcore2.WriteError, httpcore2.RemoteProtocolError)


class ClientGone(Exception):
    """The client closed the connection; nobody waits for an answer."""


@dataclass
class Outgoing:
    """One request to a service. `body` is the whole body, or an iterator that can be read once."""

    method: str
    target: bytes
    headers: Headers
    body: bytes | AsyncIterator[bytes] = b""
    repeatable: bool = False
    """Sending it twice has the same effect as once."""
    response_timeout_seconds: float | None = None
    load: Load = Load.CALL
    host: bytes | None = None
    """What the service is addressed as, where that is not its own name: a signed address names the host it is for."""
    started: bool = field(default=False, init=False)
    """Part of an iterator body was read: there is no second time."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it is pulled onto the wire."""
        assert not isinstance(self.body, bytes)  # noqa: S101 - callers look
        self.started = True
        async for chunk in self.body:
            yield chunk


class Service:
    """The connections to one upstream service."""

    def __init__(self, name: str, url: str, settings: Settings) -> None:
        parts = urlsplit(url)
        self.name = name
        self._scheme = parts.scheme.encode()
        self._host = (parts.hostname or "").encode()
        self._port = parts.port
        self._authority = parts.netloc.encode()
        self._prefix = parts.path.rstrip("/").encode()
        self._settings = settings
        # What takes as long as a client likes has connections of its own, so that it never stands in a call's way.
        self._pools = {
            Load.CALL: httpcore2.AsyncConnectionPool(
                max_connections=settings.upstream_connections,
                max_keepalive_connections=min(20, settings.upstream_connections),
                keepalive_expiry=KEEP_ALIVE_SECONDS,
            ),
            Load.UPLOAD: httpcore2.AsyncConnectionPool(
                max_connections=settings.upstream_transfers,
                max_keepalive_connections=0,
                network_backend=ExpectingBackend(),
            ),
            Load.DOWNLOAD: httpcore2.AsyncConnectionPool(
                max_connections=settings.upstream_transfers,
                max_keepalive_connections=min(20, settings.upstream_transfers),
                keepalive_expiry=KEEP_ALIVE_SECONDS,
            ),
        }

    async def close(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()

    def busy(self, load: Load) -> int:
        """How many connections of this kind are in use."""
        return sum(not (item.is_idle() or item.is_closed()) for item in self._pools[load].connections)

    @asynccontextmanager
    async def request(self, outgoing: Outgoing) -> AsyncIterator[httpcore2.Response]:
        """The answer's head; its body is read inside the block.

        Sent once more, after a pause, if the service was not reached (it restarts), or if it broke off before it
        answered and the request is repeatable. Raises UpstreamDown, UpstreamBroken, UpstreamTimeout, Overloaded or
        BadRequest.
        """
        try:
            response = await self._answered(outgoing)
        except (UpstreamDown, UpstreamBroken, UpstreamTimeout, Overloaded) as failure:
            FAILED.labels(self.name, failure.code).inc()
            raise
        try:
            yield response
        finally:
            await response.aclose()

    async def _answered(self, outgoing: Outgoing) -> httpcore2.Response:
        try:
            return await self._send(outgoing)
        except _NEVER_ARRIVED + _BROKE_OFF as error:
            if outgoing.started or not (outgoing.repeatable or isinstance(error, _NEVER_ARRIVED)):
                raise self._meaning(error) from error
            await asyncio.sleep(self._settings.retry_delay_seconds)
            try:
                return await self._send(outgoing)
            except _NEVER_ARRIVED + _BROKE_OFF as again:
                raise self._meaning(again) from again

    def _meaning(self, error: Exception) -> UpstreamDown | UpstreamBroken:
        if isinstance(error, _NEVER_ARRIVED):
            return UpstreamDown(f"The service {self.name} cannot be reached at the moment.", retry_after_seconds=2)
        return UpstreamBroken(f"The service {self.name} broke off; whether it did the work is not known.")

    async def _send(self, outgoing: Outgoing) -> httpcore2.Response:
        body = outgoing.body
        own = [(b"host", outgoing.host or self._authority)]
        if outgoing.load is Load.UPLOAD:
            own.append((b"expect", b"100-continue"))
        request = httpcore2.Request(
            outgoing.method,
            httpcore2.URL(scheme=self._scheme, host=self._host, port=self._port, target=self._prefix + outgoing.target),
            headers=[*own, *outgoing.headers],
            content=body if isinstance(body, bytes) else outgoing.chunks(),
            extensions={
                "timeout": {
                    "connect": self._settings.connect_timeout_seconds,
                    "pool": self._settings.connect_timeout_seconds,
                    "read": outgoing.response_timeout_seconds or self._settings.response_timeout_seconds,
                    "write": self._settings.response_timeout_seconds,
                }
            },
        )
        try:
            return await self._pools[outgoing.load].handle_async_request(request)
        except httpcore2.PoolTimeout as error:
            raise Overloaded(f"The service {self.name} is busy.", retry_after_seconds=2) from error
        except (httpcore2.ReadTimeout, httpcore2.WriteTimeout) as error:
            raise UpstreamTimeout(f"The service {self.name} did not answer in time.") from error
        except httpcore2.LocalProtocolError as error:
            # Our own side of the wire refused what the client sent: a byte in the query, a body of another length.
            raise BadRequest("The request is not valid HTTP.") from error


class Services:
    """All upstream services, as an asynchronous context manager."""

    def __init__(self, settings: Settings) -> None:
        urls = {
            Upstream.ACCOUNTS: settings.accounts_url,
            Upstream.UPLOAD: settings.upload_url,
            Upstream.ORCHESTRATOR: settings.orchestrator_url,
            Upstream.NOTIFIER: settings.notifier_url,
        }
        if settings.object_store_url is not None:
            urls[Upstream.OBJECT_STORE] = settings.object_store_url
        self._services = {upstream: Service(upstream.value, str(url), settings) for upstream, url in urls.items()}

    def __getitem__(self, upstream: Upstream) -> Service:
        return self._services[upstream]

    async def __aenter__(self) -> "Services":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for service in self._services.values():
            await service.close()


async def read_whole(response: httpcore2.Response, limit_bytes: int) -> bytes:
    """A small answer's body. Raises UpstreamBroken if it is larger than the limit or breaks off."""
    pieces = bytearray()
    try:
        async for chunk in response.aiter_stream():
            pieces += chunk
            if len(pieces) > limit_bytes:
                raise UpstreamBroken("A service answered more than was expected.")
    except (*_BROKE_OFF, httpcore2.ReadTimeout) as error:
        raise UpstreamBroken from error
    return bytes(pieces)


def size_of(response: httpcore2.Response) -> int:
    """How long an answer's body is, as it says; else the most that it may be. Raises UpstreamBroken if it is longer."""
    length = first(response.headers, b"content-length")
    if length is None:
        return 0 if response.status in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED} else MAX_ANSWER_BYTES
    if int(length) > MAX_ANSWER_BYTES:
        raise UpstreamBroken("A service answered more than was expected.")
    return int(length)


async def write_whole(status: int, headers: Headers, body: bytes, send: Send) -> None:
    """Writes an answer to the client as fast as that one reads."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for begin in range(0, max(1, len(body)), PIECE_BYTES):
        end = begin + PIECE_BYTES
        await send({"type": "http.response.body", "body": body[begin:end], "more_body": end < len(body)})


async def relay(
    response: httpcore2.Response, extra: Headers, receive: Receive, send: Send, *, status: int | None = None
) -> None:
    """Writes a service's answer to the client, under its own or another status.

    Raises UpstreamBroken only before anything was written.

    An answer that breaks off later breaks the client's connection too: a cut file must not look whole.
    """
    headers = [*to_client(response.headers), *extra]
    length = first(headers, b"content-length")
    start = {"type": "http.response.start", "status": status or response.status, "headers": headers}
    if length is not None and int(length) <= WHOLE_ANSWER_BYTES:
        body = await read_whole(response, WHOLE_ANSWER_BYTES)
        await send(start)
        await send({"type": "http.response.body", "body": body})
        return
    await send(start)
    # A client that leaves is noticed by reading from it, also while the service is silent.
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_when_gone, receive, group.cancel_scope)
        try:
            async for chunk in response.aiter_stream():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (*_BROKE_OFF, httpcore2.ReadTimeout) as error:
            log.warning("an answer broke off half-way: %r", error)
        group.cancel_scope.cancel()


async def relay_head(
    response: httpcore2.Response, extra: Headers, _receive: Receive, send: Send, *, status: int | None = None
) -> None:
    """The same without the body, which is not fetched."""
    headers = [*to_client(response.headers), *extra]
    await send({"type": "http.response.start", "status": status or response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def target_of(scope: Scope) -> bytes:
    """Path and query as they came over the wire."""
    query: bytes = scope.get("query_string", b"")
    path: bytes = scope["raw_path"]
    return path + b"?" + query if query else path
