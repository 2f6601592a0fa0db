"""`Expect: 100-continue` towards services (RFC 9110, section 10.1.1), which httpcore2 does not speak.

A body is sent when the service asks for it, and no longer than it listens: a song for an upload that does not exist is
refused before the client has sent it.
"""

from collections.abc import Iterable
from ssl import SSLContext
from typing import Any

from httpcore2 import (
    SOCKET_OPTION,
    AnyIOBackend,
    AsyncNetworkBackend,
    AsyncNetworkStream,
    ReadError,
    ReadTimeout,
    WriteError,
)

CONTINUE_SECONDS = 5.0
"""A service that says nothing for so long gets the body unasked, as the RFC wants it."""

MAX_HEAD_BYTES = 64 * 1024


class ExpectingBackend(AsyncNetworkBackend):
    """Connections for one request each, whose head says `Expect: 100-continue`."""

    def __init__(self, backend: AsyncNetworkBackend | None = None) -> None:
        self._backend = backend or AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        return _ExpectingStream(
            await self._backend.connect_tcp(host, port, timeout, local_address, socket_options), CONTINUE_SECONDS
        )

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class _ExpectingStream(AsyncNetworkStream):
    """The first write is the head of the request; what follows is its body.

    A `WriteError` tells httpcore2 to stop sending and to read the answer that is there.
    """

    def __init__(self, stream: AsyncNetworkStream, continue_seconds: float) -> None:
        self._stream = stream
        self._continue_seconds = continue_seconds
        self._head_sent = False
        self._told = False
        """The service said that it wants the body: whatever else it says is its answer."""
        self._ahead = b""
        """What was read while looking for the word to go on."""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._told and self._stream.get_extra_info("is_readable"):
            raise WriteError("the service answered before it had the whole body")
        await self._stream.write(buffer, timeout)
        if not self._head_sent:
            self._head_sent = True
            await self._wait_for_the_word()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._ahead:
            data, self._ahead = self._ahead[:max_bytes], self._ahead[max_bytes:]
            return data
        return await self._stream.read(max_bytes, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncNetworkStream:
        secured = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        return _ExpectingStream(secured, self._continue_seconds)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    async def _wait_for_the_word(self) -> None:
        try:
            while b"\r\n\r\n" not in self._ahead and len(self._ahead) < MAX_HEAD_BYTES:
                data = await self._stream.read(MAX_HEAD_BYTES, self._continue_seconds)
                if not data:
                    raise WriteError("the service closed the connection")
                self._ahead += data
        except ReadTimeout:
            return
        except ReadError as error:
            raise WriteError from error
        if not self._ahead.startswith(b"HTTP/1.1 100 "):
            raise WriteError("the service answered before it had the body")
        self._told = True
        self._ahead = self._ahead.partition(b"\r\n\r\n")[2]
