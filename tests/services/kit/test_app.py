"""The app that every service is: what it reads of a request, and how it says no."""

import re
from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import APIRouter, Request
from fastapi.testclient import TestClient

from services.kit.app import MAX_BODY_BYTES, create_app
from services.kit.schemas import JobId, RequestBody
from tests.ids import numbered

router = APIRouter()


class Text(RequestBody):
    text: str


@router.post("/texts")
def read_text(body: Text) -> int:
    return len(body.text)


@router.put("/streams/{name}")
async def read_stream(name: str, request: Request) -> int:
    return sum([len(chunk) async for chunk in request.stream()])


@router.get("/jobs/{job_id}")
def read_job(job_id: JobId, limit: Annotated[int, "how many"] = 1) -> str:
    return job_id


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = create_app(name="test", title="Test", routers=[router], streamed=re.compile("/streams/[a-z]+"))
    return TestClient(app, raise_server_exceptions=False)


def pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // 1024):
        yield b"x" * 1024


def test_a_body_that_is_too_large_is_refused_however_it_comes(client: TestClient) -> None:
    whole = client.post("/texts", json={"text": "x" * (MAX_BODY_BYTES - 20)})
    assert (whole.status_code, whole.json()) == (200, MAX_BODY_BYTES - 20)
    for content in (b"x" * (MAX_BODY_BYTES + 1), pieces(MAX_BODY_BYTES * 2)):
        refused = client.post("/texts", content=content, headers={"Content-Type": "application/json"})
        assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")


def test_a_route_that_reads_piece_by_piece_takes_more(client: TestClient) -> None:
    assert client.put("/streams/song", content=pieces(MAX_BODY_BYTES * 4)).json() == MAX_BODY_BYTES * 4


def test_an_id_that_is_none_names_nothing(client: TestClient) -> None:
    assert client.get(f"/jobs/{numbered('job')}").status_code == 200
    for bad in ("-", "job_1", numbered("upl"), numbered("job").upper()):
        missing = client.get(f"/jobs/{bad}?limit=none")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert client.get(f"/jobs/{numbered('job')}?limit=none").status_code == 422


def test_what_a_client_made_up_is_not_told_back_at_length(client: TestClient) -> None:
    refused = client.post("/texts", json={"text": "", "k" * 200_000: 1, **{f"more{n}": 1 for n in range(100)}})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["at"] == "body." + "k" * 100
    assert len(refused.content) < 10_000


def test_routes_are_not_told_over_http(client: TestClient) -> None:
    for path in ("/openapi.json", "/docs", "/redoc"):
        assert client.get(path).status_code == 404
