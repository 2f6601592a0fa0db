"""The closed table of public routes: what is not in it does not exist.

Paths are matched as they came over the wire, undecoded: a segment in braces takes 1 to 64 of `A-Z a-z 0-9 _ -` and
nothing else, so percent-encoding, dots, doubled slashes and foreign scripts never match and never reach a service. The
key of an object may have dots within its segments.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from services.kit.auth import SCOPES, Role


class Upstream(StrEnum):
    """Who answers."""

    ACCOUNTS = "accounts"
    UPLOAD = "upload"
    ORCHESTRATOR = "orchestrator"
    NOTIFIER = "notifier"
    GATEWAY = "gateway"
    OBJECT_STORE = "object store"


class Access(StrEnum):
    ANYONE = "anyone"
    """No credential is asked for; the service may still look at one."""
    ACCOUNT = "account"
    SIGNED = "signed"
    """The address itself is signed, which the object store checks."""


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


class RateClass(StrEnum):
    """Which rate applies besides the account's."""

    GENERAL = "general"
    AUTH = "auth"


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    upstream: Upstream
    scope: str | None = None
    """What a caller's credential has to be good for. Who signed in may do all that an account may, a key what it was
    made for."""
    roles: frozenset[Role] = frozenset()
    """Of which the caller has to have one; none: everybody has enough."""
    access: Access = Access.ACCOUNT
    body: Body = Body.JSON
    rate_class: RateClass = RateClass.GENERAL
    load: Load = Load.CALL
    slow: bool = False
    """The answer may wait for a whole song to be read, or for a part of it to be encoded where others come first."""

    def __post_init__(self) -> None:
        if (self.scope is not None) != (self.access is Access.ACCOUNT) or (self.roles and self.scope is None):
            raise ValueError(f"{self.method} {self.path}: a scope belongs to what asks for an account, and only there")
        if self.scope is not None and self.scope not in SCOPES:
            raise ValueError(f"{self.method} {self.path}: there is no scope {self.scope!r}")


APP_PAGES = (
    "/",
    "/sign-up",
    "/sign-in",
    "/account/verify-email",
    "/account/reset-password",
    "/erasures/{token}",
    "/s/{token}",
    "/new",
    "/separations",
    "/credits",
    "/billing/return/{id}",
    "/developers",
    "/developers/webhooks/{id}",
    "/account",
    "/separations/{id}",
    "/administration",
    "/administration/workers",
    "/administration/jobs",
    "/administration/jobs/{id}",
    "/administration/dead-letters",
    "/administration/dead-letters/{id}",
    "/administration/feedback",
    "/administration/users",
    "/administration/users/{id}",
    "/administration/prices",
    "/administration/payments",
    "/administration/payments/{id}",
    "/administration/books",
    "/administration/audit-log",
)
"""Where the web app answers, the same paths as in `web/src/app/pages.ts`."""

ADMINS = frozenset({Role.ADMIN})
PARTNERS = frozenset({Role.PARTNER})
OPERATORS = frozenset({Role.OPERATOR, Role.ADMIN})


def _accounts() -> Iterable[Route]:
    def auth(path: str, body: Body = Body.JSON) -> Route:
        return Route(
            "POST",
            f"/v1/auth/{path}",
            Upstream.ACCOUNTS,
            access=Access.ANYONE,
            body=body,
            rate_class=RateClass.AUTH,
        )

    for path in ("register", "verify-email", "password-reset", "password-reset/confirm"):
        yield auth(path)
    yield auth("token", Body.FORM)
    yield auth("session")
    yield Route("DELETE", "/v1/auth/session", Upstream.ACCOUNTS, "account", rate_class=RateClass.AUTH)
    yield Route("POST", "/v1/auth/logout", Upstream.ACCOUNTS, "account", rate_class=RateClass.AUTH)
    yield Route("GET", "/v1/me", Upstream.ACCOUNTS, "account")
    yield Route("PATCH", "/v1/me", Upstream.ACCOUNTS, "account")
    yield Route("GET", "/v1/auth/sessions", Upstream.ACCOUNTS, "account")
    yield Route("DELETE", "/v1/auth/sessions/{id}", Upstream.ACCOUNTS, "account")
    yield Route("POST", "/v1/me/password", Upstream.ACCOUNTS, "account", rate_class=RateClass.AUTH)
    yield Route("GET", "/v1/me/email", Upstream.ACCOUNTS, "account")
    yield Route("POST", "/v1/me/email", Upstream.ACCOUNTS, "account", rate_class=RateClass.AUTH)
    yield Route("GET", "/v1/me/second-factor", Upstream.ACCOUNTS, "account")
    for method, path in (("POST", ""), ("POST", "/confirm"), ("DELETE", "")):
        yield Route(method, f"/v1/me/second-factor{path}", Upstream.ACCOUNTS, "account", rate_class=RateClass.AUTH)
    yield Route("DELETE", "/v1/me", Upstream.ACCOUNTS, "account", rate_class=RateClass.AUTH)
    yield Route("GET", "/v1/me/export", Upstream.GATEWAY, "account", load=Load.DOWNLOAD)
    yield Route("GET", "/v1/erasures/{token}", Upstream.ACCOUNTS, access=Access.ANYONE)
    yield Route("GET", "/v1/me/security-events", Upstream.ACCOUNTS, "account")
    yield Route("GET", "/v1/api-keys", Upstream.ACCOUNTS, "account")
    yield Route("POST", "/v1/api-keys", Upstream.ACCOUNTS, "account", rate_class=RateClass.AUTH)
    yield Route("DELETE", "/v1/api-keys/{id}", Upstream.ACCOUNTS, "account")
    yield Route("GET", "/.well-known/jwks.json", Upstream.ACCOUNTS, access=Access.ANYONE)


def _uploads() -> Iterable[Route]:
    of_upload = (Upstream.UPLOAD, "uploads")
    yield Route("POST", "/v1/uploads", *of_upload)
    yield Route("GET", "/v1/uploads", *of_upload)
    yield Route("GET", "/v1/uploads/{id}", *of_upload)
    yield Route("DELETE", "/v1/uploads/{id}", *of_upload)
    yield Route("PUT", "/v1/uploads/{id}/content", *of_upload, body=Body.CONTENT, load=Load.UPLOAD, slow=True)
    yield Route("POST", "/v1/uploads/{id}/complete", *of_upload, slow=True)


def _jobs() -> Iterable[Route]:
    of_jobs = (Upstream.ORCHESTRATOR, "jobs")
    yield Route("POST", "/v1/quotes", *of_jobs)
    yield Route("POST", "/v1/jobs", *of_jobs)
    yield Route("GET", "/v1/jobs", *of_jobs)
    yield Route("GET", "/v1/jobs/{id}", *of_jobs)
    yield Route("DELETE", "/v1/jobs/{id}", *of_jobs)
    yield Route("POST", "/v1/batches", *of_jobs)
    yield Route("POST", "/v1/batches/quote", *of_jobs)
    yield Route("GET", "/v1/batches", *of_jobs)
    yield Route("GET", "/v1/batches/{id}", *of_jobs)
    yield Route("POST", "/v1/batches/{id}/cancel", *of_jobs)
    yield Route("GET", "/v1/queue", *of_jobs)
    yield Route("POST", "/v1/jobs/{id}/expedite", *of_jobs)
    yield Route("GET", "/v1/archives", *of_jobs, load=Load.DOWNLOAD)
    yield Route("POST", "/v1/jobs/{id}/cancel", *of_jobs)
    yield Route("POST", "/v1/jobs/{id}/retry", *of_jobs)
    yield Route("GET", "/v1/jobs/{id}/stems/{name}", *of_jobs)
    for part in ("archive", "waveforms", "manifest"):
        yield Route("GET", f"/v1/jobs/{{id}}/{part}", *of_jobs, load=Load.DOWNLOAD)
    for part in ("stem-file", "mix"):
        yield Route("GET", f"/v1/jobs/{{id}}/{part}", *of_jobs, load=Load.DOWNLOAD, slow=True)
    yield Route("GET", "/v1/jobs/{id}/playback", *of_jobs)
    yield Route("GET", "/v1/jobs/{id}/playback/{track}/{number}", *of_jobs, load=Load.DOWNLOAD)
    yield Route("POST", "/v1/jobs/{id}/shares", *of_jobs)
    yield Route("GET", "/v1/jobs/{id}/shares", *of_jobs)
    yield Route("DELETE", "/v1/shares/{share}", *of_jobs)
    # Whoever listens has no account: the token in the address is the secret.
    yield Route("GET", "/v1/shares/{share}", Upstream.ORCHESTRATOR, access=Access.ANYONE)
    yield Route("GET", "/v1/shares/{share}/playback", Upstream.ORCHESTRATOR, access=Access.ANYONE)
    for part in ("playback/{track}/{number}", "waveforms"):
        path = f"/v1/shares/{{share}}/{part}"
        yield Route("GET", path, Upstream.ORCHESTRATOR, access=Access.ANYONE, load=Load.DOWNLOAD)
    yield Route("GET", "/v1/jobs/{id}/feedback", *of_jobs)
    yield Route("PUT", "/v1/jobs/{id}/feedback", *of_jobs)
    yield Route("GET", "/v1/jobs/{id}/events", Upstream.GATEWAY, "jobs")


def _money() -> Iterable[Route]:
    yield Route("GET", "/v1/billing/balance", Upstream.ACCOUNTS, "billing:read")
    yield Route("GET", "/v1/billing/ledger", Upstream.ACCOUNTS, "billing:read")
    # Shown before anybody signs up.
    yield Route("GET", "/v1/billing/prices", Upstream.ACCOUNTS, access=Access.ANYONE)
    yield Route("POST", "/v1/billing/checkouts", Upstream.ACCOUNTS, "account")
    yield Route("GET", "/v1/billing/checkouts/{id}", Upstream.ACCOUNTS, "billing:read")
    yield Route("GET", "/v1/billing/payments", Upstream.ACCOUNTS, "billing:read")
    yield Route("GET", "/v1/billing/payments/{id}/receipt", Upstream.ACCOUNTS, "billing:read")
    yield Route("GET", "/v1/billing/subscription", Upstream.ACCOUNTS, "billing:read")
    yield Route("POST", "/v1/billing/portal", Upstream.ACCOUNTS, "account")
    # Whoever calls this has signed the body.
    yield Route("POST", "/v1/billing/providers/{name}/webhook", Upstream.ACCOUNTS, access=Access.ANYONE)
    # For people, who come without a token: the id in the address is the secret.
    yield Route("GET", "/v1/billing/returns/{id}", Upstream.ACCOUNTS, access=Access.ANYONE)
    yield Route("GET", "/billing/sandbox/{id}", Upstream.ACCOUNTS, access=Access.ANYONE)
    yield Route("POST", "/billing/sandbox/{id}", Upstream.ACCOUNTS, access=Access.ANYONE, body=Body.FORM)


def _partners() -> Iterable[Route]:
    yield Route("GET", "/v1/events", Upstream.NOTIFIER, "events", PARTNERS)
    yield Route("GET", "/v1/events/stream", Upstream.GATEWAY, "events", PARTNERS)
    of_webhooks = (Upstream.NOTIFIER, "webhooks", PARTNERS)
    yield Route("GET", "/v1/webhook-endpoints", *of_webhooks)
    yield Route("POST", "/v1/webhook-endpoints", *of_webhooks)
    yield Route("PATCH", "/v1/webhook-endpoints/{id}", *of_webhooks)
    yield Route("DELETE", "/v1/webhook-endpoints/{id}", *of_webhooks)
    yield Route("POST", "/v1/webhook-endpoints/{id}/rotate-secret", *of_webhooks)
    yield Route("POST", "/v1/webhook-endpoints/{id}/test", *of_webhooks)
    yield Route("GET", "/v1/webhook-endpoints/{id}/deliveries", *of_webhooks)
    yield Route("POST", "/v1/webhook-endpoints/{id}/redeliver", *of_webhooks)
    yield Route("POST", "/v1/webhook-deliveries/{id}/redeliver", *of_webhooks)
    yield Route("GET", "/v1/event-topics", *of_webhooks)
    yield Route("POST", "/v1/event-topics", *of_webhooks)
    yield Route("DELETE", "/v1/event-topics/{id}", *of_webhooks)
    yield Route("POST", "/v1/callbacks/rotate-secret", *of_webhooks)
    yield Route("GET", "/v1/callbacks/deliveries", *of_webhooks)


def _operators() -> Iterable[Route]:
    yield Route("GET", "/v1/admin/ledger-check", Upstream.ACCOUNTS, "account", OPERATORS)
    for method, path in (
        *(("GET", "overview"), ("GET", "queue"), ("POST", "queue/pause"), ("POST", "queue/resume")),
        *(("GET", "workers"), ("POST", "workers/{id}/drain"), ("POST", "workers/{id}/resume")),
        *(("GET", "jobs"), ("GET", "jobs/{id}"), ("POST", "jobs/{id}/requeue")),
        *(("GET", "dead-letters"), ("GET", "dead-letters/{id}")),
        *(("POST", "dead-letters/{id}/replay"), ("POST", "dead-letters/{id}/discard")),
    ):
        yield Route(method, f"/v1/admin/{path}", Upstream.ORCHESTRATOR, "account", OPERATORS)
    of_feedback = (Upstream.ORCHESTRATOR, "account", OPERATORS)
    yield Route("GET", "/v1/admin/feedback", *of_feedback)
    yield Route("GET", "/v1/admin/feedback/{id}", *of_feedback)
    yield Route("GET", "/v1/admin/feedback/{id}/playback/{track}/{number}", *of_feedback, load=Load.DOWNLOAD)
    yield Route("GET", "/v1/admin/audit-log", Upstream.ACCOUNTS, "account", ADMINS)
    yield Route("GET", "/v1/admin/users", Upstream.ACCOUNTS, "account", ADMINS)
    yield Route("GET", "/v1/admin/users/{id}", Upstream.ACCOUNTS, "account", ADMINS)
    yield Route("PATCH", "/v1/admin/users/{id}", Upstream.ACCOUNTS, "account", ADMINS)
    yield Route("POST", "/v1/admin/users/{id}/credits", Upstream.ACCOUNTS, "account", ADMINS)
    yield Route("GET", "/v1/admin/provider-totals", Upstream.ACCOUNTS, "account", OPERATORS)
    yield Route("GET", "/v1/admin/revenue", Upstream.ACCOUNTS, "account", ADMINS)
    yield Route("GET", "/v1/admin/payments", Upstream.ACCOUNTS, "account", ADMINS)
    yield Route("GET", "/v1/admin/payments/{id}", Upstream.ACCOUNTS, "account", ADMINS)
    yield Route("POST", "/v1/admin/payments/{id}/refunds", Upstream.ACCOUNTS, "account", ADMINS)
    yield Route("GET", "/v1/admin/prices", Upstream.ACCOUNTS, "account", ADMINS)
    yield Route("POST", "/v1/admin/prices", Upstream.ACCOUNTS, "account", ADMINS)
    yield Route("DELETE", "/v1/admin/prices/{id}", Upstream.ACCOUNTS, "account", ADMINS)


def _pages() -> Iterable[Route]:
    documents = ("/docs", "/docs/assets/{name}", "/v1/openapi.json", "/account/account.js")
    for path in (*documents, *APP_PAGES, "/assets/{name}", "/early.js"):
        for method in ("GET", "HEAD"):
            yield Route(method, path, Upstream.GATEWAY, access=Access.ANYONE)


ROUTES: tuple[Route, ...] = (*_accounts(), *_uploads(), *_jobs(), *_money(), *_partners(), *_operators(), *_pages())


def object_routes(bucket: str) -> Iterable[Route]:
    """What presigned URLs lead to, where the object store is behind the gateway."""
    path, store, signed = f"/{bucket}/{{*key}}", Upstream.OBJECT_STORE, Access.SIGNED
    yield Route("GET", path, store, access=signed, load=Load.DOWNLOAD)
    yield Route("PUT", path, store, access=signed, body=Body.CONTENT, load=Load.UPLOAD, slow=True)


_SEGMENT = r"[A-Za-z0-9_-]{1,64}"
_KEY = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}){0,7}"


def _pattern(path: str) -> str:
    def rule(piece: str) -> str:
        return _KEY if piece.startswith("{*") else _SEGMENT if piece.startswith("{") else re.escape(piece)

    return "".join(rule(piece) for piece in re.split(r"(\{\*?[a-z_]+\})", path))


class RouteTable:
    """Finds the route of a raw path and method. HEAD has the route of GET, where a service answers that."""

    def __init__(self, routes: Iterable[Route] = ROUTES) -> None:
        methods: dict[str, dict[str, Route]] = {}
        for route in routes:
            of_path = methods.setdefault(route.path, {})
            if route.method in of_path:
                raise ValueError(f"{route.method} {route.path} stands twice in the table")
            of_path[route.method] = route
        for of_path in methods.values():
            answered = of_path.get("GET")
            if answered is not None and answered.upstream is not Upstream.GATEWAY:
                of_path["HEAD"] = answered
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
