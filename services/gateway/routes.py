"""The closed table of public routes: what is not in it does not exist.

Paths are matched as they came over the wire, undecoded: a segment in braces takes 1 to 64 of `A-Z a-z 0-9 _ -` and
nothing else, so percent-encoding, dots, doubled slashes and foreign scripts never match and never reach a service.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Upstream(StrEnum):
    """Who answers."""

    ACCOUNTS = "accounts"
    UPLOAD = "upload"
    ORCHESTRATOR = "orchestrator"
    GATEWAY = "gateway"


class Access(StrEnum):
    ANYONE = "anyone"
    """No credential is asked for; the service may still look at one."""
    ACCOUNT = "account"


class Body(StrEnum):
    """What a request may carry."""

    JSON = "json"
    """Nothing, or a small JSON document."""
    FORM = "form"
    """A small URL-encoded form."""
    CONTENT = "content"
    """A file of any type, streamed."""


class Load(StrEnum):
    """What a request takes while it is served, and so which cap it counts against."""

    CALL = "requests"
    UPLOAD = "uploads"
    """As long as the client sends."""
    DOWNLOAD = "downloads"
    """As long as the client reads."""


class Pace(StrEnum):
    """Which rate applies besides the account's."""

    GENERAL = "general"
    AUTH = "auth"


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    upstream: Upstream
    access: Access = Access.ACCOUNT
    body: Body = Body.JSON
    pace: Pace = Pace.GENERAL
    load: Load = Load.CALL
    slow: bool = False
    """The answer may wait for a whole song to be read."""


def _accounts() -> Iterable[Route]:
    def auth(path: str, body: Body = Body.JSON) -> Route:
        return Route("POST", f"/v1/auth/{path}", Upstream.ACCOUNTS, Access.ANYONE, body, Pace.AUTH)

    yield auth("register")
    yield auth("token", Body.FORM)
    yield Route("POST", "/v1/auth/logout", Upstream.ACCOUNTS, pace=Pace.AUTH)
    yield Route("GET", "/v1/me", Upstream.ACCOUNTS)
    yield Route("PATCH", "/v1/me", Upstream.ACCOUNTS)
    yield Route("GET", "/v1/api-keys", Upstream.ACCOUNTS)
    yield Route("POST", "/v1/api-keys", Upstream.ACCOUNTS)
    yield Route("DELETE", "/v1/api-keys/{id}", Upstream.ACCOUNTS)
    yield Route("GET", "/.well-known/jwks.json", Upstream.ACCOUNTS, Access.ANYONE)


def _uploads() -> Iterable[Route]:
    yield Route("POST", "/v1/uploads", Upstream.UPLOAD)
    yield Route("GET", "/v1/uploads", Upstream.UPLOAD)
    yield Route("GET", "/v1/uploads/{id}", Upstream.UPLOAD)
    yield Route("DELETE", "/v1/uploads/{id}", Upstream.UPLOAD)
    yield Route("PUT", "/v1/uploads/{id}/content", Upstream.UPLOAD, body=Body.CONTENT, load=Load.UPLOAD, slow=True)
    yield Route("POST", "/v1/uploads/{id}/complete", Upstream.UPLOAD, slow=True)


def _jobs() -> Iterable[Route]:
    yield Route("POST", "/v1/quotes", Upstream.ORCHESTRATOR)
    yield Route("POST", "/v1/jobs", Upstream.ORCHESTRATOR)
    yield Route("GET", "/v1/jobs", Upstream.ORCHESTRATOR)
    yield Route("GET", "/v1/jobs/{id}", Upstream.ORCHESTRATOR)
    yield Route("DELETE", "/v1/jobs/{id}", Upstream.ORCHESTRATOR)
    yield Route("POST", "/v1/jobs/{id}/cancel", Upstream.ORCHESTRATOR)
    yield Route("POST", "/v1/jobs/{id}/retry", Upstream.ORCHESTRATOR)
    yield Route("GET", "/v1/jobs/{id}/stems/{name}", Upstream.ORCHESTRATOR)
    for part in ("archive", "waveforms", "manifest"):
        yield Route("GET", f"/v1/jobs/{{id}}/{part}", Upstream.ORCHESTRATOR, load=Load.DOWNLOAD)
    yield Route("GET", "/v1/jobs/{id}/feedback", Upstream.ORCHESTRATOR)
    yield Route("PUT", "/v1/jobs/{id}/feedback", Upstream.ORCHESTRATOR)
    yield Route("GET", "/v1/jobs/{id}/events", Upstream.GATEWAY)


def _money() -> Iterable[Route]:
    yield Route("GET", "/v1/billing/balance", Upstream.ACCOUNTS)
    yield Route("GET", "/v1/billing/ledger", Upstream.ACCOUNTS)


def _operators() -> Iterable[Route]:
    yield Route("GET", "/v1/admin/ledger-check", Upstream.ACCOUNTS)


def _pages() -> Iterable[Route]:
    for path in ("/", "/docs", "/docs/assets/{name}", "/v1/openapi.json"):
        for method in ("GET", "HEAD"):
            yield Route(method, path, Upstream.GATEWAY, Access.ANYONE)


ROUTES: tuple[Route, ...] = (*_accounts(), *_uploads(), *_jobs(), *_money(), *_operators(), *_pages())

_SEGMENT = r"[A-Za-z0-9_-]{1,64}"


def _pattern(path: str) -> str:
    return "".join(
        _SEGMENT if piece.startswith("{") else re.escape(piece) for piece in re.split(r"(\{[a-z_]+\})", path) if piece
    )


class RouteTable:
    """Finds the route of a raw path and method."""

    def __init__(self, routes: Iterable[Route] = ROUTES) -> None:
        methods: dict[str, dict[str, Route]] = {}
        for route in routes:
            of_path = methods.setdefault(route.path, {})
            if route.method in of_path:
                raise ValueError(f"{route.method} {route.path} stands twice in the table")
            of_path[route.method] = route
        self._fixed = {path: MappingProxyType(of_path) for path, of_path in methods.items() if "{" not in path}
        self._patterns = [
            (re.compile(_pattern(path)), MappingProxyType(of_path)) for path, of_path in methods.items() if "{" in path
        ]

    def methods_of(self, raw_path: str) -> Mapping[str, Route] | None:
        """Routes of a path by method; None where there is no such path."""
        fixed = self._fixed.get(raw_path)
        if fixed is not None:
            return fixed
        return next((methods for pattern, methods in self._patterns if pattern.fullmatch(raw_path)), None)
