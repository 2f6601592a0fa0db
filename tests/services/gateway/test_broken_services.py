"""Services and clients that fail in the middle: what the other side sees of it through a real gateway."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from services.gateway import proxy
from services.gateway.routes import Load
from services.local.sockets import LOOPBACK, free_port
from tests.ids import numbered
from tests.services.gateway.standin import (
    PATIENCE_SECONDS,
    Platform,
    Reply,
    bearer,
    eventually,
    listening,
    platform,
    problem,
    serving,
    token,
    unfinished_call,
)


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
    orchestrator = gateway.app.state.services["orchestrator"]
    eventually(lambda: orchestrator.busy(Load.DOWNLOAD) == 0)
    over.set()


def test_an_upload_that_is_cut_is_cut_for_the_service_too(gateway: Platform) -> None:
    request = (
        b"PUT /v1/uploads/upl_1/content HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n"
        b"Content-Length: 1000000\r\n\r\nonly the beginning" % token().encode()
    )
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(request)
        eventually(lambda: gateway.upload.received_bytes == len(b"only the beginning"))
    assert gateway.upload.aborted.wait(PATIENCE_SECONDS)
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
    with platform(orchestrator_url=f"http://127.0.0.1:{free_port(LOOPBACK)}", retry_delay_seconds=0.01) as gateway:
        for response in (
            gateway.client.get("/v1/jobs", headers=bearer()),
            gateway.client.post("/v1/jobs", json={}, headers=bearer()),
            gateway.client.get(f"/v1/jobs/{numbered('job')}/events", headers=bearer()),
        ):
            problem(response, 503, "upstream_unavailable")
            assert int(response.headers["retry-after"]) >= 1
        assert gateway.client.get("/v1/me", headers=bearer()).status_code == 200


def test_a_service_that_comes_back_while_the_gateway_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port(LOOPBACK)
    paused, back = threading.Event(), threading.Event()

    async def pause(_seconds: float) -> None:
        paused.set()
        while not back.is_set():
            await asyncio.sleep(0.01)

    # The pause before the second try lasts as long as the service takes to start on this machine.
    monkeypatch.setattr(proxy, "asyncio", SimpleNamespace(sleep=pause))
    with platform(orchestrator_url=f"http://127.0.0.1:{port}") as gateway:
        answers: list[httpx2.Response] = []

        def ask() -> None:
            answers.append(gateway.client.post("/v1/jobs", json={"a": 1}, headers=bearer()))

        thread = threading.Thread(target=ask)
        thread.start()
        assert paused.wait(PATIENCE_SECONDS)
        with serving(gateway.orchestrator, port=port):
            back.set()
            thread.join(PATIENCE_SECONDS)
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
    with platform(upstream_connections=1) as gateway, unfinished_call(gateway):
        # From here on: what came before had to be connected, however long that took.
        impatient = gateway.app.state.settings.model_copy(update={"connect_timeout_seconds": 0.1})
        gateway.app.state.services["orchestrator"]._settings = impatient
        problem(gateway.client.get("/v1/jobs", headers=bearer()), 503, "overloaded")
