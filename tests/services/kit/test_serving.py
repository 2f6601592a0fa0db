"""A service as a process: where it listens, where it is asked, how it stops."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest

from services.kit.serving import listeners
from services.local.sockets import LOOPBACK, free_port

PATIENCE_SECONDS = 120.0
PROGRAM = """
import asyncio
from fastapi import APIRouter
from services.kit.app import create_app
from services.kit.serving import serve
from services.kit.settings import ServiceSettings, load

router = APIRouter()

@router.get("/slow")
async def slow() -> str:
    print("begun", flush=True)
    await asyncio.sleep(0.5)
    return "done"

@router.get("/quick")
async def quick() -> str:
    return "done"

serve(create_app(name="test", title="Test", routers=[router]), load(ServiceSettings))
"""


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


def status(host: str, port: int, path: str) -> int | None:
    """What a new connection is answered; None where nobody listens."""
    connection = HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionError:
        return None
    finally:
        connection.close()


def until(host: str, port: int, path: str, wanted: int | None) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (seen := status(host, port, path)) != wanted:
        assert time.monotonic() < deadline, f"{path} answers {seen}"
        time.sleep(0.01)


@contextmanager
def running(**settings: str) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if name not in ("LISTEN_FD", "DATABASE_URL")}
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**environment, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def test_told_to_stop_it_is_not_ready_at_once_and_serves_on_until_others_have_heard() -> None:
    port, admin = free_port(LOOPBACK), free_port(LOOPBACK)
    ports = {"STEMWRIGHT_PORT": str(port), "STEMWRIGHT_ADMIN_PORT": str(admin)}
    with running(**ports, STEMWRIGHT_DRAIN_SECONDS="600") as child:
        until(LOOPBACK, admin, "/readyz", 200)
        assert status(LOOPBACK, port, "/readyz") == 404
        assert status(LOOPBACK, admin, "/quick") == 404
        child.send_signal(signal.SIGTERM)
        until(LOOPBACK, admin, "/readyz", 503)
        assert [status(LOOPBACK, port, "/quick"), status(LOOPBACK, admin, "/healthz")] == [200, 200]
        assert status(LOOPBACK, admin, "/metrics") == 200
        assert child.poll() is None


def test_the_drain_ends_and_what_is_under_way_is_finished() -> None:
    port, admin = free_port(LOOPBACK), free_port(LOOPBACK)
    ports = {"STEMWRIGHT_PORT": str(port), "STEMWRIGHT_ADMIN_PORT": str(admin)}
    with running(**ports, STEMWRIGHT_DRAIN_SECONDS="0.2") as child:
        until(LOOPBACK, admin, "/readyz", 200)
        connection = HTTPConnection(LOOPBACK, port, timeout=PATIENCE_SECONDS)
        connection.request("GET", "/slow")
        assert child.stdout is not None
        while "begun" not in child.stdout.readline():
            assert child.poll() is None
        child.send_signal(signal.SIGTERM)
        assert connection.getresponse().read() == b'"done"'
        connection.close()
        said = "".join(child.communicate(timeout=PATIENCE_SECONDS))
        assert child.returncode == 0
        assert "Shutting down" in said
        assert '"level": "ERROR"' not in said


@needs_ipv6
def test_every_address_is_listened_to_of_either_protocol() -> None:
    port, admin = free_port(LOOPBACK), free_port(LOOPBACK)
    with running(STEMWRIGHT_HOST="::", STEMWRIGHT_PORT=str(port), STEMWRIGHT_ADMIN_PORT=str(admin)):
        until("::1", admin, "/readyz", 200)
        assert [status(host, port, "/quick") for host in ("::1", LOOPBACK)] == [200, 200]


@needs_ipv6
def test_clients_of_either_protocol_have_the_address_that_they_have() -> None:
    sockets = listeners("::", 0)
    try:
        assert len({one.getsockname()[1] for one in sockets}) == 1
        with socket.create_connection((LOOPBACK, sockets[0].getsockname()[1])) as client:
            accepted, address = sockets[1].accept()
            accepted.close()
            assert address == client.getsockname()
    finally:
        for one in sockets:
            one.close()


def test_an_address_that_is_taken_is_one_line() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken, running(STEMWRIGHT_PORT=str(taken.getsockname()[1])) as child:
        _, told = child.communicate(timeout=PATIENCE_SECONDS)
    [line] = told.splitlines()
    assert line.startswith("stemwright: cannot listen on 127.0.0.1: Address already in use")
    assert child.returncode == 78
