"""Which headers may come in, which go on to a service, and which come back. Pure functions over raw header lists.

Towards services there is an allow list: nothing that a client invents (`X-Forwarded-For`, `X-User`, `X-Tenant-Id`,
`X-HTTP-Method-Override`, `baggage` ...) arrives there. Back to the client everything goes except what belongs to one
connection (RFC 9110 section 7.6.1) or to the server that speaks.
"""

import re
from collections.abc import Iterable, Mapping

from services.gateway.errors import BadRequest, HeadersTooLarge, UnknownTransferCoding

Headers = list[tuple[bytes, bytes]]

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024

_ONCE = frozenset(
    {
        b"host",
        b"authorization",
        b"content-length",
        b"content-type",
        b"idempotency-key",
        b"last-event-id",
        b"transfer-encoding",
    }
)
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

_FORWARDED = frozenset(
    {
        b"accept",
        b"accept-language",
        b"content-type",
        b"idempotency-key",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"range",
        b"stripe-signature",
        b"user-agent",
    }
)

_PER_CONNECTION = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Uvicorn writes its own date; what software answers is nobody's business.
_OF_THE_SERVER = frozenset({b"date", b"server", b"x-powered-by"})


def first(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """Value of the first header of that (lower-case) name."""
    return next((value for key, value in headers if key == name), None)


def announces_body(headers: Headers) -> bool:
    """Whether a body follows the head of this request."""
    return first(headers, b"content-length") not in {None, b"0"} or first(headers, b"transfer-encoding") is not None


def cookie(headers: Iterable[tuple[bytes, bytes]], name: str) -> str | None:
    """Value of the cookie of that name; None without one, or with two, of which nobody can say whose they are."""
    pairs = (pair.strip().partition(b"=") for key, value in headers if key == b"cookie" for pair in value.split(b";"))
    values = [value for key, _, value in pairs if key == name.encode()]
    return values[0].decode("latin-1") if len(values) == 1 else None


def check(headers: Headers, *, http_version: str, allowed_hosts: Iterable[str] = ()) -> None:
    """Refuses headers that two readers could understand differently.

    Raises `BadRequest` (400), `HeadersTooLarge` (431) or `UnknownTransferCoding` (501).
    """
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        raise HeadersTooLarge
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in _ONCE and name in seen:
            raise BadRequest(f"The header {name.decode('latin-1')} stands twice.")
        seen.add(name)
    if b"content-length" in seen and b"transfer-encoding" in seen:
        raise BadRequest("A body has either a Content-Length or a Transfer-Encoding.")
    coding = first(headers, b"transfer-encoding")
    if coding is not None and coding.strip().lower() != b"chunked":
        raise UnknownTransferCoding
    host = first(headers, b"host")
    if host is None:
        if http_version != "1.0":
            raise BadRequest("The Host header is missing.")
        return
    if not _HOST.fullmatch(host):
        raise BadRequest("The Host header is not a host.")
    allowed = {name.lower() for name in allowed_hosts}
    if allowed and host.decode().rsplit(":", 1)[0].lower() not in allowed:
        raise BadRequest("This host is not served here.")


def to_upstream(headers: Headers, own: Mapping[bytes, bytes]) -> Headers:
    """Headers for a service: the allowed ones of the client and `own`, which the gateway vouches for."""
    return [*own.items(), *((name, value) for name, value in headers if name in _FORWARDED)]


def to_client(headers: Headers) -> Headers:
    """Headers of a service's answer that the client may see, names in lower case."""
    lowered = [(name.lower(), value) for name, value in headers]
    nominated = {
        token.strip().lower() for name, value in lowered if name == b"connection" for token in value.split(b",")
    }
    dropped = _PER_CONNECTION | _OF_THE_SERVER | nominated
    return [(name, value) for name, value in lowered if name not in dropped]
