"""The proxy as an ASGI application: what no route of the gateway itself answered comes here."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpcore2
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from services.gateway import headers as http
from services.gateway import object_store
from services.gateway.admission import Admission, Admitted
from services.gateway.errors import BodyTimeout, Overloaded
from services.gateway.proxy import (
    MAX_ANSWER_BYTES,
    PIECE_BYTES,
    ClientGone,
    Outgoing,
    Services,
    read_whole,
    relay,
    relay_head,
    size_of,
    target_of,
    write_whole,
)
from services.gateway.routes import Access, Body, Load, Route, Upstream
from services.gateway.settings import Settings
from services.gateway.slow_clients import TimeBudget, WaitingPool
from services.gateway.web_app import not_found
from services.kit.addresses import network_of
from services.kit.errors import PayloadTooLarge, RouteNotFound, StemwrightError
from services.kit.problems import problem_response
from services.kit.telemetry import current_traceparent

log = logging.getLogger(__name__)

LINGER_BYTES = 8 * 1024 * 1024
LINGER_SECONDS = 2.0


class ReverseProxy:
    """Admits a request, sends it on by the route table, and writes the answer back.

    A request counts against caps while services work on it. Until its body is here, and once a call's answer is, it
    only sits in a pool from which the slowest are sent away: whoever sends or reads slowly keeps nobody out.
    """

    def __init__(self, admission: Admission, services: Services) -> None:
        self._admission = admission
        self._services = services
        self._settings = admission.settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = Incoming(scope, receive, self._settings)
        answer = Answer(incoming, send)
        try:
            admitted = await self._admission.admit(scope)
            scope.setdefault("state", {})["account_id"] = admitted.account_id  # for the log
            await self._forward(admitted, incoming, answer)
        except ClientGone:
            return
        except StemwrightError as error:
            if answer.started:
                raise
            if isinstance(error, BodyTimeout):
                # Who was waited for long enough is not waited for again.
                incoming.given_up = True
            response: Response = problem_response(error)
            if isinstance(error, RouteNotFound):
                response = not_found(Request(scope), error)
            await response(scope, receive, answer.send)

    async def _forward(self, admitted: Admitted, incoming: "Incoming", answer: "Answer") -> None:
        route = admitted.route
        if route.upstream is Upstream.GATEWAY:
            # The gateway's own routes were tried before this one.
            raise RouteNotFound
        limit_bytes = self._admission.body_limit_bytes(route)
        body: bytes | AsyncIterator[bytes]
        if route.body is Body.CONTENT:
            body = incoming.chunks(limit_bytes)
        else:
            body = await incoming.whole(limit_bytes, self._admission.bodies, network_of(admitted.address))
        outgoing = self._outgoing(admitted, incoming.scope, body)
        if route.load is Load.CALL:
            await self._call(admitted, outgoing, incoming, answer)
            return
        with self._admission.caps[route.load].one(admitted.address, admitted.account_id):
            service, rates = self._services[route.upstream], admitted.rate_headers
            if route.upstream is Upstream.OBJECT_STORE:
                async with object_store.fetched(service, outgoing) as found:
                    headers = [*rates, *found.more]
                    await self._relay(found.response, headers, incoming, answer, status=found.status)
                return
            async with service.request(outgoing) as response:
                await self._relay(response, rates, incoming, answer)

    async def _call(self, admitted: Admitted, outgoing: Outgoing, incoming: "Incoming", answer: "Answer") -> None:
        """The answer is read whole, and what the call took is free for others before the client is waited for."""
        admission = self._admission
        try:
            async with AsyncExitStack() as waiting:
                with admission.caps[Load.CALL].one(admitted.address, admitted.account_id):
                    async with self._services[admitted.route.upstream].request(outgoing) as response:
                        # Services are asked with GET, also where the client wants the head alone.
                        read = incoming.scope["method"] != "HEAD"
                        # At least what the answer before it may have left in the connection's buffer.
                        size = max(PIECE_BYTES, size_of(response) if read else 0)
                        client = network_of(admitted.address)
                        await waiting.enter_async_context(admission.answers.place(client, size))
                        body = await read_whole(response, MAX_ANSWER_BYTES) if read else b""
                headers = [*http.to_client(response.headers), *admitted.rate_headers]
                await write_whole(response.status, headers, body, answer.send)
        except TimeoutError:
            if not answer.started:
                raise Overloaded("Others needed the memory for this answer.", retry_after_seconds=2) from None
            # Nothing ends the answer, so it is cut off and does not look whole.
            log.warning("an answer that was read slowly was given up")

    @staticmethod
    async def _relay(
        response: httpcore2.Response,
        more: http.Headers,
        incoming: "Incoming",
        answer: "Answer",
        *,
        status: int | None = None,
    ) -> None:
        # Services are asked with GET: their answer to HEAD would have to be the same but for the body.
        write = relay_head if incoming.scope["method"] == "HEAD" else relay
        await write(response, more, incoming.receive, answer.send, status=status)

    def _outgoing(self, admitted: Admitted, scope: Scope, body: bytes | AsyncIterator[bytes]) -> Outgoing:
        route, settings = admitted.route, self._settings
        own = {
            b"x-forwarded-for": admitted.address.encode(),
            b"x-forwarded-proto": scope["scheme"].encode(),
            b"x-forwarded-host": http.first(scope["headers"], b"host") or b"",
            b"x-request-id": scope["state"]["request_id"].encode(),
        }
        if admitted.authorization is not None:
            own[b"authorization"] = admitted.authorization
        traceparent = current_traceparent()
        if traceparent is not None:
            own[b"traceparent"] = traceparent.encode()
        if not isinstance(body, bytes):
            length = http.first(scope["headers"], b"content-length")
            own |= {b"transfer-encoding": b"chunked"} if length is None else {b"content-length": length}
        elif body or route.method not in {"GET", "DELETE"}:
            own[b"content-length"] = b"%d" % len(body)
        return Outgoing(
            route.method,
            target_of(scope),
            http.to_upstream(scope["headers"], own),
            body,
            repeatable=_repeatable(route, scope["headers"]),
            response_timeout_seconds=(
                settings.slow_response_timeout_seconds if route.slow else settings.response_timeout_seconds
            ),
            load=route.load,
            host=http.first(scope["headers"], b"host") if route.access is Access.SIGNED else None,
        )


class Incoming:
    """The client's request, and whether its body was read to the end."""

    def __init__(self, scope: Scope, receive: Receive, settings: Settings) -> None:
        self.scope = scope
        self.receive = receive
        self.read = not http.announces_body(scope["headers"])
        self.given_up = False
        self._whole_seconds = settings.body_timeout_seconds
        self._time_budget = TimeBudget(settings.stall_timeout_seconds, settings.min_bytes_per_second)

    async def chunks(self, limit_bytes: int) -> AsyncIterator[bytes]:
        """The body piece by piece. Raises PayloadTooLarge, BodyTimeout (silence, or too slow), ClientGone."""
        size = 0
        while not self.read:
            try:
                async with self._time_budget.waiting():
                    message = await self.receive()
            except TimeoutError:
                raise BodyTimeout from None
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk: bytes = message.get("body", b"")
            self.read = not message.get("more_body", False)
            size += len(chunk)
            self._time_budget.earn(len(chunk))
            if size > limit_bytes:
                raise PayloadTooLarge(f"At most {limit_bytes} bytes are accepted here.")
            if chunk:
                yield chunk

    async def whole(self, limit_bytes: int, pool: WaitingPool, client: str) -> bytes:
        """A small body, which arrives in the pool. Raises as `chunks`; the time is that of the whole body."""
        if self.read:
            return b""
        pieces = bytearray()
        try:
            async with pool.place(client), asyncio.timeout(self._whole_seconds):
                async for chunk in self.chunks(limit_bytes):
                    pieces += chunk
        except TimeoutError:
            raise BodyTimeout from None
        return bytes(pieces)

    async def discard(self, limit_bytes: int, seconds: float) -> None:
        """Reads what is still coming and forgets it, within limits. Who waits for `100 Continue` sends nothing."""
        if self.read or self.given_up or http.first(self.scope["headers"], b"expect") is not None:
            return
        try:
            async with asyncio.timeout(seconds):
                async for _ in self.chunks(limit_bytes):
                    pass
        except (StemwrightError, ClientGone, TimeoutError):
            return


class Answer:
    """The way back to the client, and whether anything went it.

    Where the client is still sending, closing at once would reset the connection and lose the answer on its way: the
    answer goes out, and a bounded part of the rest is read, before the connection ends.
    """

    def __init__(self, incoming: Incoming, send: Send) -> None:
        self._incoming = incoming
        self._send = send
        self._early = False
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self._early = not self._incoming.read
            if self._early:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        elif self._early and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._incoming.discard(LINGER_BYTES, LINGER_SECONDS)
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)


def _repeatable(route: Route, headers: http.Headers) -> bool:
    return route.method == "GET" or http.first(headers, b"idempotency-key") is not None
