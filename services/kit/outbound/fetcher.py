"""One request to an address that somebody outside has named, and to nothing else.

The name is resolved once. Every address that it stands for must be public, and the connection goes to one of those that
were looked at, under the name: so a resolver that answers otherwise the next moment gains nothing. Redirects are not
followed, nothing is decoded, and time and bytes are bounded whatever the other side does.

With an egress proxy the name is given to the proxy, which alone reaches the network: it has to refuse what is inside.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address

import httpcore2

from services.kit.outbound.networks import is_public
from services.kit.outbound.urls import Target, target_of
from services.kit.settings import OutboundSettings

log = logging.getLogger(__name__)

RESOLVER_THREADS = 64
"""A name server that is silent holds a thread for as long as the system's resolver asks it."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host, as text; raises OSError where there are none."""


class FetchFailed(Exception):
    """There is no whole answer; the message says why in words for the owner of the address."""


@dataclass(frozen=True)
class Answer:
    """What the other side said, as far as it was read."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name; of several of one name the last."""
    body: bytes
    cut: bool
    """There was more than was asked for."""


class Fetcher:
    """Sends requests; on one event loop. Holds no connection between two of them.

    `resolve` and `ssl_context` replace the system's resolver and certificates in tests.
    """

    def __init__(
        self,
        settings: OutboundSettings,
        *,
        timeout_seconds: float,
        resolve: Resolve | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_loopback = settings.outbound_allow_loopback
        self._proxy = settings.outbound_proxy_url
        self._timeout_seconds = timeout_seconds
        self._resolvers = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolver")
        self._resolve = resolve or self._ask_system
        self._ssl_context = ssl_context or ssl.create_default_context()
        if self._allow_loopback:
            log.warning(
                "STEMWRIGHT_OUTBOUND_ALLOW_LOOPBACK is on: whoever may register a webhook reaches every port of this "
                "machine. For development only"
            )

    def close(self) -> None:
        """Lets go of the threads; lookups that hang end by themselves."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        limit_bytes: int,
    ) -> Answer:
        """The answer, with at most `limit_bytes` of its body. Raises AddressRefused or FetchFailed."""
        target = target_of(url, allow_loopback=self._allow_loopback)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                pool = self._through_proxy() if self._proxy and not target.is_loopback else await self._direct(target)
                async with pool:
                    return await _exchange(pool, method, target, headers, body, limit_bytes)
        except TimeoutError:
            raise FetchFailed(f"no whole answer within {self._timeout_seconds:g} seconds") from None
        except (ssl.SSLError, httpcore2.ConnectError) as error:
            raise FetchFailed(_why_no_connection(error)) from error
        except (httpcore2.RemoteProtocolError, httpcore2.LocalProtocolError) as error:
            raise FetchFailed("the answer is not HTTP/1.1") from error
        except (httpcore2.NetworkError, httpcore2.ProxyError, httpcore2.TimeoutException, OSError) as error:
            raise FetchFailed("the connection broke off") from error

    def _through_proxy(self) -> httpcore2.AsyncConnectionPool:
        assert self._proxy is not None  # noqa: S101 - callers look
        return httpcore2.AsyncHTTPProxy(
            self._proxy.get_secret_value(), ssl_context=self._ssl_context, max_keepalive_connections=0
        )

    async def _direct(self, target: Target) -> httpcore2.AsyncConnectionPool:
        host = target.host.strip("[]")
        try:
            found = await self._resolve(host, target.port)
        except OSError:
            found = ()
        if not found:
            raise FetchFailed("there is no such host")
        if not target.is_loopback and not all(is_public(ip_address(address)) for address in found):
            raise FetchFailed("the host is not on the public internet")
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._ssl_context, max_keepalive_connections=0, network_backend=_Pinned(found)
        )

    async def _ask_system(self, host: str, port: int) -> Sequence[str]:
        found = await asyncio.get_running_loop().run_in_executor(
            self._resolvers, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        # The scope of a link-local address is not part of it, and makes it none the better.
        return [str(address[0]).partition("%")[0] for *_, address in found]


class _Pinned(httpcore2.AsyncNetworkBackend):
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


async def _exchange(
    pool: httpcore2.AsyncConnectionPool,
    method: str,
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    limit_bytes: int,
) -> Answer:
    own = {"Host": target.authority, "Accept-Encoding": "identity", "Connection": "close"}
    if body:
        own["Content-Length"] = str(len(body))
    request = httpcore2.Request(
        method,
        httpcore2.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.target.encode()
        ),
        headers=[*headers.items(), *own.items()],
        content=body,
    )
    response = await pool.handle_async_request(request)
    try:
        pieces = bytearray()
        async for piece in response.aiter_stream():
            pieces += piece
            if len(pieces) > limit_bytes:
                break
    finally:
        await response.aclose()
    return Answer(
        response.status,
        {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers},
        bytes(pieces[:limit_bytes]),
        cut=len(pieces) > limit_bytes,
    )


def _why_no_connection(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "TLS 1.2 or later could not be agreed on"
        cause = cause.__cause__ or cause.__context__
    return "nobody answers at that address"
