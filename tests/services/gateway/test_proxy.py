"""Requests through a real gateway to real servers, both ways."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.services.gateway.standin import (
    Platform,
    Reply,
    bearer,
    listening,
    platform,
)


def test_a_request_goes_through_as_it_is(gateway: Platform) -> None:
    gateway.orchestrator.answer = lambda _: Reply(
        201, {"content-type": "application/json", "location": "/x"}, b'{"a":1}'
    )
    response = gateway.client.post(
        "/v1/jobs?x=%20y&x=z", json={"mode": "full"}, headers={**bearer(), "Idempotency-Key": "once"}
    )
    assert (response.status_code, response.content, response.headers["location"]) == (201, b'{"a":1}', "/x")
    (seen,) = gateway.orchestrator.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/v1/jobs?x=%20y&x=z", b'{"mode":"full"}')
    assert seen.header("idempotency-key") == "once"
    assert seen.header("content-type") == "application/json"
    assert seen.header("authorization") is not None
    assert not gateway.accounts.seen
    assert not gateway.upload.seen


def test_what_a_client_claims_about_itself_is_replaced(gateway: Platform) -> None:
    claims = {
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Host": "evil",
        "X-Tenant-Id": "t",
        "X-User": "usr_bob",
        "X-Request-Id": "forged\t{}",
        "Forwarded": "for=1.2.3.4",
        "Baggage": "a=b",
        "X-HTTP-Method-Override": "DELETE",
        "Cookie": "session=1",
    }
    response = gateway.client.get("/v1/me", headers={**bearer(), **claims})
    (seen,) = gateway.accounts.seen
    assert seen.method == "GET"
    assert seen.header("x-forwarded-for") == "127.0.0.1"
    assert seen.header("x-forwarded-host") == response.request.url.netloc.decode()
    assert seen.header("x-request-id") == response.headers["x-request-id"]
    assert response.headers["x-request-id"].startswith("req_")
    for name in (
        "x-tenant-id",
        "x-user",
        "forwarded",
        "baggage",
        "cookie",
        "x-http-method-override",
    ):
        assert seen.header(name) is None


def test_the_trace_goes_on_and_a_broken_one_is_replaced(gateway: Platform) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    gateway.client.get("/v1/me", headers={**bearer(), "traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    gateway.client.get("/v1/me", headers={**bearer(), "traceparent": "00-zz-yy-01"})
    first, second = (seen.header("traceparent") or "" for seen in gateway.accounts.seen)
    assert first.split("-")[1] == trace
    assert len(second) == 55
    assert trace not in second


def test_a_name_that_the_client_gives_its_request_is_kept(gateway: Platform) -> None:
    response = gateway.client.get("/v1/me", headers={**bearer(), "X-Request-Id": "order-7"})
    (seen,) = gateway.accounts.seen
    assert seen.header("x-request-id") == response.headers["x-request-id"] == "order-7"
    refused = gateway.client.get("/v1/me", headers={"X-Request-Id": "order-8"})
    assert refused.json()["request_id"] == refused.headers["x-request-id"] == "order-8"


def test_every_answer_carries_the_headers_of_the_house(gateway: Platform) -> None:
    for path in ("/v1/me", "/nowhere", "/docs"):
        response = gateway.client.get(path, headers=bearer())
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-request-id"].startswith("req_")
        assert "server" not in response.headers
        assert "strict-transport-security" not in response.headers


def test_redirects_are_for_the_client(gateway: Platform) -> None:
    gateway.orchestrator.answer = lambda _: Reply(307, {"location": "http://store/key?sig=1"}, b"")
    response = gateway.client.get("/v1/jobs/job_1/stems/vocals", headers=bearer(), follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (307, "http://store/key?sig=1")


@pytest.mark.parametrize("head", ["204 No Content", "304 Not Modified", "200 OK\r\nContent-Length: 0", "409 Conflict"])
def test_answers_without_a_body(head: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {head}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    with listening(answer) as port, platform(orchestrator_url=f"http://127.0.0.1:{port}") as gateway:
        for _ in range(2):
            response = gateway.client.delete("/v1/jobs/job_1", headers=bearer())
            assert (response.status_code, response.content) == (int(head[:3]), b"")


def test_a_large_body_streams_in(gateway: Platform) -> None:
    gateway.upload.keep_bodies = False
    size = 64 * 1024 * 1024

    def pieces() -> Iterator[bytes]:
        for _ in range(size // 262_144):
            yield b"\xaa" * 262_144

    response = gateway.client.put("/v1/uploads/upl_1/content", content=pieces(), headers=bearer())
    assert response.status_code == 200
    assert gateway.upload.received_bytes == size
    assert gateway.upload.seen[0].header("transfer-encoding") == "chunked"
    response = gateway.client.put("/v1/uploads/upl_1/content", content=b"\xaa" * 1_000_000, headers=bearer())
    assert response.status_code == 200
    assert gateway.upload.seen[1].header("content-length") == "1000000"
    assert gateway.upload.seen[1].header("transfer-encoding") is None


def test_a_large_answer_streams_out_piece_by_piece(gateway: Platform) -> None:
    step = threading.Event()
    pause = threading.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        step.set()
        while not pause.is_set():
            await asyncio.sleep(0.005)
        for _ in range(1000):
            yield b"\xbb" * 65_536

    gateway.orchestrator.answer = lambda _: Reply(200, {"content-type": "application/zip"}, pieces=pieces)
    digest = hashlib.sha256()
    with gateway.client.stream("GET", "/v1/jobs/job_1/archive", headers=bearer()) as response:
        chunks = response.iter_raw()
        assert next(chunks) == b"first"  # came through while the rest did not exist yet
        pause.set()
        for chunk in chunks:
            digest.update(chunk)
    assert digest.digest() == hashlib.sha256(b"\xbb" * 65_536_000).digest()


def test_trusted_proxies_name_the_client_and_others_do_not() -> None:
    with platform(trusted_proxies="127.0.0.1") as gateway:
        gateway.client.get("/v1/me", headers={**bearer(), "X-Forwarded-For": "9.9.9.9, 198.51.100.7"})
        assert gateway.accounts.seen[0].header("x-forwarded-for") == "198.51.100.7"


def test_the_docs_need_nothing_from_elsewhere(gateway: Platform) -> None:
    page = gateway.client.get("/docs")
    assert "https://" not in page.text
    assert "http://" not in page.text
    assets = [part.split('"')[0] for part in page.text.split('="/')[1:]]
    assert len(assets) == 4
    for name in assets:
        assert gateway.client.get("/" + name).status_code == 200
    assert gateway.client.get("/docs/assets/other.js").status_code == 404
    assert gateway.client.get("/docs/assets/..%2fconsts.py").status_code == 404
