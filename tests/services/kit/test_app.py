"""The app that every service is: what it reads of a request, and how it says no."""

import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated

import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.testclient import TestClient

from services.accounts.mail.service import MailSender
from services.kit.app import create_app
from services.kit.erasures import Eraser
from services.kit.errors import NotFound
from services.kit.outbox import OutboxRelay
from services.kit.process import Sleeper
from services.kit.schemas import JobId, RequestBody
from services.kit.validation import MAX_BODY_BYTES
from services.orchestrator.queue.dispatcher import Dispatcher
from services.upload.validation import Validator
from tests.ids import numbered

router = APIRouter()


class NoSuchJob(NotFound):
    code = "job_not_found"


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
    app = create_app(
        name="test",
        title="Test",
        routers=[router],
        streamed=re.compile("/streams/[a-z]+"),
        missing={"job_id": NoSuchJob},
    )
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
        assert (missing.status_code, missing.json()["code"]) == (404, "job_not_found")
    assert client.get(f"/jobs/{numbered('job')}?limit=none").status_code == 422


def test_what_a_client_made_up_is_not_told_back_at_length(client: TestClient) -> None:
    refused = client.post("/texts", json={"text": "", "k" * 200_000: 1, **{f"more{n}": 1 for n in range(100)}})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["at"] == "body." + "k" * 100
    assert len(refused.content) < 10_000


def test_an_unknown_path_and_a_method_that_a_path_has_not_are_problems_of_ours(client: TestClient) -> None:
    missing = client.get("/nothing")
    assert missing.headers["content-type"] == "application/problem+json"
    assert (missing.status_code, missing.json()["code"]) == (404, "route_not_found")
    refused = client.put("/texts")
    assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
    assert (refused.headers["Allow"], refused.json()["detail"]) == ("POST", "This path answers POST.")


def test_what_is_wrong_is_told_by_field_in_our_words(client: TestClient) -> None:
    refused = client.post("/texts", json={"text": 1, "more": 2}).json()
    assert refused["code"] == "invalid_request"
    assert refused["detail"] == "text must be text; more is not known here"
    assert refused["errors"][0] == {"at": "body.text", "problem": "must be text"}
    assert client.post("/texts", content="{", headers={"Content-Type": "application/json"}).json()["detail"] == (
        "body is not JSON"
    )


def test_what_a_router_worked_out_is_not_worked_out_again(client: TestClient) -> None:
    assert isinstance(client.app, FastAPI)
    assert {id(route) for route in router.routes} <= {id(route) for route in client.app.routes}


def test_operations_are_named_by_their_functions(client: TestClient) -> None:
    assert isinstance(client.app, FastAPI)
    paths = client.app.openapi()["paths"]
    assert paths["/texts"]["post"]["operationId"] == "readText"
    assert paths["/jobs/{job_id}"]["get"]["operationId"] == "readJob"


def test_routes_are_not_told_over_http(client: TestClient) -> None:
    for path in ("/openapi.json", "/docs", "/redoc"):
        assert client.get(path).status_code == 404


class Waiting:
    """A task that waits for news, and for nothing else."""

    name = "waiting"

    def __init__(self) -> None:
        self._news = threading.Event()
        self.ended = False

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._news.wait()
        self.ended = True

    def wake(self) -> None:
        self._news.set()


def test_a_task_that_waits_for_something_else_is_woken_to_stop() -> None:
    task = Waiting()
    with TestClient(create_app(name="test", title="Test", tasks=[task])):
        assert not task.ended
    assert task.ended


@pytest.mark.parametrize("task", [OutboxRelay, Eraser, Dispatcher, Validator, MailSender])
def test_tasks_that_wait_for_work_can_be_woken(task: type) -> None:
    assert issubclass(task, Sleeper)


def test_what_is_to_be_closed_is_closed_when_the_tasks_have_stopped() -> None:
    task, seen = Waiting(), list[bool]()
    with TestClient(create_app(name="test", title="Test", tasks=[task], closing=[lambda: seen.append(task.ended)])):
        assert seen == []
    assert seen == [True]


def test_draining_begins_with_the_tasks_and_ends_before_they_are_stopped() -> None:
    task, seen = Waiting(), list[tuple[str, bool]]()

    @asynccontextmanager
    async def draining() -> AsyncIterator[None]:
        seen.append(("begun", task.ended))
        yield
        seen.append(("ended", task.ended))

    with TestClient(create_app(name="test", title="Test", tasks=[task], draining=draining())):
        assert seen == [("begun", False)]
    assert seen == [("begun", False), ("ended", False)]
    assert task.ended
