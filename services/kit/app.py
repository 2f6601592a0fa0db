"""The HTTP app that every service is: health, metrics, errors, traces, and the background tasks that run beside it."""

import gc
import logging
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, runtime_checkable

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit.errors import (
    PROBLEM_MEDIA_TYPE,
    PROBLEM_TYPE_BASE,
    NotFound,
    PayloadTooLarge,
    StemwrightError,
    Unavailable,
)
from services.kit.phrases import phrase
from services.kit.settings import KitSettings
from services.kit.telemetry import configure_logging, span, traceparent_of

log = logging.getLogger(__name__)

EX_SOFTWARE = 70
"""Exit status of a process whose background task failed (sysexits.h)."""

TASK_STOP_SECONDS = 10
READINESS_CACHE_SECONDS = 0.5
MAX_REPORTED_PROBLEMS = 20
MAX_REPORTED_CHARACTERS = 100
"""Of each name that is told back: a client may have made it up."""

MAX_BODY_BYTES = 256 * 1024
"""Largest body of a request that a service reads whole, whoever asks."""

QUIET_PATHS = ("/healthz", "/readyz", "/metrics")

REQUESTS = Counter("http_requests_total", "Requests answered.", ["method", "route", "status"])
DURATION = Histogram(
    "http_request_seconds",
    "Seconds from the request to the end of the answer.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


class NotReady(Exception):
    """What a readiness check raises to say why."""


class BackgroundTask(Protocol):
    """Work that runs beside the HTTP server for as long as the process lives."""

    name: str

    def run(self, stop: threading.Event) -> None:
        """Runs until `stop` is set. Raising ends the whole process: a half-working service is worse than none."""


@runtime_checkable
class Subscriber(Protocol):
    """A background task that hears the event log once it is ready."""

    @property
    def is_ready(self) -> bool:
        """Whether what is written from now on will be read."""


Check = Callable[[], None]
"""A readiness check; raises if what it checks is not ready."""


def _subscribed(subscriber: Subscriber) -> Check:
    """Not ready until the task was subscribed once, and ready ever after.

    A service that has not joined yet would miss answers; one that loses the event log for a while still serves
    requests, which wait in its outbox.
    """
    latched = threading.Event()

    def check() -> None:
        if not latched.is_set():
            if not subscriber.is_ready:
                raise NotReady("not subscribed yet")
            latched.set()

    return check


def create_app(
    *,
    name: str,
    title: str,
    routers: Sequence[APIRouter] = (),
    tasks: Sequence[BackgroundTask] = (),
    checks: Mapping[str, Check] | None = None,
    state: Mapping[str, Any] | None = None,
    streamed: re.Pattern[str] | None = None,
) -> FastAPI:
    """The app of one service. `state` is put on `app.state`; `tasks` run while the app does.

    Bodies are read whole, and bounded, before a route sees them, except on the `streamed` paths, whose routes read
    theirs piece by piece. What the routes are is told by `app.openapi()` and never over HTTP.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        stop = threading.Event()
        threads = [_start(task, stop) for task in tasks]
        # Nothing loaded until now is garbage: later collections need not look at it again.
        gc.collect()
        gc.freeze()
        yield
        stop.set()
        deadline = time.monotonic() + TASK_STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                log.error("task %s did not stop in time", thread.name)

    app = FastAPI(
        title=title,
        version="1",
        openapi_url=None,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
    )
    app.state.service = name
    for key, value in (state or {}).items():
        setattr(app.state, key, value)
    app.add_exception_handler(StemwrightError, _on_stemwright_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    if "sqlalchemy" in sys.modules:  # a service without a database does not pay 12 MB for it
        from services.kit.database import DATABASE_AWAY

        for away in DATABASE_AWAY:
            app.add_exception_handler(away, _on_database_away)
    app.add_middleware(_Bounded, streamed=streamed)
    app.add_middleware(_Observed, service=name)
    subscriptions = {task.name: _subscribed(task) for task in tasks if isinstance(task, Subscriber)}
    _add_health(app, {**(checks or {}), **subscriptions})
    for router in routers:
        app.include_router(router)
    return app


def serve(
    app: FastAPI, settings: KitSettings, *, on_stopping: Callable[[], None] | None = None, **options: Any
) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what is under way. Blocks.

    `on_stopping` is called on the event loop when the stop begins, before open answers are waited for; `options` are
    uvicorn's own.
    """
    import uvicorn

    configure_logging(app.state.service, log_format=settings.log_format, level=settings.log_level)

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            if on_stopping is not None:
                on_stopping()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        **{
            "host": settings.host,
            "port": settings.port,
            "loop": "uvloop",
            "http": "httptools",
            "ws": "none",
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "timeout_graceful_shutdown": settings.shutdown_grace_seconds,
            **options,
        },
    )
    # Uvicorn raises the signal again when it is done; having stopped as told is success.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    sockets = [socket.socket(fileno=settings.listen_fd)] if settings.listen_fd is not None else None
    Server(config).run(sockets=sockets)


def _operation_id(route: APIRoute) -> str:
    head, *tail = route.name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def _start(task: BackgroundTask, stop: threading.Event) -> threading.Thread:
    def run() -> None:
        try:
            task.run(stop)
        except BaseException:
            log.critical("background task %s failed; the process ends", task.name, exc_info=True)
            logging.shutdown()
            os._exit(EX_SOFTWARE)

    thread = threading.Thread(target=run, name=task.name, daemon=True)
    thread.start()
    return thread


class _Readiness:
    """Runs the checks at most twice a second, in a thread of its own: threads that wait for a database or for other
    services must not make the process look dead. While a round is under way the last result counts.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._problems = {"start": "no check has ended yet"}
        self._looking = False
        self._looked_at = float("-inf")

    async def problems(self) -> Mapping[str, str]:
        """What is not ready, by the check's name."""
        if not self._looking and time.monotonic() - self._looked_at >= READINESS_CACHE_SECONDS:
            self._looking = True
            try:
                # A limiter of its own: the shared pool may be full of waiting requests.
                self._problems = await to_thread.run_sync(_problems, self._checks, limiter=CapacityLimiter(1))
            finally:
                self._looking = False
                self._looked_at = time.monotonic()
        return self._problems


def _add_health(app: FastAPI, checks: Mapping[str, Check]) -> None:
    readiness = _Readiness(checks)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        problems = await readiness.problems()
        if problems:
            return JSONResponse({"status": "not ready", "problems": problems}, 503)
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _problems(checks: Mapping[str, Check]) -> dict[str, str]:
    problems = {}
    for name, check in checks.items():
        try:
            check()
        except Exception as error:  # noqa: BLE001 - whatever a check raises is what is not ready
            problems[name] = str(error)[:200] or type(error).__name__
    return problems


def problem_response(error: StemwrightError) -> JSONResponse:
    """An error as the client sees it."""
    return JSONResponse(
        jsonable_encoder(error.problem()), error.status, headers=error.headers, media_type=PROBLEM_MEDIA_TYPE
    )


async def _on_stemwright_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StemwrightError)  # noqa: S101 - registered for this type only
    if error.status >= 500:
        log.warning("%s: %s", error.code, error.detail, exc_info=error.__cause__)
    return problem_response(error)


async def _on_validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = error.errors()
    if any(item["loc"][0] == "path" for item in found):
        # Whatever has no name that we give has never been there.
        return problem_response(NotFound())
    # The input is not repeated: it may hold a password.
    problems = [
        {
            "at": ".".join(str(part)[:MAX_REPORTED_CHARACTERS] for part in item["loc"]),
            "problem": item["msg"][: 5 * MAX_REPORTED_CHARACTERS],
        }
        for item in found[:MAX_REPORTED_PROBLEMS]
    ]
    detail = "; ".join(f"{item['at']}: {item['problem']}" for item in problems[:3])
    return _problem(422, "invalid_request", "The request is not valid", detail, extra={"errors": problems})


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code < 300:
        # Not an error at all, and 204 has no body.
        return Response(status_code=error.status_code, headers=dict(error.headers or {}))
    title = phrase(error.status_code)
    code = title.lower().replace(" ", "_").replace("-", "_")
    return _problem(error.status_code, code, title, str(error.detail), headers=dict(error.headers or {}))


async def _on_database_away(_request: Request, error: Exception) -> Response:
    log.error("the database does not answer: %s", error)
    return problem_response(Unavailable("the database does not answer at the moment"))


def _problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    content = {"type": PROBLEM_TYPE_BASE + code, "title": title, "status": status, "detail": detail, "code": code}
    return JSONResponse(
        {**content, **(extra or {})}, status, headers=dict(headers or {}), media_type=PROBLEM_MEDIA_TYPE
    )


class _Bounded:
    """Middleware: a body is here, whole, before the app runs, or it is refused."""

    def __init__(self, app: ASGIApp, streamed: re.Pattern[str] | None) -> None:
        self._app = app
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (self._streamed is not None and self._streamed.fullmatch(scope["path"])):
            await self._app(scope, receive, send)
            return
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > MAX_BODY_BYTES:
                await problem_response(PayloadTooLarge(f"At most {MAX_BODY_BYTES} bytes are accepted here."))(
                    scope, receive, send
                )
                return
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        await self._app(scope, replay, send)


class _Observed:
    """Middleware: a span, a log line and metrics for each request; unexpected errors become a problem document."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET_PATHS:
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        status = 0
        begun = time.perf_counter()

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with span(f"{self._service} {scope['method']}", traceparent_of(headers)):
            try:
                await self._app(scope, receive, observed_send)
            except Exception:
                log.exception("unexpected error in %s %s", scope["method"], scope["path"])
                if status:
                    raise
                status = 500
                await problem_response(StemwrightError())(scope, receive, send)
            finally:
                seconds = time.perf_counter() - begun
                route = getattr(scope.get("route"), "path", "unmatched")
                REQUESTS.labels(scope["method"], route, status).inc()
                DURATION.labels(scope["method"], route).observe(seconds)
                log.info(
                    "%s %s %d",
                    scope["method"],
                    route,
                    status,
                    extra={"path": scope["path"][:200], "status": status, "milliseconds": round(seconds * 1000, 1)},
                )
