"""The proxy as an ASGI application: what no route of the gateway itself answered comes here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack

from starlette.types import Message, Receive, Scope, Send

from services.gateway import headers as http
from services.gateway.admission import Admission, Admitted
from services.gateway.errors import BodyTimeout, Overloaded, RouteNotFound
from services.gateway.proxy import ClientGone, Outgoing, Services, relay, target_of
from services.gateway.routes import Body, Route, Upstream
from services.kit.app import problem_response
from services.kit.errors import PayloadTooLarge, StemwrightError
from services.kit.telemetry import current_traceparent

LINGER_BYTES = 8 * 1024 * 1024
LINGER_SECONDS = 2.0


class Door:
    """Admits a request, sends it on by the route table, and writes the answer back."""

    def __init__(self, admission: Admission, services: Services) -> None:
        self._admission = admission
        self._services = services
        self._settings = admission.settings
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = Incoming(scope, receive)
        answer = Answer(send)
        self._under_way += 1
        try:
            if self._under_way > self._settings.max_concurrent_requests:
                raise Overloaded
            admitted = await self._admission.admit(scope)
            await self._forward(admitted, incoming, answer)
        except ClientGone:
            return
        except StemwrightError as error:
            if answer.started:
                raise
            await _refuse(error, incoming, answer)
        finally:
            self._under_way -= 1

    async def _forward(self, admitted: Admitted, incoming: "Incoming", answer: "Answer") -> None:
        route = admitted.route
        if route.upstream is Upstream.GATEWAY:
            # The gateway's own routes were tried before this one.
            raise RouteNotFound
        with ExitStack() as stack:
            if route.body is Body.CONTENT and admitted.credential is not None:
                stack.enter_context(self._admission.uploads.one(admitted.credential.account_id))
            outgoing = await self._outgoing(admitted, incoming)
            async with self._services[route.upstream].request(outgoing) as response:
                extra = admitted.rate_headers
                if not incoming.read:
                    extra = [*extra, (b"connection", b"close")]
                await relay(response, extra, incoming.receive, answer.send)

    async def _outgoing(self, admitted: Admitted, incoming: "Incoming") -> Outgoing:
        route, scope, settings = admitted.route, incoming.scope, self._settings
        own = {
            b"x-forwarded-for": admitted.address.encode(),
            b"x-forwarded-proto": scope["scheme"].encode(),
            b"x-request-id": scope["state"]["request_id"].encode(),
        }
        if admitted.authorization is not None:
            own[b"authorization"] = admitted.authorization
        traceparent = current_traceparent()
        if traceparent is not None:
            own[b"traceparent"] = traceparent.encode()
        limit_bytes = self._admission.body_limit_bytes(route)
        timeout = settings.slow_response_timeout_seconds if route.slow else settings.response_timeout_seconds
        body: bytes | AsyncIterator[bytes]
        if route.body is Body.CONTENT:
            body = incoming.chunks(limit_bytes, settings.body_timeout_seconds)
            length = http.first(scope["headers"], b"content-length")
            own |= {b"transfer-encoding": b"chunked"} if length is None else {b"content-length": length}
        else:
            body = await incoming.whole(limit_bytes, settings.body_timeout_seconds)
            if body or route.method not in {"GET", "DELETE"}:
                own[b"content-length"] = b"%d" % len(body)
        return Outgoing(
            route.method,
            target_of(scope),
            http.to_upstream(scope["headers"], route.body, own),
            body,
            repeatable=_repeatable(route, scope["headers"]),
            response_timeout_seconds=timeout,
        )


class Incoming:
    """The client's request, and whether its body was read to the end."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.receive = receive
        self.read = not http.announces_body(scope["headers"])

    async def chunks(self, limit_bytes: int, timeout_seconds: float) -> AsyncIterator[bytes]:
        """The body piece by piece. Raises PayloadTooLarge, BodyTimeout (silence), ClientGone."""
        size = 0
        while not self.read:
            try:
                async with asyncio.timeout(timeout_seconds):
                    message = await self.receive()
            except TimeoutError:
                raise BodyTimeout from None
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk: bytes = message.get("body", b"")
            self.read = not message.get("more_body", False)
            size += len(chunk)
            if size > limit_bytes:
                raise PayloadTooLarge(f"At most {limit_bytes} bytes are accepted here.")
            if chunk:
                yield chunk

    async def whole(self, limit_bytes: int, timeout_seconds: float) -> bytes:
        """A small body. Raises as `chunks`; the time is that of the whole body."""
        pieces = bytearray()
        try:
            async with asyncio.timeout(timeout_seconds):
                async for chunk in self.chunks(limit_bytes, timeout_seconds):
                    pieces += chunk
        except TimeoutError:
            raise BodyTimeout from None
        return bytes(pieces)

    async def discard(self, limit_bytes: int, seconds: float) -> None:
        """Reads what is still coming and forgets it, within limits."""
        try:
            async with asyncio.timeout(seconds):
                async for _ in self.chunks(limit_bytes, seconds):
                    pass
        except (StemwrightError, ClientGone, TimeoutError):
            return


class Answer:
    """The way back to the client, and whether anything went it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def send(self, message: Message) -> None:
        self.started = True
        await self._send(message)


async def _refuse(error: StemwrightError, incoming: Incoming, answer: Answer) -> None:
    response = problem_response(error)
    if incoming.read:
        await response(incoming.scope, incoming.receive, answer.send)
        return
    # The client is still sending. Closing at once would reset the connection and lose the answer on its way, so the
    # answer goes out first and a bounded part of the rest is read after it. Who waits for `100 Continue` sends nothing.
    await answer.send(
        {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": [*response.raw_headers, (b"connection", b"close")],
        }
    )
    await answer.send({"type": "http.response.body", "body": bytes(response.body), "more_body": True})
    if http.first(incoming.scope["headers"], b"expect") is None:
        await incoming.discard(LINGER_BYTES, LINGER_SECONDS)
    await answer.send({"type": "http.response.body", "body": b"", "more_body": False})


def _repeatable(route: Route, headers: http.Headers) -> bool:
    return route.method == "GET" or http.first(headers, b"idempotency-key") is not None
