"""Who may come in: the checks every request passes before anything is done for it, cheapest first.

form of the request -> route -> rate of the address -> credential -> rate of the account -> scope and roles
-> type and size of the body
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

from starlette.types import Scope

from services.gateway import headers as http
from services.gateway.credentials import API_KEY_PREFIX, Credential, Credentials, bearer
from services.gateway.errors import (
    BadRequest,
    CsrfFailed,
    UnsupportedMediaType,
    UriTooLong,
)
from services.gateway.limits import Cap, Limits
from services.gateway.proxy import Outgoing, Services, read_whole
from services.gateway.revocations import Revocations, RevokedSince
from services.gateway.routes import ROUTES, Access, Body, Load, RateClass, Route, RouteTable, Upstream, object_routes
from services.gateway.settings import Settings
from services.gateway.slow_clients import WaitingPool
from services.kit.auth import Principal, TokenVerifier, check_roles, check_scope
from services.kit.errors import (
    Forbidden,
    MethodNotAllowed,
    PayloadTooLarge,
    RouteNotFound,
    StemwrightError,
    Unauthorized,
    Unavailable,
)
from services.kit.session_cookie import CSRF_HEADER, SECRET, CookieNames, is_csrf_token

MAX_TARGET_BYTES = 8 * 1024
SAFE_METHODS = frozenset({"GET", "HEAD"})
MAX_EXCHANGE_BYTES = 16 * 1024
ANSWERS_BYTES = 128 * 1024 * 1024
"""Most that answers to calls take while clients read them; the oldest of whoever has most are given up first."""
MAX_REVOCATIONS_BYTES = 16 * 1024 * 1024
REVOCATIONS_TIMEOUT_SECONDS = 30.0
"""Longest silence of accounts before it says what was ended. Requests that can go on do not wait so long for it."""


@dataclass(frozen=True)
class Admitted:
    """A request that may go on."""

    route: Route
    address: str
    """The client's address, as far as it can be known."""
    credential: Credential | None
    authorization: bytes | None
    """What services are told; None for a caller without a name."""
    rate_headers: http.Headers = field(default_factory=list)

    @property
    def account_id(self) -> str | None:
        """Whose request it is; None for a caller without a name."""
        return None if self.credential is None else self.credential.account_id


class Admission:
    """The checks, and what they count."""

    def __init__(
        self, settings: Settings, services: Services, verifier: TokenVerifier, clock: Callable[[], float]
    ) -> None:
        self.settings = settings
        self.caps = {
            Load.CALL: Cap(
                "requests",
                per_account=settings.requests_at_once_per_account,
                per_address=settings.requests_at_once_per_address,
                in_all=settings.max_concurrent_requests,
            ),
            Load.UPLOAD: Cap(
                "uploads",
                per_account=settings.uploads_at_once_per_account,
                per_address=settings.uploads_at_once_per_address,
                in_all=settings.upstream_transfers,
            ),
            Load.DOWNLOAD: Cap(
                "downloads",
                per_account=settings.downloads_at_once_per_account,
                per_address=settings.downloads_at_once_per_address,
                in_all=settings.upstream_transfers,
            ),
        }
        self.streams = Cap(
            "event streams",
            per_account=settings.streams_per_account,
            per_address=settings.streams_per_address,
            in_all=settings.streams_in_all,
        )
        # Each may hold some 30 MiB while the longest notes pass.
        self.exports = Cap("exports", per_account=1, per_address=4, in_all=16)
        self.bodies = WaitingPool(per_client=settings.bodies_at_once_per_address, in_all=settings.bodies_at_once)
        self.answers = WaitingPool(per_client=ANSWERS_BYTES, in_all=ANSWERS_BYTES)
        self._services = services
        behind = settings.object_store_url is not None
        objects = object_routes(settings.object_store_bucket) if behind else ()
        self._table = RouteTable((*ROUTES, *objects))
        self.limits = Limits(settings)
        self._credentials = Credentials(
            verifier,
            self._exchange,
            Revocations(
                self._revoked_since,
                fresh_seconds=settings.revocations_fresh_seconds,
                outage_seconds=settings.revocations_outage_seconds,
                clock=clock,
            ),
            key_seconds=settings.api_key_cache_seconds,
            entries=settings.credential_cache_entries,
            clock=clock,
        )

    async def admit(self, scope: Scope) -> Admitted:
        """Raises the error that the client is answered with."""
        self._check_form(scope)
        address = _address_of(scope)
        try:
            route = self._route(scope["method"], scope["raw_path"])
        except StemwrightError:
            await self.limits.of_address(address, RateClass.GENERAL)
            raise
        # The route's name, not its path, is what logs and metrics count.
        scope["route"] = route
        status = await self.limits.of_address(address, route.rate_class)
        with self.caps[Load.CALL].one(address, None):
            credential, authorization = await self._credential(route, scope)
        if credential is not None:
            status = await self.limits.of_account(credential.account_id)
            _check_allowed(route, credential.principal)
        _check_body(route, scope["headers"], self.body_limit_bytes(route))
        return Admitted(route, address, credential, authorization, status.headers())

    async def count(self, scope: Scope) -> None:
        """Only the form and the rate of the address, for pages that are for anyone. Raises as `admit`."""
        self._check_form(scope)
        await self.limits.of_address(_address_of(scope), RateClass.GENERAL)

    async def renew(self, scope: Scope) -> bytes | None:
        """What services are told for a caller whose stream has been open for a while: keys are exchanged anew."""
        credential = await self._presented(scope)
        return None if credential is None else credential.authorization

    def body_limit_bytes(self, route: Route) -> int:
        """Most bytes a request on this route may carry."""
        return self.settings.max_upload_bytes if route.body is Body.CONTENT else self.settings.max_json_bytes

    def _check_form(self, scope: Scope) -> None:
        if len(scope["raw_path"]) + len(scope.get("query_string", b"")) > MAX_TARGET_BYTES:
            raise UriTooLong
        http.check(scope["headers"], http_version=scope["http_version"], allowed_hosts=self.settings.allowed_hosts)

    def _route(self, method: str, raw_path: bytes) -> Route:
        methods = self._table.methods_of(raw_path.decode("latin-1"))
        if methods is None:
            raise RouteNotFound("Nothing answers at this path. Those that there are stand in /docs.")
        route = methods.get(method)
        if route is None:
            raise MethodNotAllowed(methods)
        return route

    async def _credential(self, route: Route, scope: Scope) -> tuple[Credential | None, bytes | None]:
        header = http.first(scope["headers"], b"authorization")
        if route.access is Access.SIGNED:
            if b"X-Amz-Signature=" not in scope.get("query_string", b""):
                raise Forbidden("This address works with its signature only.")
            return None, None
        if route.access is Access.ANYONE:
            # Services may look at a token here; a key is none of their business.
            presented = bearer(header) if header and header[:7].lower() == b"bearer " else None
            named = presented is not None and not presented.startswith(API_KEY_PREFIX)
            return None, header if named else None
        credential = await self._presented(scope)
        if credential is None:
            raise Unauthorized("Send `Authorization: Bearer <access token or API key>`.")
        return credential, credential.authorization

    async def _presented(self, scope: Scope) -> Credential | None:
        """Whose request it is: by its Authorization header or, in a browser, by its cookie; None without either."""
        presented = bearer(http.first(scope["headers"], b"authorization"))
        if presented is not None:
            return await self._credentials.of(presented)
        host = http.first(scope["headers"], b"host") or b""
        names = CookieNames.at(scope["scheme"], host.decode("latin-1"))
        secret = http.cookie(scope["headers"], names.session)
        if secret is None or not SECRET.fullmatch(secret):
            return None
        if scope["method"] not in SAFE_METHODS:
            # A foreign page can have the browser send the cookie, and neither read this token nor set a header.
            token = http.first(scope["headers"], CSRF_HEADER.lower().encode()) or b""
            if not is_csrf_token(token.decode("latin-1"), secret):
                raise CsrfFailed(f"Send the session's token as {CSRF_HEADER}.")
        return await self._credentials.of_cookie(secret)

    async def _exchange(self, secret: str) -> str | None:
        is_key = secret.startswith(API_KEY_PREFIX)
        body = json.dumps({"api_key" if is_key else "secret": secret}).encode()
        outgoing = Outgoing(
            "POST",
            b"/internal/api-keys/exchange" if is_key else b"/internal/sessions/exchange",
            [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))],
            body,
            repeatable=True,
        )
        async with self._services[Upstream.ACCOUNTS].request(outgoing) as response:
            answer = await read_whole(response, MAX_EXCHANGE_BYTES)
        if response.status == HTTPStatus.OK:
            return str(json.loads(answer)["access_token"])
        if response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}:
            return None
        raise Unavailable("Sign-ins cannot be checked at the moment.")

    async def _revoked_since(self, mark: str | None) -> RevokedSince:
        query = b"" if mark is None else b"?after=" + quote(mark).encode()
        outgoing = Outgoing(
            "GET",
            b"/internal/revocations" + query,
            [],
            repeatable=True,
            response_timeout_seconds=REVOCATIONS_TIMEOUT_SECONDS,
        )
        async with self._services[Upstream.ACCOUNTS].request(outgoing) as response:
            answer = await read_whole(response, MAX_REVOCATIONS_BYTES)
        if response.status != HTTPStatus.OK:
            raise Unavailable("Sign-ins cannot be checked at the moment.")
        told = json.loads(answer)
        return RevokedSince(told["ids"], told["told_at"], told.get("changed", {}))


def _address_of(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else "unknown"


def _check_allowed(route: Route, principal: Principal) -> None:
    """The services ask the same: what one of the two forgets, the other refuses."""
    if route.scope is not None:
        check_scope(principal, route.scope)
    if route.roles:
        check_roles(principal, route.roles)


def _check_body(route: Route, request_headers: http.Headers, limit_bytes: int) -> None:
    if http.first(request_headers, b"content-encoding") not in {None, b"identity"}:
        # A compressed body can be a thousand times its size; nothing here reads one.
        raise UnsupportedMediaType("Send the body without a Content-Encoding.")
    length = http.first(request_headers, b"content-length")
    if length is not None:
        if not length.isdigit():
            raise BadRequest("The Content-Length is not a number.")
        if int(length) > limit_bytes:
            raise PayloadTooLarge(f"At most {limit_bytes} bytes are accepted here.")
    expected = {Body.JSON: b"application/json", Body.FORM: b"application/x-www-form-urlencoded"}.get(route.body)
    if expected is not None and http.announces_body(request_headers):
        content_type = http.first(request_headers, b"content-type") or b""
        if content_type.partition(b";")[0].strip().lower() != expected:
            raise UnsupportedMediaType(f"Send {expected.decode()}.")
