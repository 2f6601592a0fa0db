"""The gateway as the process that it is: its memory, its stop, its settings."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import httpx2
import pytest

from bench.open_stream import open_stream
from services.local.sockets import LOOPBACK, free_port
from tests.broker import Broker
from tests.services.gateway.process import Process, running
from tests.services.gateway.standin import PATIENCE_SECONDS, Reply, StandIn, bearer, eventually, token
from tests.services.gateway.watching import EVENTS, Job, Reader

MIB = 1024 * 1024
IDLE_LIMIT_MIB = 90


def test_memory_does_not_grow_with_what_streams_through() -> None:
    service = StandIn()
    service.keep_bodies = False
    size = int(os.environ.get("STEMWRIGHT_TEST_STREAM_MIB", "192"))

    def upload() -> Iterator[bytes]:
        for _ in range(size):
            yield b"\xaa" * MIB

    async def archive() -> AsyncIterator[bytes]:
        for _ in range(size * 4):
            yield b"\xbb" * (MIB // 4)

    with (
        running(service) as gateway,
        httpx2.Client(base_url=gateway.url, trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        assert client.get("/v1/me", headers=bearer()).status_code == 200
        idle = gateway.resident_mib()
        assert idle < IDLE_LIMIT_MIB
        peak = idle
        done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(0.02):
                peak = max(peak, gateway.resident_mib())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            answer = client.put("/v1/uploads/upl_1/content", content=upload(), headers=bearer())
            assert answer.status_code == 200
            assert service.received_bytes == size * MIB
            service.answer = lambda _: Reply(200, {"content-type": "application/zip"}, pieces=archive)
            with client.stream("GET", "/v1/jobs/job_1/archive", headers=bearer()) as response:
                assert sum(len(chunk) for chunk in response.iter_raw()) == size * MIB
        finally:
            done.set()
            watcher.join()
        assert peak - idle < 12, f"grew from {idle:.0f} to {peak:.0f} MiB"


def test_two_thousand_idle_streams_find_room_in_two_hundred_megabytes() -> None:
    """By what each of two hundred takes: more of them would take the test minutes. `bench/event_streams.py` has all."""
    service = StandIn()
    service.keep_bodies = False
    nothing = {"items": [], "next_after": 0, "oldest_sequence": None}
    service.answer = lambda _: Reply(body=json.dumps(nothing).encode())
    settings = {"STREAMS_PER_ACCOUNT": "1000", "STREAM_POLL_SECONDS": "600", "ACCOUNT_RATE": "100000/minute"}
    environment = {f"STEMWRIGHT_GATEWAY_{name}": value for name, value in settings.items()}
    partner = token(roles=["user", "partner"])
    with running(service, **environment) as gateway, ExitStack() as held:
        for _ in range(50):  # what the first need beside themselves
            held.enter_context(open_stream(gateway.url, partner))
        before = gateway.resident_mib()
        for _ in range(200):
            held.enter_context(open_stream(gateway.url, partner))
        each = (gateway.resident_mib() - before) / 200
    assert before + 1950 * each < 200e6 / MIB, f"{each * 1024:.0f} KiB each, {before:.0f} MiB before"


def test_a_reader_that_stops_reading_stops_the_service_and_takes_no_memory(process: Process) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 2000:
            sent += 1
            yield b"\xbb" * MIB

    with httpx2.Client(base_url=process.url, trust_env=False, timeout=PATIENCE_SECONDS) as client:
        client.get("/v1/me", headers=bearer())
        idle = process.resident_mib()
        process.service.answer = lambda _: Reply(200, {}, pieces=endless)
        with client.stream("GET", "/v1/jobs/job_1/archive", headers=bearer()) as response:
            pieces = response.iter_raw()
            assert next(pieces)
            before = -1
            while before != sent:
                before = sent
                threading.Event().wait(0.3)
            assert sent < 100
            assert process.resident_mib() - idle < 16


def test_told_to_stop_it_ends_its_streams_finishes_what_is_under_way_and_leaves_well() -> None:
    service = StandIn()
    job = Job()
    job.move("queued")
    go = threading.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"first "
        while not go.is_set():
            await asyncio.sleep(0.01)
        yield b"last"

    service.answer = lambda seen: (
        Reply(200, {}, pieces=slowly) if seen.target.endswith("/archive") else job.answer(seen)
    )
    with (
        running(service) as gateway,
        httpx2.Client(base_url=gateway.url, trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        readers = [Reader(gateway.url + EVENTS) for _ in range(3)]
        for reader in readers:
            eventually(lambda of=reader: bool(of.statuses()))  # type: ignore[misc]
        with client.stream("GET", "/v1/jobs/job_1/archive", headers=bearer()) as response:
            pieces = response.iter_raw()
            assert next(pieces) == b"first "
            gateway.child.terminate()
            for reader in readers:
                reader.wait_for_end()
            go.set()
            assert b"".join(pieces) == b"last"
        assert gateway.child.wait(180) == 0


def test_the_public_port_tells_nothing_that_the_admin_port_tells(process: Process) -> None:
    with httpx2.Client(trust_env=False, timeout=PATIENCE_SECONDS) as client:
        client.get(f"{process.url}/v1/nothing")
        metrics = client.get(f"{process.admin_url}/metrics").text
        assert 'stemwright_http_requests_total{method="GET",route="unmatched",status="404"}' in metrics
        for path in ("/metrics", "/healthz", "/readyz"):
            assert client.get(f"{process.admin_url}{path}", headers={"X-Forwarded-For": "203.0.113.9"}).content
            missing = client.get(f"{process.url}{path}")
            assert (missing.status_code, missing.json()["code"]) == (404, "route_not_found")


@pytest.mark.kafka
def test_started_while_the_event_log_is_away_it_is_ready_when_that_is_there() -> None:
    broker = Broker(free_port(LOOPBACK))
    settings = {"STEMWRIGHT_ADMIN_PORT": str(free_port(LOOPBACK)), "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap}
    with running(StandIn(), **settings) as gateway, httpx2.Client(trust_env=False, timeout=PATIENCE_SECONDS) as client:

        def ready() -> int:
            return client.get(f"{gateway.admin_url}/readyz").status_code

        eventually(lambda: ready() == 503)
        broker.start()
        try:
            eventually(lambda: ready() == 200)
        finally:
            broker.kill()


def test_each_mistake_in_the_settings_is_one_clear_line() -> None:
    mistakes = {
        "STEMWRIGHT_GATEWAY_PORT": "99999",
        "STEMWRIGHT_GATEWAY_ACCOUNTS_URL": "nonsense",
        "STEMWRIGHT_GATEWAY_ACCOUNT_RATE": "often",
        "STEMWRIGHT_GATEWAY_API_KEY_CACHE_SECONDS": "3600",
    }
    child = subprocess.run(
        [sys.executable, "-m", "services.gateway.main"],
        env={**os.environ, **mistakes},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert child.returncode == 78
    lines = child.stderr.splitlines()
    assert len(lines) == len(mistakes)
    for name, value in mistakes.items():
        assert [line for line in lines if f"{name} is '{value}'" in line], name
