"""Clients that send half a request, read nothing, or take for ever: everybody else is served all the same.

The gateway is a process of its own here, and every connection a real one.
"""

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from tests.services.gateway.process import Process, running
from tests.services.gateway.standin import (
    PATIENCE_SECONDS,
    Platform,
    Reply,
    StandIn,
    bearer,
    eventually,
    listening,
    platform,
    problem,
    serving,
    token,
)

MIB = 1024 * 1024
REGISTER = (
    b"POST /v1/auth/register HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
)


@dataclass
class Peer:
    """One connection of a client that we play byte by byte."""

    connection: socket.socket

    def ended(self) -> bool:
        """Whether the gateway has closed this connection (what it said before is skipped)."""
        self.connection.settimeout(0)
        try:
            while self.connection.recv(65536):
                pass
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True
        return True

    def status(self) -> int:
        """The status of the answer, which is waited for."""
        self.connection.settimeout(PATIENCE_SECONDS)
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.connection.recv(4096)
            assert data, head
            head += data
        return int(head.split(b" ")[1])


@contextmanager
def peers(gateway: Process, count: int, sent: bytes, address: str = "127.0.0.1") -> Iterator[list[Peer]]:
    """Connections from one address that have sent these bytes."""
    port = int(gateway.url.rpartition(":")[2])
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            connection = socket.create_connection(
                ("127.0.0.1", port), timeout=PATIENCE_SECONDS, source_address=(address, 0)
            )
            opened.append(Peer(stack.enter_context(connection)))
            connection.sendall(sent)
        yield opened


@contextmanager
def client_from(gateway: Process, address: str) -> Iterator[httpx2.Client]:
    transport = httpx2.HTTPTransport(local_address=address)
    with httpx2.Client(base_url=gateway.url, transport=transport, trust_env=False, timeout=PATIENCE_SECONDS) as client:
        yield client


def archive(account: str) -> bytes:
    return (
        b"GET /v1/jobs/job_1/archive HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n" % token(account).encode()
    )


def jobs(account: str) -> bytes:
    return b"GET /v1/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n\r\n" % token(account).encode()


async def large() -> AsyncIterator[bytes]:
    for _ in range(2000):
        yield b"\xbb" * 65_536
        await asyncio.sleep(0)


def test_half_sent_bodies_keep_nobody_out() -> None:
    few = {
        "STEMWRIGHT_GATEWAY_MAX_CONCURRENT_REQUESTS": "40",
        "STEMWRIGHT_GATEWAY_BODIES_AT_ONCE": "60",
        "STEMWRIGHT_GATEWAY_AUTH_RATE": "10000/minute",
    }
    with running(StandIn(), **few) as gateway, peers(gateway, 200, REGISTER) as slow:
        # The last of them is being waited for when the others had to go.
        eventually(lambda: sum(peer.ended() for peer in slow) == 200 - 32)
        for address in ("127.0.0.1", "127.0.0.2"):
            with client_from(gateway, address) as client:
                for _ in range(5):
                    assert client.post("/v1/auth/register", json={"x": 1}).status_code == 200
                    assert client.get("/v1/me", headers=bearer()).status_code == 200
        with peers(gateway, 100, REGISTER, "127.0.0.2") as more, peers(gateway, 5, REGISTER, "127.0.0.3") as few_peers:
            eventually(lambda: sum(peer.ended() for peer in slow + more) == 300 - (60 - 5))
            assert not any(peer.ended() for peer in few_peers)


def test_who_shows_no_credential_is_refused_before_the_body_is_read(process: Process) -> None:
    upload = b"PUT /v1/uploads/upl_1/content HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
    job = b"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    for sent in (upload, job):
        with peers(process, 1, sent) as (peer,):
            assert peer.status() == 401
    assert process.service.received_bytes == 0


def test_connections_that_say_nothing_keep_nobody_out() -> None:
    few = {"STEMWRIGHT_GATEWAY_MAX_CONNECTIONS": "50", "STEMWRIGHT_GATEWAY_IDLE_CONNECTIONS_PER_ADDRESS": "20"}
    with running(StandIn(), **few) as gateway, peers(gateway, 100, b"") as silent:
        eventually(lambda: sum(peer.ended() for peer in silent) == 80)
        with peers(gateway, 20, b"GET /v1", "127.0.0.2"), peers(gateway, 20, b"", "127.0.0.3"):
            for address in ("127.0.0.1", "127.0.0.4"):
                with client_from(gateway, address) as client:
                    assert client.get("/v1/me", headers=bearer()).status_code == 200


def test_a_connection_is_kept_longer_than_clients_keep_theirs(process: Process) -> None:
    connection = http.client.HTTPConnection(process.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
    for pause_seconds in (0, 6):
        time.sleep(pause_seconds)
        connection.request("GET", "/v1/me", headers=bearer())
        assert connection.getresponse().read()
    connection.close()


def test_archives_that_nobody_reads_keep_nobody_out() -> None:
    service = StandIn()
    service.answer = lambda seen: Reply(200, {}, pieces=large) if seen.target.endswith("archive") else Reply()
    few = {"STEMWRIGHT_GATEWAY_UPSTREAM_CONNECTIONS": "4", "STEMWRIGHT_GATEWAY_UPSTREAM_TRANSFERS": "20"}
    with running(service, **few) as gateway, peers(gateway, 16, archive("usr_greedy")) as greedy:
        assert {peer.status() for peer in greedy} == {200}
        with client_from(gateway, "127.0.0.1") as client:
            refused = client.get("/v1/jobs/job_1/archive", headers=bearer(token("usr_greedy")))
            problem(refused, 429, "too_many_at_once")
            assert int(refused.headers["retry-after"]) >= 1
            for account in ("usr_greedy", "usr_alice"):
                assert client.get("/v1/jobs/job_1", headers=bearer(token(account))).status_code == 200
            with client.stream("GET", "/v1/jobs/job_1/archive", headers=bearer()) as response:
                assert response.status_code == 200
                assert next(response.iter_raw())


def test_large_answers_that_nobody_reads_keep_nobody_out() -> None:
    service = StandIn()
    page = b"x" * (4 * MIB)
    service.answer = lambda seen: Reply(body=page) if seen.target == "/v1/jobs" else Reply()
    few = {
        "STEMWRIGHT_GATEWAY_UPSTREAM_CONNECTIONS": "3",
        "STEMWRIGHT_GATEWAY_MAX_CONCURRENT_REQUESTS": "4",
        "STEMWRIGHT_GATEWAY_REQUESTS_AT_ONCE_PER_ACCOUNT": "3",
    }
    with running(service, **few) as gateway, ExitStack() as slow:
        for _ in range(6):
            [peer] = slow.enter_context(peers(gateway, 1, jobs("usr_slow")))
            assert peer.status() == 200
        with client_from(gateway, "127.0.0.1") as client:
            for account in ("usr_slow", "usr_alice"):
                assert client.get("/v1/jobs", headers=bearer(token(account))).content == page


def test_answers_that_are_not_read_give_way_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.admission.ANSWERS_BYTES", 6 * MIB)
    page = b"x" * (4 * MIB)
    with platform() as gateway:
        gateway.orchestrator.answer = lambda _: Reply(body=page)
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(jobs("usr_slow"))
            slow = Peer(connection)
            assert slow.status() == 200
            answers = gateway.app.state.admission.answers
            assert len(answers) == len(page)
            assert gateway.client.get("/v1/jobs", headers=bearer()).content == page
            eventually(lambda: len(answers) == 0)
            received = b""
            connection.settimeout(PATIENCE_SECONDS)
            while data := connection.recv(MIB):
                received += data
        assert len(received) < len(page)


@pytest.mark.parametrize("headers", [{"content-length": str(100 * MIB)}, {}])
def test_an_answer_that_is_longer_than_any_is_a_problem(gateway: Platform, headers: dict[str, str]) -> None:
    gateway.orchestrator.answer = lambda _: Reply(200, headers, pieces=large)
    problem(gateway.client.get("/v1/jobs", headers=bearer()), 502, "upstream_broken")


def test_a_reader_that_stands_still_loses_its_connection_and_its_place() -> None:
    service = StandIn()
    service.answer = lambda _: Reply(200, {}, pieces=large)
    impatient = {
        "STEMWRIGHT_GATEWAY_STALL_TIMEOUT_SECONDS": "0.3",
        "STEMWRIGHT_GATEWAY_DOWNLOADS_AT_ONCE_PER_ACCOUNT": "1",
    }
    with running(service, **impatient) as gateway, peers(gateway, 1, archive("usr_alice")) as (first,):
        assert first.status() == 200

        def another_may_read() -> bool:
            with peers(gateway, 1, archive("usr_alice")) as (second,):
                return second.status() == 200

        eventually(another_may_read)
        eventually(first.ended)


def test_a_reader_that_is_slow_but_steady_gets_everything() -> None:
    service = StandIn()

    async def song() -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"\xbb" * MIB

    service.answer = lambda _: Reply(200, {}, pieces=song)
    # Less than the whole takes, and more than a busy machine keeps a reader from reading at all.
    limits = {"STEMWRIGHT_GATEWAY_STALL_TIMEOUT_SECONDS": "4", "STEMWRIGHT_GATEWAY_MIN_BYTES_PER_SECOND": "1000"}
    with running(service, **limits) as gateway, peers(gateway, 1, archive("usr_alice")) as (peer,):
        peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        received = 0
        pause = threading.Event()
        while received < 8 * MIB:
            data = peer.connection.recv(128 * 1024)
            assert data, f"cut off after {received} bytes"
            received += len(data)
            pause.wait(0.08)


def test_a_body_that_trickles_is_cut_off() -> None:
    with platform(stall_timeout_seconds=0.4, min_bytes_per_second=1000) as gateway:
        upload = gateway.upload
        for line in (b"POST /v1/jobs", b"PUT /v1/uploads/upl_1/content"):
            head = line + b" HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"
            sent = head % token().encode() + b"Content-Length: 100000\r\n\r\n"
            with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_SECONDS) as connection:
                connection.sendall(sent)
                connection.settimeout(0.02)
                answer = b""
                while not answer:
                    try:
                        connection.sendall(b"x")
                        answer = connection.recv(4096)
                    except TimeoutError:
                        continue
                assert answer.startswith(b"HTTP/1.1 408 "), answer
        assert upload.aborted.wait(PATIENCE_SECONDS)
        assert not gateway.orchestrator.seen + upload.seen


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_song_for_an_upload_that_does_not_exist_is_refused_before_it_is_sent(expect: bytes) -> None:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"{}"})

    with serving(refuse) as port, platform(upload_url=f"http://127.0.0.1:{port}") as gateway:
        head = b"PUT /v1/uploads/upl_1/content HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n" % token().encode()
        answer = gateway.raw(head + expect + b"Content-Length: 1000000000\r\n\r\n", seconds=60)
        assert answer.startswith(b"HTTP/1.1 404 ")


def test_a_service_that_answers_in_the_middle_of_a_song_is_heard() -> None:
    async def enough(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await receive()
            await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"{}"})
            while (await receive())["type"] != "http.disconnect":
                pass

    def endless_song() -> Iterator[bytes]:
        while True:
            yield b"\xaa" * 65_536

    with serving(enough) as port, platform(upload_url=f"http://127.0.0.1:{port}") as gateway:
        content = gateway.client.build_request(
            "PUT", "/v1/uploads/upl_1/content", content=endless_song(), headers=bearer()
        )
        assert gateway.client.send(content).status_code == 413


def test_a_service_that_never_says_go_on_gets_the_song_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.expect.CONTINUE_SECONDS", 0.05)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"expect: 100-continue" in head.lower()
        body = await reader.readexactly(5)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    with listening(silent) as port, platform(upload_url=f"http://127.0.0.1:{port}") as gateway:
        response = gateway.client.put("/v1/uploads/upl_1/content", content=b"hello", headers=bearer())
        assert (response.status_code, response.content) == (200, b"hello")
