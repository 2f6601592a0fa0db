"""What goes through to services and back, header by header."""

import pytest

from services.gateway.errors import BadRequest, HeadersTooLarge
from services.gateway.headers import Headers, check, to_client, to_upstream

HOST = (b"host", b"api.example.org")


def names(headers: Headers) -> set[bytes]:
    return {name for name, _ in headers}


def test_what_a_client_invents_does_not_reach_a_service() -> None:
    invented: Headers = [
        (name, b"x")
        for name in (
            b"x-forwarded-for",
            b"x-forwarded-host",
            b"x-forwarded-proto",
            b"x-real-ip",
            b"forwarded",
            b"x-user",
            b"x-user-id",
            b"x-tenant-id",
            b"x-account-id",
            b"x-http-method-override",
            b"x-request-id",
            b"authorization",
            b"cookie",
            b"traceparent",
            b"tracestate",
            b"baggage",
            b"connection",
            b"te",
            b"transfer-encoding",
            b"content-length",
            b"upgrade",
            b"expect",
            b"host",
        )
    ]
    assert to_upstream(invented, {}) == []


def test_what_the_gateway_vouches_for_stands_once() -> None:
    headers = to_upstream([(b"authorization", b"theirs")], {b"authorization": b"ours"})
    assert headers == [(b"authorization", b"ours")]


def test_an_answer_loses_what_belongs_to_one_connection() -> None:
    answer: Headers = [
        (b"Connection", b"close, X-Secret-Hop"),
        (b"X-Secret-Hop", b"1"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Server", b"uvicorn"),
        (b"Date", b"now"),
        (b"Location", b"https://store/key"),
        (b"Content-Disposition", b"attachment"),
    ]
    assert to_client(answer) == [(b"location", b"https://store/key"), (b"content-disposition", b"attachment")]


@pytest.mark.parametrize(
    "name", [b"host", b"authorization", b"content-length", b"content-type", b"idempotency-key", b"last-event-id"]
)
def test_a_header_that_two_readers_could_take_differently_stands_once(name: bytes) -> None:
    with pytest.raises(BadRequest, match="twice"):
        check([HOST, (name, b"1"), (name, b"2")], http_version="1.1")


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b"evil/..;/admin?",
        b"a b",
        b"a,b",
        b"user@host",
        b"host:port",
        b"host:123456",
        b"[::1",
        b"h\xc3\xb6st",
        b"a#b",
    ],
)
def test_a_host_that_is_none(host: bytes) -> None:
    with pytest.raises(BadRequest):
        check([(b"host", host)], http_version="1.1")


@pytest.mark.parametrize("host", [b"localhost", b"127.0.0.1:8080", b"[::1]:8080", b"api.example.org."])
def test_a_host(host: bytes) -> None:
    check([(b"host", host)], http_version="1.1")


def test_a_missing_host_is_refused_except_in_http_1_0() -> None:
    check([], http_version="1.0")
    with pytest.raises(BadRequest):
        check([], http_version="1.1")


def test_only_named_hosts_are_served_where_hosts_are_named() -> None:
    check([(b"host", b"API.example.org:8080")], http_version="1.1", allowed_hosts=["api.example.org"])
    with pytest.raises(BadRequest):
        check([(b"host", b"other.example.org")], http_version="1.1", allowed_hosts=["api.example.org"])


def test_length_and_transfer_encoding_together_are_refused() -> None:
    with pytest.raises(BadRequest):
        check([HOST, (b"content-length", b"3"), (b"transfer-encoding", b"chunked")], http_version="1.1")


def test_too_many_or_too_large_headers() -> None:
    with pytest.raises(HeadersTooLarge):
        check([HOST, *((b"x-%d" % number, b"") for number in range(100))], http_version="1.1")
    with pytest.raises(HeadersTooLarge):
        check([HOST, (b"x-long", b"a" * 33_000)], http_version="1.1")
