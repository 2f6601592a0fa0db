"""HTTP/1.1 towards strangers: uvicorn's protocol with a limit on the size of a request's head and the time it takes.

Uvicorn's httptools protocol reads a head of any size for any length of time. Here a head larger than 64 KiB, or one
that is not complete after ten seconds, ends the connection.
"""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.gateway.errors import BadRequest, BodyTimeout, HeadersTooLarge
from services.kit.errors import PROBLEM_MEDIA_TYPE, StemwrightError

MAX_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0

_REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


class GuardedProtocol(HttpToolsProtocol):
    """One connection of a client."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes: int | None = 0
        """Bytes that came since the end of the last request; None while a body is read."""
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Also a client that connects and says nothing is gone after this time.
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
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
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._head_bytes = 0

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest(msg))

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
            body = json.dumps(error.problem()).encode()
            head = (
                f"HTTP/1.1 {error.status} {_REASONS[error.status]}\r\n"
                f"content-type: {PROBLEM_MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
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
