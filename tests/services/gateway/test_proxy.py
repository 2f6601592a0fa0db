"""Requests through a real gateway to real servers, both ways."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from tests.services.gateway.standin import (
    Platform,
    Reply,
    Seen,
    bearer,
    eventually,
    free_port,
    listening,
    platform,
    serving,
    token,
)


def problem(response: httpx2.Response, status: int, code: str) -> None:
    assert response.headers["content-type"] == "application/problem+json"
    content = response.json()
    assert (response.status_code, content["status"], content["code"]) == (status, status, code)
    assert content["type"]
    assert content["title"]
    assert content["detail"]


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
        "X-Request-Id": "req_mine",
        "Forwarded": "for=1.2.3.4",
        "Baggage": "a=b",
        "X-HTTP-Method-Override": "DELETE",
        "Cookie": "session=1",
    }
    response = gateway.client.get("/v1/me", headers={**bearer(), **claims})
    (seen,) = gateway.accounts.seen
    assert seen.method == "GET"
    assert seen.header("x-forwarded-for") == "127.0.0.1"
    assert seen.header("x-request-id") == response.headers["x-request-id"] != "req_mine"
    for name in (
        "x-forwarded-host",
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


def test_unknown_paths_and_methods(gateway: Platform) -> None:
    problem(gateway.client.get("/v1/nothing", headers=bearer()), 404, "route_not_found")
    response = gateway.client.put("/v1/jobs/job_1", headers=bearer())
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "DELETE, GET"
    for method in ("HEAD", "OPTIONS", "TRACE"):
        assert gateway.client.request(method, "/v1/me", headers=bearer()).status_code == 405
    assert gateway.client.post("/v1/jobs/job_1/events", headers=bearer()).status_code == 405


def test_internal_and_operators_paths_of_services_are_never_reached(gateway: Platform) -> None:
    for path in (
        "/internal/jobs/job_1/events",
        "/internal/api-keys/exchange",
        "/v1/../internal/x",
        "/v1/jobs/..%2finternal",
    ):
        assert gateway.client.get(path, headers=bearer()).status_code == 404
    for path in ("/metrics", "/openapi.json"):
        problem(gateway.client.get(path), 404, "route_not_found")
    for path in ("/healthz", "/readyz"):
        assert gateway.client.get(path).status_code == 200
        problem(gateway.client.get(path, headers={"X-Forwarded-For": "198.51.100.7"}), 404, "route_not_found")
    assert not gateway.accounts.seen + gateway.upload.seen + gateway.orchestrator.seen


def test_who_shows_no_credential_is_turned_away_at_the_door(gateway: Platform) -> None:
    response = gateway.client.get("/v1/jobs")
    problem(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"
    problem(gateway.client.get("/v1/jobs", headers=bearer("nonsense")), 401, "invalid_token")
    problem(gateway.client.get("/v1/jobs", headers=bearer(token(lifetime_seconds=-100))), 401, "invalid_token")
    problem(gateway.client.get("/v1/jobs", headers=bearer(token(aud="other"))), 401, "invalid_token")
    assert not gateway.orchestrator.seen


def test_anyone_may_sign_in(gateway: Platform) -> None:
    response = gateway.client.post("/v1/auth/token", data={"grant_type": "password", "username": "a", "password": "b"})
    assert response.status_code == 200
    assert gateway.client.get("/.well-known/jwks.json").json()["keys"]
    assert gateway.accounts.seen[0].header("authorization") is None


def test_a_key_is_exchanged_and_the_service_sees_a_token_only(gateway: Platform) -> None:
    def accounts(seen: Seen) -> Reply:
        assert seen.target == "/internal/api-keys/exchange"
        if seen.body == b'{"api_key": "sk_good"}':
            return Reply(body=b'{"access_token": "%s", "expires_in": 600}' % token("usr_key").encode())
        return Reply(401)

    gateway.accounts.answer = accounts
    for _ in range(3):
        assert gateway.client.get("/v1/jobs", headers=bearer("sk_good")).status_code == 200
    assert len(gateway.accounts.seen) == 1
    assert all("sk_" not in (seen.header("authorization") or "") for seen in gateway.orchestrator.seen)
    problem(gateway.client.get("/v1/jobs", headers=bearer("sk_bad")), 401, "invalid_api_key")
    # Where nobody is asked who they are, a key goes nowhere either.
    gateway.accounts.answer = lambda _: Reply()
    gateway.client.get("/v1/billing/prices", headers=bearer("sk_good"))
    assert gateway.accounts.seen[-1].header("authorization") is None


def test_keys_wait_while_accounts_is_broken(gateway: Platform) -> None:
    gateway.accounts.answer = lambda _: Reply(500)
    response = gateway.client.get("/v1/jobs", headers=bearer("sk_new"))
    problem(response, 503, "unavailable")
    assert response.headers["retry-after"]


def test_bodies_have_a_type_and_a_size(gateway: Platform) -> None:
    post = gateway.client.post
    problem(
        post("/v1/jobs", content=b"{}", headers={**bearer(), "Content-Type": "text/plain"}),
        415,
        "unsupported_media_type",
    )
    problem(post("/v1/jobs", content=b"{}", headers=bearer()), 415, "unsupported_media_type")
    problem(post("/v1/auth/token", json={}), 415, "unsupported_media_type")
    problem(post("/v1/auth/token", files={"a": b"b"}), 415, "unsupported_media_type")
    json = {**bearer(), "Content-Type": "application/json; charset=utf-8"}
    problem(post("/v1/jobs", content=b"x", headers={**json, "Content-Encoding": "gzip"}), 415, "unsupported_media_type")
    problem(post("/v1/jobs", content=b"x" * 300_000, headers=json), 413, "payload_too_large")

    def pieces() -> Iterator[bytes]:
        for _ in range(300):
            yield b"x" * 1000

    problem(post("/v1/jobs", content=pieces(), headers=json), 413, "payload_too_large")
    assert not gateway.orchestrator.seen
    assert post("/v1/jobs/job_1/cancel", headers=bearer()).status_code == 200
    assert post("/v1/jobs", content=b"{}", headers=json).status_code == 200
    callback = "/v1/billing/providers/sandbox/webhook"
    assert post(callback, content=b"any", headers={"Stripe-Signature": "t"}).status_code == 200
    assert gateway.accounts.seen[-1].header("stripe-signature") == "t"


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


def test_an_answer_that_is_cut_does_not_look_whole(gateway: Platform) -> None:
    gateway.orchestrator.answer = lambda _: Reply(200, {"content-type": "application/zip"}, b"half a file", dies=True)
    with pytest.raises(httpx2.RemoteProtocolError):
        gateway.client.get("/v1/jobs/job_1/archive", headers=bearer())
    sized = {"content-type": "application/zip", "content-length": "1000000"}
    gateway.orchestrator.answer = lambda _: Reply(200, sized, b"half a file", dies=True)
    with pytest.raises(httpx2.RemoteProtocolError):
        gateway.client.get("/v1/jobs/job_1/archive", headers=bearer())


def test_a_small_answer_that_is_cut_is_a_problem(gateway: Platform) -> None:
    gateway.orchestrator.answer = lambda _: Reply(200, {"content-length": "100"}, b"half", dies=True)
    problem(gateway.client.get("/v1/jobs/job_1", headers=bearer()), 502, "upstream_broken")


def test_a_client_that_leaves_ends_the_work_of_the_service(gateway: Platform) -> None:
    over = threading.Event()

    async def pieces() -> AsyncIterator[bytes]:
        while not over.is_set():
            yield b"x" * 1000
            await asyncio.sleep(0.01)

    gateway.orchestrator.answer = lambda _: Reply(200, {}, pieces=pieces)
    with gateway.client.stream("GET", "/v1/jobs/job_1/archive", headers=bearer()) as response:
        next(response.iter_raw())
    pool = gateway.app.state.services["orchestrator"]._pool
    eventually(lambda: not [item for item in pool.connections if not item.is_idle() and not item.is_closed()])
    over.set()


def test_an_upload_that_is_cut_is_cut_for_the_service_too(gateway: Platform) -> None:
    request = (
        b"PUT /v1/uploads/upl_1/content HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n"
        b"Content-Length: 1000000\r\n\r\nonly the beginning" % token().encode()
    )
    gateway.raw(request, seconds=0.5)
    assert gateway.upload.aborted.wait(10)
    assert not gateway.upload.seen


def test_an_early_refusal_of_a_service_reaches_who_is_still_sending(gateway: Platform) -> None:
    # A service that answers without reading the body, as for a foreign upload.
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [(b"content-length", b"2")]
            await send({"type": "http.response.start", "status": 404, "headers": headers})
            await send({"type": "http.response.body", "body": b"{}"})

    with serving(refuse) as port, platform(upload_url=f"http://127.0.0.1:{port}") as other:
        content = b"x" * 3_000_000
        response = other.client.put("/v1/uploads/upl_1/content", content=content, headers=bearer())
        assert response.status_code == 404


def test_a_service_that_is_away() -> None:
    with platform(orchestrator_url=f"http://127.0.0.1:{free_port()}", retry_delay_seconds=0.01) as gateway:
        for response in (
            gateway.client.get("/v1/jobs", headers=bearer()),
            gateway.client.post("/v1/jobs", json={}, headers=bearer()),
            gateway.client.get("/v1/jobs/job_1/events", headers=bearer()),
        ):
            problem(response, 503, "upstream_unavailable")
            assert int(response.headers["retry-after"]) >= 1
        assert gateway.client.get("/v1/me", headers=bearer()).status_code == 200


def test_a_service_that_comes_back_while_the_gateway_waits() -> None:
    port = free_port()
    with platform(orchestrator_url=f"http://127.0.0.1:{port}", retry_delay_seconds=1.0) as gateway:
        answers: list[httpx2.Response] = []

        def ask() -> None:
            answers.append(gateway.client.post("/v1/jobs", json={"a": 1}, headers=bearer()))

        thread = threading.Thread(target=ask)
        thread.start()
        with serving(gateway.orchestrator, port=port):
            thread.join(10)
            assert answers[0].status_code == 200
            assert [seen.body for seen in gateway.orchestrator.seen] == [b'{"a":1}']


def test_what_may_be_repeated_is_repeated_once_when_a_service_dies_over_it() -> None:
    died: list[str] = []

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        died.append(head.split(b" ")[0].decode())
        if len(died) % 2 == 0:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
            await writer.drain()
        writer.close()

    with (
        listening(cut) as port,
        platform(orchestrator_url=f"http://127.0.0.1:{port}", retry_delay_seconds=0.01) as other,
    ):
        assert other.client.get("/v1/jobs", headers=bearer()).status_code == 200
        keyed = other.client.post("/v1/jobs", json={}, headers={**bearer(), "Idempotency-Key": "k"})
        assert keyed.status_code == 200
        assert died == ["GET", "GET", "POST", "POST"]
        problem(other.client.post("/v1/jobs", json={}, headers=bearer()), 502, "upstream_broken")
        assert died[4:] == ["POST"]


def test_a_service_that_is_too_slow() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    with (
        listening(slow) as port,
        platform(orchestrator_url=f"http://127.0.0.1:{port}", response_timeout_seconds=0.1) as gateway,
    ):
        problem(gateway.client.get("/v1/jobs", headers=bearer()), 504, "upstream_timeout")


def test_more_requests_than_a_service_has_connections_for() -> None:
    with platform(upstream_connections=1, connect_timeout_seconds=0.1) as gateway:
        held = threading.Event()

        async def pieces() -> AsyncIterator[bytes]:
            yield b"x"
            while not held.is_set():
                await asyncio.sleep(0.005)

        gateway.orchestrator.answer = lambda _: Reply(200, {}, pieces=pieces)
        with gateway.client.stream("GET", "/v1/jobs/job_1/archive", headers=bearer()) as response:
            pieces_of_it = response.iter_raw()
            assert next(pieces_of_it) == b"x"
            problem(gateway.client.get("/v1/jobs", headers=bearer()), 503, "overloaded")
            held.set()


def test_more_requests_than_the_gateway_serves() -> None:
    with platform(max_concurrent_requests=1) as gateway:
        held = threading.Event()

        async def pieces() -> AsyncIterator[bytes]:
            yield b"x"
            while not held.is_set():
                await asyncio.sleep(0.005)

        gateway.orchestrator.answer = lambda _: Reply(200, {}, pieces=pieces)
        with gateway.client.stream("GET", "/v1/jobs/job_1/archive", headers=bearer()) as response:
            pieces_of_it = response.iter_raw()
            assert next(pieces_of_it) == b"x"
            problem(gateway.client.get("/v1/me", headers=bearer()), 503, "overloaded")
            held.set()
        eventually(lambda: gateway.client.get("/v1/me", headers=bearer()).status_code == 200)


def test_rates_answer_429_with_what_is_left() -> None:
    with platform(account_rate="2/minute", auth_rate="1/minute") as gateway:
        answers = [gateway.client.get("/v1/me", headers=bearer()) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
        problem(answers[2], 429, "rate_limited")
        assert 1 <= int(answers[2].headers["retry-after"]) <= 60
        assert gateway.client.get("/v1/me", headers=bearer(token("usr_other"))).status_code == 200
        assert gateway.client.post("/v1/auth/register", json={}).status_code == 200
        problem(gateway.client.post("/v1/auth/register", json={}), 429, "rate_limited")


def test_uploads_at_once_are_capped_per_account() -> None:
    with platform(uploads_at_once_per_account=1) as gateway:
        go = threading.Event()

        def pieces() -> Iterator[bytes]:
            yield b"x"
            go.wait(10)

        def upload() -> None:
            gateway.client.put("/v1/uploads/upl_1/content", content=pieces(), headers=bearer())

        thread = threading.Thread(target=upload)
        thread.start()
        admission = gateway.app.state.admission
        eventually(lambda: admission.uploads.open("usr_alice") == 1)
        second = httpx2.put(f"{gateway.url}/v1/uploads/upl_2/content", content=b"x", headers=bearer(), trust_env=False)
        problem(second, 429, "too_many_at_once")
        go.set()
        thread.join(10)
        eventually(lambda: admission.uploads.open("usr_alice") == 0)


def test_trusted_proxies_name_the_client_and_others_do_not() -> None:
    with platform(trusted_proxies="127.0.0.1") as gateway:
        gateway.client.get("/v1/me", headers={**bearer(), "X-Forwarded-For": "9.9.9.9, 198.51.100.7"})
        assert gateway.accounts.seen[0].header("x-forwarded-for") == "198.51.100.7"


def test_other_origins_are_let_in_by_a_setting_only(gateway: Platform) -> None:
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    response = gateway.client.options("/v1/jobs", headers=preflight)
    assert response.status_code == 405
    assert "access-control-allow-origin" not in gateway.client.get("/v1/me", headers={**bearer(), **preflight}).headers
    with platform(cors_origins="https://app.example") as open_gateway:
        allowed = open_gateway.client.options("/v1/jobs", headers=preflight)
        assert allowed.headers["access-control-allow-origin"] == "https://app.example"
        refused = open_gateway.client.options("/v1/jobs", headers={**preflight, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in refused.headers


def test_the_docs_need_nothing_from_elsewhere(gateway: Platform) -> None:
    home = gateway.client.get("/", follow_redirects=False)
    assert home.headers["location"] == "/docs"
    page = gateway.client.get("/docs")
    assert "https://" not in page.text
    assert "http://" not in page.text
    assets = [part.split('"')[0] for part in page.text.split('="/')[1:]]
    assert len(assets) == 4
    for name in assets:
        assert gateway.client.get("/" + name).status_code == 200
    assert gateway.client.get("/docs/assets/other.js").status_code == 404
    assert gateway.client.get("/docs/assets/..%2fconsts.py").status_code == 404
