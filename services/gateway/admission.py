"""Who may come in: the checks every request passes before anything is done for it, cheapest first.

form of the request -> route -> rate of the address -> credential -> rate of the account -> type and size of the body
"""

import json
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.types import Scope

from services.gateway import headers as http
from services.gateway.credentials import API_KEY_PREFIX, Credential, Credentials, bearer
from services.gateway.errors import (
    BadRequest,
    MethodNotAllowed,
    RouteNotFound,
    UnsupportedMediaType,
    UriTooLong,
)
from services.gateway.limits import Cap, Limits
from services.gateway.proxy import Outgoing, Services, read_whole
from services.gateway.routes import Access, Body, Load, Pace, Route, RouteTable, Upstream
from services.gateway.settings import Settings
from services.gateway.waiting import Room
from services.kit.auth import TokenVerifier
from services.kit.errors import PayloadTooLarge, StemwrightError, Unauthorized, Unavailable

MAX_TARGET_BYTES = 8 * 1024
MAX_EXCHANGE_BYTES = 16 * 1024


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

    def __init__(self, settings: Settings, services: Services, verifier: TokenVerifier) -> None:
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
        self.bodies = Room(per_client=settings.bodies_at_once_per_address, in_all=settings.bodies_at_once)
        self._services = services
        self._table = RouteTable()
        self._limits = Limits(settings)
        self._credentials = Credentials(
            verifier,
            self._exchange,
            key_seconds=settings.api_key_cache_seconds,
            entries=settings.credential_cache_entries,
        )

    async def admit(self, scope: Scope) -> Admitted:
        """Raises the error that the client is answered with."""
        self._check_form(scope)
        address = _address_of(scope)
        try:
            route = self._route(scope["method"], scope["raw_path"])
        except StemwrightError:
            await self._limits.of_address(address, Pace.GENERAL)
            raise
        # The route's name, not its path, is what logs and metrics count.
        scope["route"] = route
        standing = await self._limits.of_address(address, route.pace)
        with self.caps[Load.CALL].one(address, None):
            credential, authorization = await self._credential(route, scope["headers"])
        if credential is not None:
            standing = await self._limits.of_account(credential.account_id)
        _check_body(route, scope["headers"], self.body_limit_bytes(route))
        return Admitted(route, address, credential, authorization, standing.headers())

    async def count(self, scope: Scope) -> None:
        """Only the form and the rate of the address, for pages that are for anyone. Raises as `admit`."""
        self._check_form(scope)
        await self._limits.of_address(_address_of(scope), Pace.GENERAL)

    async def renew(self, scope: Scope) -> bytes | None:
        """What services are told for a caller whose stream has been open for a while: keys are exchanged anew."""
        presented = bearer(http.first(scope["headers"], b"authorization"))
        return (await self._credentials.of(presented)).authorization if presented else None

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
            raise RouteNotFound
        route = methods.get(method)
        if route is None:
            raise MethodNotAllowed(methods)
        return route

    async def _credential(self, route: Route, request_headers: http.Headers) -> tuple[Credential | None, bytes | None]:
        header = http.first(request_headers, b"authorization")
        if route.access is Access.ANYONE:
            # Services may look at a token here; a key is none of their business.
            presented = bearer(header) if header and header[:7].lower() == b"bearer " else None
            named = presented is not None and not presented.startswith(API_KEY_PREFIX)
            return None, header if named else None
        presented = bearer(header)
        if presented is None:
            raise Unauthorized("Send `Authorization: Bearer <access token or API key>`.")
        credential = await self._credentials.of(presented)
        return credential, credential.authorization

    async def _exchange(self, api_key: str) -> str | None:
        body = json.dumps({"api_key": api_key}).encode()
        outgoing = Outgoing(
            "POST",
            b"/internal/api-keys/exchange",
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
        raise Unavailable("API keys cannot be checked at the moment.")


def _address_of(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else "unknown"


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
