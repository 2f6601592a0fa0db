"""Bytes that no well-behaved client sends (guarantees.md, bad inputs 12, 13, 17, 18 and 22 to 28)."""

import re
import socket

import pytest

from services.gateway import protocol
from tests.services.gateway.standin import PATIENCE_SECONDS, Platform, Reply, token

AUTHORIZED = b"Authorization: Bearer %s\r\n"


def status(answer: bytes) -> int:
    match = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert match, answer[:200]
    return int(match[1])


def request(line: bytes, *headers: bytes, body: bytes = b"", host: bytes = b"Host: a\r\n") -> bytes:
    authorized = AUTHORIZED % token().encode()
    return line + b"\r\n" + host + authorized + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


def nothing_arrived(gateway: Platform) -> bool:
    return not gateway.accounts.seen + gateway.upload.seen + gateway.orchestrator.seen


@pytest.mark.parametrize(
    "path",
    [
        b"//v1/me",
        b"/..;/v1/me",
        b"/v1/%6de",
        b"/v1/jobs/%2e%2e/x",
        b"/v1/jobs/%2e%2e%2fme",
        b"/v1/jobs/..",
        b"/v1/../v1/me",
        b"/v1/jobs/a%00b",
        b"/v1/jobs/%E2%80%A4",
        b"/v1/jobs/a%0d%0aX:1",
        b"/v1/jobs/" + b"a" * 7000,
        b"/v1/me;x",
        b"/v1/me.",
        b"/internal/jobs/job_1/events",
        b"/internal%2fjobs",
        b"/metrics/",
    ],
)
def test_paths_that_try_to_be_others(gateway: Platform, path: bytes) -> None:
    answer = gateway.raw(request(b"GET " + path + b" HTTP/1.1"))
    assert status(answer) == 404
    assert b"application/problem+json" in answer
    assert nothing_arrived(gateway)


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/jobs/-/events",
        b"/v1/jobs/job_1/events",
        b"/v1/jobs/%6Aob_1%2f/events",
        b"/v1/jobs/a%00b/events",
        b"/v1/jobs/..%2f/events",
        b"/v1/jobs/%20/events",
    ],
)
def test_ids_of_streams_are_as_strict(gateway: Platform, path: bytes) -> None:
    assert status(gateway.raw(request(b"GET " + path + b" HTTP/1.1"))) == 404
    assert nothing_arrived(gateway)


def test_an_address_that_is_too_long(gateway: Platform) -> None:
    assert status(gateway.raw(request(b"GET /v1/jobs?cursor=" + b"a" * 9000 + b" HTTP/1.1"))) == 414


@pytest.mark.parametrize(
    "host",
    [b"", b"Host: evil/..;/admin?\r\n", b"Host: a\r\nHost: b\r\n", b"Host:\r\n", b"Host: a b\r\n", b"Host: a@b\r\n"],
)
def test_hosts_that_are_none(gateway: Platform, host: bytes) -> None:
    assert status(gateway.raw(request(b"GET /v1/me HTTP/1.1", host=host))) == 400
    assert nothing_arrived(gateway)


def test_a_whole_address_in_the_request_line_is_the_path_in_it(gateway: Platform) -> None:
    answer = gateway.raw(request(b"GET http://evil.example/v1/me HTTP/1.1"))
    assert status(answer) == 200
    assert gateway.accounts.seen[0].target == "/v1/me"
    assert "evil" not in str(gateway.accounts.seen[0])
    assert status(gateway.raw(request(b"GET http://evil.example/internal/x HTTP/1.1"))) == 404


@pytest.mark.parametrize("line", [b"OPTIONS * HTTP/1.1", b"CONNECT a:443 HTTP/1.1", b"TRACE /v1/me HTTP/1.1"])
def test_methods_of_other_trades(gateway: Platform, line: bytes) -> None:
    assert status(gateway.raw(request(line))) in {400, 404, 405}
    assert nothing_arrived(gateway)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([b"Content-Length: -1"], b""),
        ([b"Content-Length: abc"], b""),
        ([b"Content-Length: 1e3"], b""),
        ([b"Content-Length: " + b"9" * 5000], b""),
        ([b"Content-Length: 2", b"Content-Length: 3"], b"{}x"),
        ([b"Content-Length: 2", b"Content-Length: 2"], b"{}"),
        ([b"Content-Length: 2", b"Transfer-Encoding: chunked"], b"0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked", b"Content-Length: 2"], b"0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"], b"0\r\n\r\n"),
        ([b"Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
        ([b"Transfer-Encoding: gzip, chunked"], b"0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked, chunked"], b"0\r\n\r\n"),
        ([b"Transfer-Encoding : chunked"], b"0\r\n\r\n"),
        ([b"Transfer-Encoding: chunked"], b"zz\r\n\r\n"),
        ([b"Transfer-Encoding: chunked"], b"-1\r\n\r\n"),
        ([b"Transfer-Encoding: chunked"], b"ffffffffffffffffff\r\n\r\n"),
        ([b"X: a\r\n folded"], b""),
        ([b"X\x00: a"], b""),
        ([b"X: a\x00b"], b""),
        ([b": a"], b""),
    ],
)
def test_bodies_that_two_readers_could_measure_differently(
    gateway: Platform, headers: list[bytes], body: bytes
) -> None:
    smuggled = b"GET /v1/admin/users HTTP/1.1\r\nHost: a\r\n\r\n"
    for line in (b"POST /v1/jobs HTTP/1.1", b"PUT /v1/uploads/upl_1/content HTTP/1.1"):
        sent = request(line, b"Content-Type: application/json", *headers, body=body + smuggled)
        answer = gateway.raw(sent)
        assert status(answer) in {400, 413, 501}, answer
        assert b"connection: close" in answer
        assert answer.count(b"HTTP/1.1 ") == 1
    assert not [seen for seen in gateway.accounts.seen if seen.target == "/v1/admin/users"]
    assert not gateway.orchestrator.seen
    assert not gateway.upload.seen


def test_a_body_shorter_than_it_says_never_arrives(gateway: Platform) -> None:
    sent = request(b"POST /v1/jobs HTTP/1.1", b"Content-Type: application/json", b"Content-Length: 50", body=b"{}")
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        connection.sendall(sent)
    gateway.client.get("/healthz")
    assert nothing_arrived(gateway)


def test_a_request_behind_a_refused_one_is_not_answered(gateway: Platform) -> None:
    big = request(b"POST /v1/jobs HTTP/1.1", b"Content-Type: application/json", b"Content-Length: 9999999", body=b"{}")
    answer = gateway.raw(big + request(b"GET /v1/me HTTP/1.1"))
    assert status(answer) == 413
    assert b"connection: close" in answer
    assert nothing_arrived(gateway)


def test_requests_in_a_row_are_answered_in_order(gateway: Platform) -> None:
    gateway.accounts.answer = lambda seen: Reply(body=seen.target.encode())
    both = request(b"GET /v1/me HTTP/1.1") + request(b"GET /v1/api-keys HTTP/1.1", b"Connection: close")
    answer = gateway.raw(both, answers=2)
    assert [seen.target for seen in gateway.accounts.seen] == ["/v1/me", "/v1/api-keys"]
    assert answer.index(b"/v1/me") < answer.index(b"/v1/api-keys")


def test_too_many_headers_and_too_large_ones(gateway: Platform) -> None:
    many = [b"X-%d: 1" % number for number in range(3000)]
    assert status(gateway.raw(request(b"GET /v1/me HTTP/1.1", *many))) == 431
    answer = gateway.raw(request(b"GET /v1/me HTTP/1.1", b"X: " + b"a" * 40_000))
    assert status(answer) == 431
    assert b"\r\nx-content-type-options: nosniff\r\n" in answer
    assert status(gateway.raw(request(b"GET /v1/me HTTP/1.1", b"X: " + b"a" * 1_000_000))) == 431
    assert nothing_arrived(gateway)


def test_a_head_without_an_end_is_cut_off_early(gateway: Platform) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_SECONDS) as connection:
        sent = 0
        try:
            connection.sendall(b"GET /v1/me HTTP/1.1\r\nX: ")
            while sent < 50_000_000:
                connection.sendall(b"a" * 65_536)
                sent += 65_536
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 20_000_000


def test_a_head_that_trickles_is_cut_off(gateway: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(b"GET /v1/me HTTP/1.1\r\n")
        answer = connection.recv(65536)
        assert status(answer) == 408
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_SECONDS) as connection:
        assert status(connection.recv(65536)) == 408  # one that connects and says nothing


def test_a_million_chunks_of_one_byte(gateway: Platform) -> None:
    head = request(b"POST /v1/jobs HTTP/1.1", b"Content-Type: application/json", b"Transfer-Encoding: chunked")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(head)
        try:
            for _ in range(100):
                connection.sendall(b"1\r\na\r\n" * 10_000)
        except (BrokenPipeError, ConnectionResetError):
            pass
        try:
            answer = connection.recv(65536)
        except ConnectionResetError:
            answer = b"HTTP/1.1 413 "
    assert status(answer) == 413
    assert nothing_arrived(gateway)


def test_ranges_are_the_services_business_but_bounded_here(gateway: Platform) -> None:
    ranges = b"Range: bytes=" + b",".join(b"0-" for _ in range(1000))
    assert status(gateway.raw(request(b"GET /v1/jobs/job_1/archive HTTP/1.1", ranges))) == 200
    assert status(gateway.raw(request(b"GET /v1/jobs/job_1/archive HTTP/1.1", ranges * 20))) == 431


def test_a_websocket_is_not_spoken(gateway: Platform) -> None:
    upgrade = [b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Key: x", b"Sec-WebSocket-Version: 13"]
    assert status(gateway.raw(request(b"GET /v1/jobs/job_1 HTTP/1.1", *upgrade))) == 200
    assert gateway.orchestrator.seen[0].header("upgrade") is None


@pytest.mark.parametrize(
    "credential",
    [
        b"Bearer",
        b"Bearer \xff\xfe",
        b"Basic YTpi",
        b"Bearer a b",
        b"Bearer " + b"x" * 9000,
        b"Bearer sk_" + b"x" * 9000,
    ],
)
def test_credentials_that_are_none(gateway: Platform, credential: bytes) -> None:
    sent = b"GET /v1/me HTTP/1.1\r\nHost: a\r\nAuthorization: " + credential + b"\r\n\r\n"
    assert status(gateway.raw(sent)) in {400, 401}
    assert nothing_arrived(gateway)


def test_a_credential_in_the_address_is_none(gateway: Platform) -> None:
    sent = b"GET /v1/me?access_token=%s&api_key=sk_x HTTP/1.1\r\nHost: a\r\n\r\n" % token().encode()
    assert status(gateway.raw(sent)) == 401
    assert nothing_arrived(gateway)


def test_the_gateway_is_well_after_all_of_this(gateway: Platform) -> None:
    assert gateway.client.get("/healthz").json() == {"status": "alive"}
