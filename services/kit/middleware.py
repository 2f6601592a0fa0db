"""What every service does around each request, as plain ASGI, so that streams pass untouched."""

import logging
import re
import time
from itertools import zip_longest

from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit.errors import PayloadTooLarge, StemwrightError
from services.kit.ids import id_pattern
from services.kit.problems import problem_response
from services.kit.telemetry import current_request_id, request_id_of, span, traceparent_of, use_request_id
from services.kit.validation import MAX_BODY_BYTES

log = logging.getLogger(__name__)

QUIET_PATHS = ("/healthz", "/readyz", "/metrics")

_JOB = re.compile(id_pattern("job").strip("^$"))

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

SECRETS = frozenset({"{token}", "{receipt_token}", "{share}"})
"""Parts of routes that whoever knows them may do something with: no log holds one."""

REQUESTS = Counter("stemwright_http_requests_total", "Requests answered.", ["method", "route", "status"])
DURATION = Histogram(
    "stemwright_http_request_seconds",
    "Seconds from the request to the end of the answer.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)


class BodyLimitMiddleware:
    """A body is here, whole, before the app runs, or it is refused."""

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


class TelemetryMiddleware:
    """A span, a log line and metrics for each request; unexpected errors become a problem document."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

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

        # The gateway, before this middleware, has named its requests already.
        request_id = current_request_id() or request_id_of(headers)
        with use_request_id(request_id), span(scope["method"], traceparent_of(headers), SpanKind.SERVER) as current:
            try:
                await self._app(scope, receive, observed_send)
            except Exception:
                log.exception("unexpected error in %s %s", scope["method"], _told(scope))
                if status:
                    raise
                status = 500
                await problem_response(StemwrightError())(scope, receive, send)
            finally:
                seconds = time.perf_counter() - begun
                route = getattr(scope.get("route"), "path", "unmatched")
                current.update_name(f"{scope['method']} {route}")
                current.set_attributes(
                    {
                        "http.request.method": scope["method"],
                        "http.route": route,
                        "http.response.status_code": status,
                        "stemwright.request_id": request_id or "",
                    }
                )
                method = scope["method"] if scope["method"] in METHODS else "other"
                REQUESTS.labels(method, route, status).inc()
                DURATION.labels(method, route).observe(seconds)
                log.info(
                    "%s %s %d",
                    scope["method"],
                    route,
                    status,
                    extra={
                        "path": _told(scope),
                        "status": status,
                        "milliseconds": round(seconds * 1000, 1),
                        "account_id": scope.get("state", {}).get("account_id"),
                        "job_id": _job_in(scope["path"]),
                    },
                )


def _job_in(path: str) -> str | None:
    found = _JOB.search(path)
    return found and found[0]


def _told(scope: Scope) -> str:
    """The path for logs, without the secrets that its route has in it."""
    route = getattr(scope.get("route"), "path", "")
    parts = zip_longest(scope["path"][:200].split("/"), route.split("/"), fillvalue="")
    return "/".join("..." if name in SECRETS else part for part, name in parts)
