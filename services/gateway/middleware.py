"""Middleware around everything the gateway answers: a name for the request, and what every answer carries."""

import ipaddress

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.headers import first
from services.kit.ids import new_id
from services.kit.telemetry import request_id_of, use_request_id

PROBES = frozenset({"/healthz", "/readyz"})
"""Hidden from who comes through a load balancer or from a public address."""

NOT_PUBLIC = frozenset({"/metrics"})
"""What the app factory gives every service and a public port does not show. Metrics have a port of their own."""

_HIDDEN = "/hidden"

UNLISTED = ("/s/", "/v1/shares/", "/erasures/", "/v1/erasures/", "/billing/", "/v1/billing/returns/")
"""Where the address is the secret: what follows one must not end up in an index."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""Set where the answer does not say otherwise itself."""

HSTS = "max-age=31536000"


class EdgeMiddleware:
    """Pure ASGI, so that streams pass it untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = first(scope["headers"], b"x-request-id")
        request_id = request_id_of({"x-request-id": (given or b"").decode("latin-1")}) or new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id
        if scope["path"] in NOT_PUBLIC or (scope["path"] in PROBES and not _is_near(scope)):
            scope["path"] = _HIDDEN
        secure = scope.get("scheme") == "https"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers["x-request-id"] = request_id
                if scope["path"].startswith(UNLISTED):
                    headers["x-robots-tag"] = "noindex"
                if secure:
                    headers["strict-transport-security"] = HSTS
            await send(message)

        with use_request_id(request_id):
            await self._app(scope, receive, send_with_headers)


def _is_near(scope: Scope) -> bool:
    if first(scope["headers"], b"x-forwarded-for") or first(scope["headers"], b"forwarded"):
        return False
    try:
        address = ipaddress.ip_address(scope["client"][0])
    except (KeyError, TypeError, ValueError):
        return False
    return address.is_loopback or address.is_private or address.is_link_local
