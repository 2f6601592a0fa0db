"""HTTP/1.1 towards strangers: uvicorn's protocol, with limits on what a client may keep us waiting for.

Uvicorn's httptools protocol reads a head of any size for any length of time, keeps any number of connections, and waits
for ever for a client that does not read. Here a head larger than 64 KiB, or one that is not complete after ten seconds,
ends the connection; of many that wait for a request the oldest are closed; and who reads too slowly is cut off.
"""

import asyncio
import json
import logging
import socket
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.gateway.errors import BadRequest, BodyTimeout, HeadersTooLarge
from services.gateway.middleware import HEADERS
from services.gateway.settings import Settings
from services.gateway.slow_clients import WaitingPool
from services.kit.addresses import network_of
from services.kit.errors import PROBLEM_MEDIA_TYPE, StemwrightError
from services.kit.ids import new_id
from services.kit.telemetry import use_request_id

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0

_REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


UNSENT_BYTES = 64 * 1024
"""Most that the kernel holds unsent for one client, so that what is left here tells how fast that client reads."""


class ConnectionLimits:
    """What all connections of one process share."""

    def __init__(self, settings: Settings) -> None:
        # Behind proxies every client has the proxy's address; there only the number in all counts.
        per_client = settings.max_connections if settings.proxies else settings.idle_connections_per_address
        self.idle = WaitingPool(per_client=per_client, in_all=settings.max_connections)
        self.stall_timeout_seconds = settings.stall_timeout_seconds
        self.least_read_bytes = settings.min_bytes_per_second * settings.stall_timeout_seconds


def guarded(settings: Settings) -> type["GuardedProtocol"]:
    """The protocol of one process, for uvicorn's option `http`."""

    class Protocol(GuardedProtocol):
        limits = ConnectionLimits(settings)

    return Protocol


class GuardedProtocol(HttpToolsProtocol):
    """One connection of a client."""

    limits: ClassVar[ConnectionLimits]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes: int | None = 0
        """Bytes that came since the end of the last request; None while a body is read."""
        self._head_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None
        self._unread_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        self._network = network_of(self.client[0]) if self.client else "unknown"
        self._wait_for_request()
        # Also a client that connects and says nothing is gone after this time.
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_reader_timer()
        self.limits.idle.leave(self._network, self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_bytes is not None:
            if self._head_timer is None:
                self._start_timer()
            self._head_bytes += len(data)
        # Counted before it is parsed, judged after: a body that came with the head is no head.
        super().data_received(data)
        if self._head_bytes is not None and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HeadersTooLarge())

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        self._stop_timer()
        self.limits.idle.leave(self._network, self)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._head_bytes = 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self.cycle.response_complete:
            if self._head_bytes is None:
                # Nobody reads the rest of this body, and a client may take for ever over it.
                self.transport.close()
            else:
                self._wait_for_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread_bytes = self.transport.get_write_buffer_size()
        self._start_reader_timer()

    def resume_writing(self) -> None:
        self._stop_reader_timer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest(msg))

    def _wait_for_request(self) -> None:
        self.limits.idle.enter(self._network, self, self.transport.close)

    def _start_reader_timer(self) -> None:
        self._stop_reader_timer()
        self._reader_timer = self.loop.call_later(self.limits.stall_timeout_seconds, self._look_at_reader)

    def _stop_reader_timer(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def _look_at_reader(self) -> None:
        self._reader_timer = None
        unread, self._unread_bytes = self._unread_bytes, self.transport.get_write_buffer_size()
        if unread - self._unread_bytes < self.limits.least_read_bytes:
            # Closing would wait until the rest is read.
            self.transport.abort()
        else:
            self._start_reader_timer()

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self._refuse(BodyTimeout("The request did not arrive in time."))

    def _refuse(self, error: StemwrightError) -> None:
        if self._may_answer():
            request_id = new_id("req")
            body = json.dumps({**error.problem(), "request_id": request_id}).encode()
            with use_request_id(request_id):
                log.info("refused before it was a request: %s", error.code)
            headers = {
                **HEADERS,
                "x-request-id": request_id,
                "content-type": PROBLEM_MEDIA_TYPE,
                "content-length": str(len(body)),
                "connection": "close",
            }
            lines = [f"HTTP/1.1 {error.status} {_REASONS[error.status]}", *(f"{k}: {v}" for k, v in headers.items())]
            head = "\r\n".join([*lines, "", ""])
            self.transport.write(head.encode() + body)
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def _may_answer(self) -> bool:
        """Whether what is written now is the answer to the bytes that are refused, and not to a request before them."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:  # type: ignore[redundant-expr] # None before the first request
            return True
        return cycle.more_body and not cycle.response_started and not self.pipeline
