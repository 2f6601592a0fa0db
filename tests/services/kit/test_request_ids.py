"""Each line that a service logs while it answers names the request."""

import contextlib
import io
import json
import logging
from collections.abc import Iterator

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient

from services.kit.app import create_app
from services.kit.errors import Conflict
from services.kit.telemetry import configure_logging, current_request_id, request_id_of, use_request_id

log = logging.getLogger("a.service")
router = APIRouter()


@router.get("/thread")
def in_a_thread() -> str | None:
    log.warning("at work in a thread")
    return current_request_id()


@router.get("/loop")
async def on_the_loop() -> str | None:
    log.warning("at work on the loop")
    return current_request_id()


@router.get("/refused")
def refused() -> None:
    raise Conflict


@router.get("/broken")
def broken() -> None:
    raise RuntimeError


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What this process logs."""
    root, lines = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level
    with contextlib.redirect_stdout(lines):
        configure_logging("test")
    yield lines
    root.handlers[:], root.level = before[0], before[1]


@pytest.fixture
def client() -> TestClient:
    return TestClient(create_app(name="test", title="Test", routers=[router]), raise_server_exceptions=False)


@pytest.mark.parametrize("path", ["/thread", "/loop"])
def test_every_line_of_a_request_bears_its_id(path: str, client: TestClient, written: io.StringIO) -> None:
    assert client.get(path, headers={"X-Request-Id": "req_1"}).json() == "req_1"
    log.warning("between requests")
    assert client.get(path).json() is None
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [line["request_id"] for line in lines] == ["req_1", "req_1", None, None, None]


@pytest.mark.parametrize("path", ["/refused", "/broken", "/nothing"])
def test_a_problem_names_the_request_too(path: str, client: TestClient) -> None:
    assert client.get(path, headers={"X-Request-Id": "req_2"}).json()["request_id"] == "req_2"
    assert "request_id" not in client.get(path).json()


def test_what_may_not_stand_in_a_log_is_no_id() -> None:
    assert request_id_of({"x-request-id": "order-7:retry.2_A"}) == "order-7:retry.2_A"
    for bad in ("", "two words", "a\nb", "ä", "x" * 65, '"'):
        assert request_id_of({"x-request-id": bad}) is None


def test_an_id_ends_with_its_block() -> None:
    with use_request_id("outer"):
        with use_request_id("inner"):
            assert current_request_id() == "inner"
        assert current_request_id() == "outer"
    assert current_request_id() is None
