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
    CALLBACK = "callback"
    """A small body of any type, whose bytes are signed."""
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
    yield auth("logout")
    yield auth("password-reset")
    yield auth("password-reset/confirm")
    yield auth("verify-email")
    for method in ("GET", "PATCH", "DELETE"):
        yield Route(method, "/v1/me", Upstream.ACCOUNTS)
    yield Route("GET", "/v1/me/export", Upstream.ACCOUNTS)
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
    for part in ("balance", "ledger", "payments"):
        yield Route("GET", f"/v1/billing/{part}", Upstream.ACCOUNTS)
    yield Route("GET", "/v1/billing/prices", Upstream.ACCOUNTS, Access.ANYONE)
    yield Route("POST", "/v1/billing/checkouts", Upstream.ACCOUNTS)
    yield Route("POST", "/v1/billing/providers/{provider}/webhook", Upstream.ACCOUNTS, Access.ANYONE, Body.CALLBACK)


def _admin() -> Iterable[Route]:
    for part in ("overview", "queue", "workers", "jobs", "feedback"):
        yield Route("GET", f"/v1/admin/{part}", Upstream.ORCHESTRATOR)
    yield Route("POST", "/v1/admin/jobs/{id}/requeue", Upstream.ORCHESTRATOR)
    for part in ("users", "users/{id}", "prices", "ledger-check"):
        yield Route("GET", f"/v1/admin/{part}", Upstream.ACCOUNTS)
    yield Route("PATCH", "/v1/admin/users/{id}", Upstream.ACCOUNTS)
    yield Route("POST", "/v1/admin/users/{id}/credits", Upstream.ACCOUNTS)
    yield Route("PUT", "/v1/admin/prices", Upstream.ACCOUNTS)


ROUTES: tuple[Route, ...] = (*_accounts(), *_uploads(), *_jobs(), *_money(), *_admin())

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
