"""Requests to addresses that somebody outside has named, and to nothing else.

The name is resolved once. Every address that it stands for must be public, and the connection goes to one of those that
were looked at, under the name: so a resolver that answers otherwise the next moment gains nothing. Nothing is decoded,
and time and bytes are bounded whatever the other side does. `send` follows no redirects, and keeps its connections for
the next request to the same host; `stream`, for files, follows a few, each looked at like the first address.

With an egress proxy the name is given to the proxy, which alone reaches the network: it has to refuse what is inside.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urldefrag, urljoin

import httpcore2

from services.kit.outbound.connections import KEPT_SECONDS, KeptConnections, Pinned, Wire
from services.kit.outbound.lookups import LONGEST_WAIT_SECONDS, Lookups
from services.kit.outbound.networks import is_public
from services.kit.outbound.urls import Target, target_of
from services.kit.settings import OutboundSettings

log = logging.getLogger(__name__)

MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Resolve = Callable[[str, int, str], Awaitable[Sequence[str] | None]]
"""The IP addresses of a host, as text, for whoever asks; see `Lookups`."""


class FetchFailed(Exception):
    """There is no whole answer; the message says why in words for the owner of the address."""


class NotPublic(FetchFailed):
    """The name stands for an address that is not on the public internet."""


class NoPlace(FetchFailed):
    """It was not tried: who asked has as many names looked up as may be. Nobody's at the address is to blame."""


class _Abandoned(httpcore2.NetworkError):
    """There was no answer on a connection that was kept: the other side may have been about to close it."""


class TooSlow(FetchFailed):
    """The body came more slowly than it may."""


@dataclass(frozen=True)
class Pace:
    """How long a file may take on its way here."""

    whole_seconds: float
    """From the request to the last byte, what is done with the bytes included."""
    window_seconds: float
    """In each such time of waiting enough must come, and in a whole one without a byte it is given up."""
    bytes_per_second: float


@dataclass(frozen=True)
class Answer:
    """What the other side said, as far as it was read."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name; of several of one name the last."""
    body: bytes
    cut: bool
    """There was more than was asked for."""


@cache
def _of_system() -> ssl.SSLContext:
    """Whom this system trusts, read once a process: it takes tens of milliseconds."""
    return ssl.create_default_context()


class Fetcher:
    """Sends requests; all that `send` sends are of one event loop.

    `asker` is who named the address, an account: one whose name servers are silent takes others no lookups.

    `resolve` and `ssl_context` replace the system's resolver and certificates in tests.
    """

    def __init__(
        self,
        settings: OutboundSettings,
        *,
        timeout_seconds: float,
        keep_seconds: float = KEPT_SECONDS,
        resolve: Resolve | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_loopback = settings.outbound_allow_loopback
        self._proxy = settings.outbound_proxy_url
        self._timeout_seconds = timeout_seconds
        self._lookups = Lookups(wait_seconds=min(LONGEST_WAIT_SECONDS, timeout_seconds / 4))
        self._resolve = resolve or self._lookups
        self._ssl_context = ssl_context or _of_system()
        self._ssl_context.set_alpn_protocols(["http/1.1"])
        self._kept = KeptConnections(self._connect, seconds=keep_seconds)
        if self._allow_loopback:
            log.warning(
                "STEMWRIGHT_OUTBOUND_ALLOW_LOOPBACK is on: whoever may name an address, of a webhook or a song, "
                "reaches every port of this machine. For development only"
            )

    def close(self) -> None:
        """Lets go of the threads; lookups that hang end by themselves."""
        self._lookups.close()

    async def aclose(self) -> None:
        """Closes what `send` has kept, and lets go of the threads."""
        await self._kept.aclose()
        self.close()

    async def send(
        self,
        method: str,
        url: str,
        *,
        asker: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        limit_bytes: int,
    ) -> Answer:
        """The answer, with at most `limit_bytes` of its body. Raises AddressRefused or FetchFailed."""
        target = target_of(url, allow_loopback=self._allow_loopback)
        with _in_our_words(f"no whole answer within {self._timeout_seconds:g} seconds"):
            async with asyncio.timeout(self._timeout_seconds):
                request = _request(method, target, headers, body)
                if self._is_proxied(target):
                    async with self._through_proxy() as proxy:
                        return await _read(await proxy.handle_async_request(request), limit_bytes)
                try:
                    return await self._exchange(target, request, asker, limit_bytes)
                except _Abandoned:
                    return await self._exchange(target, request, asker, limit_bytes)

    async def _exchange(self, target: Target, request: httpcore2.Request, asker: str, limit_bytes: int) -> Answer:
        """Raises _Abandoned where another connection may fare better; the one that failed is not used again."""
        async with self._kept.to(target, asker) as (connection, was_kept):
            try:
                response = await connection.handle_async_request(request)
            except (httpcore2.RemoteProtocolError, httpcore2.NetworkError) as error:
                if was_kept:
                    raise _Abandoned from error
                raise
            return await _read(response, limit_bytes)

    @asynccontextmanager
    async def stream(
        self, url: str, *, asker: str, headers: Mapping[str, str], pace: Pace
    ) -> AsyncIterator["Download"]:
        """The answer to a GET, whose body is still to be read; at most three redirects are followed.

        Raises AddressRefused, also for where a redirect leads, and FetchFailed. So does reading.
        """
        target = target_of(url, allow_loopback=self._allow_loopback)
        whole = asyncio.timeout(pace.whole_seconds)
        try:
            async with whole:
                for _ in range(MAX_REDIRECTS + 1):
                    async with self._answered(target, asker, headers) as response:
                        download = Download(response, pace, target)
                        if download.redirect is None:
                            yield download
                            return
                    target = self._redirected(target, download.redirect)
                raise FetchFailed(f"it leads on more than {MAX_REDIRECTS} times")
        except TimeoutError:
            if not whole.expired():
                raise
            raise TooSlow(f"the file did not arrive within {pace.whole_seconds:g} seconds") from None

    @asynccontextmanager
    async def _answered(
        self, target: Target, asker: str, headers: Mapping[str, str]
    ) -> AsyncIterator[httpcore2.Response]:
        pool, response = None, None
        try:
            with _in_our_words(f"no answer within {self._timeout_seconds:g} seconds"):
                async with asyncio.timeout(self._timeout_seconds):
                    pool = await self._pool_for(target, asker)
                    request = _request("GET", target, {**headers, "Connection": "close"})
                    response = await pool.handle_async_request(request)
            yield response
        finally:
            if response is not None:
                await response.aclose()
            if pool is not None:
                await pool.aclose()

    def _redirected(self, target: Target, location: str) -> Target:
        # Nobody outside leads us to this machine, in development neither.
        onward, _fragment = urldefrag(urljoin(target.url, location))
        return target_of(onward, allow_loopback=self._allow_loopback and target.is_loopback)

    def _is_proxied(self, target: Target) -> bool:
        return self._proxy is not None and not target.is_loopback

    def _through_proxy(self) -> httpcore2.AsyncConnectionPool:
        assert self._proxy is not None  # noqa: S101 - callers look
        return httpcore2.AsyncHTTPProxy(
            self._proxy.get_secret_value(), ssl_context=self._ssl_context, max_keepalive_connections=0
        )

    async def _pool_for(self, target: Target, asker: str) -> httpcore2.AsyncConnectionPool:
        if self._is_proxied(target):
            return self._through_proxy()
        pinned = Pinned(await self._addresses_of(target, asker))
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._ssl_context, max_keepalive_connections=0, network_backend=pinned
        )

    async def _connect(self, target: Target, asker: str) -> Wire:
        secured: dict[str, Any] = {}
        if target.scheme == "https":
            secured = {"ssl": self._ssl_context, "server_hostname": target.host.strip("[]")}
        problem: OSError | None = None
        for address in await self._addresses_of(target, asker):
            try:
                _, wire = await asyncio.get_running_loop().create_connection(Wire, address, target.port, **secured)
            except OSError as error:
                problem = error
            else:
                return wire
        raise httpcore2.ConnectError from problem

    async def _addresses_of(self, target: Target, asker: str) -> Sequence[str]:
        """Those that the name stands for, all of them public. Raises FetchFailed."""
        host = target.host.strip("[]")
        try:
            found = await self._resolve(host, target.port, asker)
        except OSError:
            found = ()
        if found is None:
            raise NoPlace("too many other names are being looked up")
        if not found:
            raise FetchFailed("there is no such host")
        if not target.is_loopback and not all(is_public(ip_address(address)) for address in found):
            raise NotPublic("the host is not on the public internet")
        return found


class Download:
    """A file on its way here. Iterated over, it gives the body, as it was sent."""

    def __init__(self, response: httpcore2.Response, pace: Pace, target: Target) -> None:
        self.url = target.url
        """After all redirects."""
        self.status = response.status
        self.headers = _headers(response)
        self._response = response
        self._pace = pace

    @property
    def redirect(self) -> str | None:
        """Where it is, if it is elsewhere."""
        return self.headers.get("location") if self.status in _REDIRECTS else None

    @property
    def announced_bytes(self) -> int | None:
        """How long the body is said to be."""
        length = self.headers.get("content-length", "")
        return int(length) if length.isdecimal() and len(length) < 20 else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        body = aiter(self._response.aiter_stream())
        waited, came = 0.0, 0
        while True:
            begun = time.monotonic()
            piece = await self._next(body)
            if piece is None:
                return
            waited, came = waited + time.monotonic() - begun, came + len(piece)
            if waited >= self._pace.window_seconds:
                if came < self._pace.bytes_per_second * waited:
                    raise TooSlow(f"fewer than {self._pace.bytes_per_second:,.0f} bytes a second came")
                waited, came = 0.0, 0
            yield piece

    async def _next(self, body: AsyncIterator[bytes]) -> bytes | None:
        broken = "the connection broke off before the end of the file"
        try:
            async with asyncio.timeout(self._pace.window_seconds):
                with _in_our_words(broken, not_http=broken):
                    return await anext(body, None)
        except TimeoutError:
            raise TooSlow(f"nothing came for {self._pace.window_seconds:g} seconds") from None


def _request(method: str, target: Target, headers: Mapping[str, str], body: bytes = b"") -> httpcore2.Request:
    own = {"Host": target.authority, "Accept-Encoding": "identity"}
    if body:
        own["Content-Length"] = str(len(body))
    return httpcore2.Request(
        method,
        httpcore2.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.target.encode()
        ),
        headers=[*headers.items(), *own.items()],
        content=body,
    )


async def _read(response: httpcore2.Response, limit_bytes: int) -> Answer:
    try:
        pieces = bytearray()
        async for piece in response.aiter_stream():
            pieces += piece
            if len(pieces) > limit_bytes:
                break
    finally:
        await response.aclose()
    return Answer(response.status, _headers(response), bytes(pieces[:limit_bytes]), cut=len(pieces) > limit_bytes)


def _headers(response: httpcore2.Response) -> Mapping[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}


@contextmanager
def _in_our_words(too_late: str, *, not_http: str = "the answer is not HTTP/1.1") -> Iterator[None]:
    """Tells what a connection fails at as FetchFailed."""
    try:
        yield
    except TimeoutError as error:
        raise FetchFailed(too_late) from error
    except (ssl.SSLError, httpcore2.ConnectError) as error:
        raise FetchFailed(_why_no_connection(error)) from error
    except (httpcore2.RemoteProtocolError, httpcore2.LocalProtocolError) as error:
        raise FetchFailed(not_http) from error
    except (httpcore2.NetworkError, httpcore2.ProxyError, httpcore2.TimeoutException, OSError) as error:
        raise FetchFailed("the connection broke off") from error


def _why_no_connection(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError | ConnectionResetError | ConnectionAbortedError):
            # Whoever speaks no such TLS may say so or hang up.
            return "TLS 1.2 or later could not be agreed on"
        cause = cause.__cause__ or cause.__context__
    return "nobody answers at that address"
