"""Real servers in threads: the gateway under test, and services that answer what a test wants."""

import asyncio
import json
import socket
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from pydantic import HttpUrl
from starlette.types import Receive, Scope, Send

from services.gateway.app import gateway_app
from services.gateway.consumers import news_consumer
from services.gateway.hub import Hub
from services.gateway.protocol import guarded
from services.gateway.settings import Settings
from services.kit.auth import KeySet, TokenVerifier
from services.kit.events.brokers import Brokers

KEY = Ed25519PrivateKey.generate()
KEY_ID = "test"

PATIENCE_SECONDS = 180.0
PATIENT: dict[str, Any] = {
    f"{name}_timeout_seconds": PATIENCE_SECONDS for name in ("connect", "response", "body", "stall")
}
"""Settings of a gateway whose neighbours and clients run on a machine that has other things to do."""


def patient_verifier(settings: Settings, clock: Callable[[], float] = time.monotonic) -> TokenVerifier:
    """A verifier that waits for the keys as long as it takes; `clock` is the one by which they grow old."""

    def fetch(url: str, _timeout_seconds: float) -> bytes:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            content: bytes = answer.read()
            return content

    keys = KeySet(settings.jwks_url, fetch=fetch, clock=clock)
    return TokenVerifier(keys, issuer=settings.token_issuer, audience=settings.token_audience)


def token(account_id: str = "usr_alice", *, lifetime_seconds: int = 86_400, **claims: Any) -> str:
    """An access token as accounts makes it, but for one that outlives a run of the tests on a busy machine."""
    now = int(time.time())
    content = {
        "iss": "stemwright",
        "aud": "stemwright-api",
        "sub": account_id,
        "iat": now,
        "nbf": now,
        "exp": now + lifetime_seconds,
        "jti": "test",
        "roles": ["user"],
        "scope": "uploads jobs billing:read webhooks events account",
        **claims,
    }
    return jwt.encode(content, KEY, algorithm="EdDSA", headers={"typ": "at+jwt", "kid": KEY_ID})


def key_set() -> dict[str, Any]:
    public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(KEY.public_key()))
    return {"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "EdDSA"}]}


def bearer(credential: str | None = None) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential or token()}"}


@dataclass
class Seen:
    """One request as a service got it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) < 2, f"{name} came twice"
        return values[0] if values else None


@dataclass
class Reply:
    """What a stand-in answers. `pieces` is sent piece by piece; `die_after` cuts the connection instead of ending."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    body: bytes = b"{}"
    pieces: Callable[[], AsyncIterator[bytes]] | None = None
    dies: bool = False


class StandIn:
    """A service. `answer` decides; everything it got is in `seen`."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.answer: Callable[[Seen], Reply] = lambda _seen: Reply()
        self.revoked: list[str] = []
        """Sessions and keys that were ended, as accounts says."""
        self.asked_for_revocations: list[str] = []
        self.keep_bodies = True
        self.received_bytes = 0
        self.aborted = threading.Event()
        """A client went away before its request was complete, or before it had the whole answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        target = scope["raw_path"].decode() + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
        headers = [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]]
        seen = Seen(scope["method"], target, headers)
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.aborted.set()
                return
            chunk = message.get("body", b"")
            self.received_bytes += len(chunk)
            if self.keep_bodies:
                seen.body += chunk
            more = message.get("more_body", False)
        if target == "/.well-known/jwks.json":
            reply = Reply(body=json.dumps(key_set()).encode())
        elif target.startswith("/internal/revocations"):
            self.asked_for_revocations.append(target)
            reply = Reply(body=json.dumps({"ids": self.revoked, "told_at": "2026-11-28T12:00:00+00:00"}).encode())
        else:
            self.seen.append(seen)
            reply = self.answer(seen)
        raw = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        if reply.pieces is None and not reply.dies:
            raw.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": raw})
        if reply.pieces is not None:
            async for piece in reply.pieces():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        else:
            await send({"type": "http.response.body", "body": reply.body, "more_body": True})
        if not reply.dies:
            await send({"type": "http.response.body", "body": b""})


class _Server(uvicorn.Server):
    """Stops when it is told to, where uvicorn looks ten times a second whether it was: most tests have servers of their
    own."""

    def __init__(self, config: uvicorn.Config, on_stopping: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._on_stopping = on_stopping
        self._told_to_stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        looking = asyncio.create_task(super().main_loop())
        if not self.should_exit:
            await self._told_to_stop.wait()
        looking.cancel()

    def stop(self) -> None:
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told_to_stop.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._on_stopping is not None:
            self._on_stopping()
        await super().shutdown(sockets)


@contextmanager
def serving(app: Any, *, on_stopping: Callable[[], None] | None = None, port: int = 0, **options: Any) -> Iterator[int]:
    """Serves an ASGI app on a port of its own for the length of the block."""
    with socket.create_server(("127.0.0.1", port)) as listener, _served(app, [listener], on_stopping, **options):
        yield listener.getsockname()[1]


@contextmanager
def serving_each(*services: StandIn) -> Iterator[list[int]]:
    """Serves stand-ins, each on a port of its own, by one server."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in services]
        ports = [listener.getsockname()[1] for listener in listeners]
        by_port = dict(zip(ports, services, strict=True))

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await by_port[scope["server"][1]](scope, receive, send)

        stack.enter_context(_served(app, listeners, lifespan="off", proxy_headers=False))
        yield ports


@contextmanager
def _served(
    app: Any, listeners: list[socket.socket], on_stopping: Callable[[], None] | None = None, **options: Any
) -> Iterator[None]:
    config = uvicorn.Config(
        app,
        loop="uvloop",
        ws="none",
        log_config=None,
        access_log=False,
        # Neither side closes what the other is about to use.
        timeout_keep_alive=600,
        timeout_graceful_shutdown=2,
        **options,
    )
    server = _Server(config, on_stopping)
    thread = threading.Thread(target=server.run, kwargs={"sockets": listeners}, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    try:
        yield
    finally:
        server.stop()
        thread.join(60)
        assert not thread.is_alive()


Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@contextmanager
def listening(conversation: Conversation) -> Iterator[int]:
    """A bare TCP server on a port of its own, for services that do not behave."""
    loop = asyncio.new_event_loop()
    ready: Future[tuple[int, asyncio.Server]] = Future()

    async def start() -> None:
        server = await asyncio.start_server(conversation, "127.0.0.1", 0)
        ready.set_result((server.sockets[0].getsockname()[1], server))

    def run() -> None:
        loop.run_until_complete(start())
        loop.run_forever()

    async def end(server: asyncio.Server) -> None:
        server.close()
        current = asyncio.current_task()
        for task in asyncio.all_tasks():
            if task is not current:
                task.cancel()
        await asyncio.sleep(0.01)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    port, server = ready.result(60)
    try:
        yield port
    finally:
        asyncio.run_coroutine_threadsafe(end(server), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


def eventually(condition: Callable[[], object], seconds: float = 180.0) -> None:
    """Waits until something holds, at most for the given time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


@dataclass
class Platform:
    """A gateway and the services behind it."""

    accounts: StandIn
    upload: StandIn
    orchestrator: StandIn
    notifier: StandIn
    app: FastAPI
    hub: Hub
    port: int
    client: httpx2.Client

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def services(self) -> tuple[StandIn, ...]:
        return (self.accounts, self.upload, self.orchestrator, self.notifier)

    def raw(self, request: bytes, *, seconds: float = 60.0, answers: int = 1) -> bytes:
        """What comes back for bytes written on a fresh connection, until it is closed, whole, or late."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(request)
            answer = b""
            try:
                while piece := connection.recv(65536):
                    answer += piece
                    if answers == 1 and b"connection: close" not in answer and _whole(answer):
                        break
            except (TimeoutError, ConnectionResetError):
                pass
            return answer


def problem(response: httpx2.Response, status: int, code: str) -> None:
    """Asserts that the answer is this problem, with all that a problem says."""
    assert response.headers["content-type"] == "application/problem+json"
    content = response.json()
    assert (response.status_code, content["status"], content["code"]) == (status, status, code)
    assert content["type"]
    assert content["title"]
    assert content["detail"]


def _whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(separator) and bool(lengths) and len(body) >= int(lengths[0])


@contextmanager
def unfinished_call(gateway: Platform) -> Iterator[None]:
    """While this is open, the orchestrator has begun to answer a call and goes on with it."""
    begun, over = threading.Event(), threading.Event()

    async def pieces() -> AsyncIterator[bytes]:
        begun.set()
        yield b"x"
        while not over.is_set():
            await asyncio.sleep(0.005)

    gateway.orchestrator.answer = lambda _: Reply(200, {}, pieces=pieces)
    with ThreadPoolExecutor(1) as other:
        asked = other.submit(gateway.client.get, "/v1/jobs/job_1", headers=bearer())
        try:
            assert begun.wait(PATIENCE_SECONDS)
            yield
        finally:
            over.set()
        assert asked.result().content == b"x"


@contextmanager
def platform(*, brokers: Brokers | None = None, **settings: Any) -> Iterator[Platform]:
    """A gateway before four stand-ins; `settings` are the gateway's. With `brokers` it hears the event log there."""
    accounts, upload, orchestrator, notifier = StandIn(), StandIn(), StandIn(), StandIn()
    services = {"accounts": accounts, "upload": upload, "orchestrator": orchestrator, "notifier": notifier}
    with ExitStack() as stack:
        ports = dict(zip(services, stack.enter_context(serving_each(*services.values())), strict=True))
        urls = {f"{name}_url": HttpUrl(f"http://127.0.0.1:{port}") for name, port in ports.items()}
        jwks_url = f"http://127.0.0.1:{ports['accounts']}/.well-known/jwks.json"
        hub = Hub()
        news = None if brokers is None else news_consumer(brokers, hub)
        chosen = Settings(**{**PATIENT, **urls, "jwks_url": jwks_url, "log_level": "ERROR", **settings})
        app = gateway_app(chosen, hub=hub, tasks=() if news is None else (news,), verifier=patient_verifier(chosen))
        options: dict[str, Any] = {"http": guarded(chosen), "proxy_headers": False, "server_header": False}
        port = stack.enter_context(serving(app, on_stopping=hub.close, **options))
        client = stack.enter_context(
            httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_SECONDS)
        )
        assert news is None or news.wait_until_ready(PATIENCE_SECONDS)
        yield Platform(accounts, upload, orchestrator, notifier, app, hub, port, client)
