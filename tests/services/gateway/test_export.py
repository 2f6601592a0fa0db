"""What a person gets who asks for all that the platform has of them."""

import asyncio
import io
import json
import threading
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from services.gateway.export import FULL_FILE_BYTES, PAGE_ITEMS, PAGES_IN_A_FILE, PARTS
from services.gateway.proxy import MAX_ANSWER_BYTES
from services.gateway.routes import ROUTES, Access
from tests.services.gateway.standin import (
    PATIENCE_SECONDS,
    Platform,
    Reply,
    Seen,
    bearer,
    platform,
    problem,
    token,
)

JOBS = PAGE_ITEMS * PAGES_IN_A_FILE + 50


def documents(seen: Seen) -> Reply:
    """Services that have two of everything, and of jobs more than fit into a file."""
    url = urlsplit(seen.target)
    part = next(part for part in PARTS if part.path == url.path)
    if part.name == "subscription":
        return Reply(status=404)
    if not part.listed:
        return Reply(body=json.dumps({"about": part.name}).encode())
    query = parse_qs(url.query)
    begin, limit = int(query.get("cursor", ["0"])[0]), int(query["limit"][0])
    total = JOBS if part.name == "jobs" else 2
    end = min(total, begin + limit)
    page = {"items": [{"number": n} for n in range(begin, end)], "next_cursor": str(end) if end < total else None}
    return Reply(body=json.dumps(page).encode())


@pytest.fixture
def services() -> Iterator[Platform]:
    with platform() as running:
        for service in running.services:
            service.answer = documents
        yield running


def export(services: Platform, credential: str | None = None) -> httpx2.Response:
    return services.client.get("/v1/me/export", headers=bearer(credential))


def test_the_zip_has_every_list_to_its_end_and_says_what_each_file_is(services: Platform) -> None:
    answer = export(services)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    assert "stemwright-export-" in answer.headers["content-disposition"]
    assert "ratelimit-limit" in answer.headers
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        files: dict[str, Any] = {name: json.loads(archive.read(name)) for name in names if name.endswith(".json")}
        readme = archive.read("README.txt").decode()
    assert names == {"README.txt", "jobs-2.json", *(f"{part.name}.json" for part in PARTS)}
    assert all(f"{part.name}.json" in readme for part in PARTS)
    assert files["subscription.json"] is None
    assert files["profile.json"] == {"about": "profile"}
    assert files["uploads.json"] == [{"number": 0}, {"number": 1}]
    assert len(files["jobs.json"]) == PAGE_ITEMS * PAGES_IN_A_FILE
    assert [job["number"] for job in files["jobs.json"] + files["jobs-2.json"]] == list(range(JOBS))


def test_a_file_of_long_notes_ends_before_it_is_large(services: Platform) -> None:
    """What is in memory at a time is a page and a file."""
    note = "\U0001d11e" * (MAX_ANSWER_BYTES // 3 // 4 // PAGE_ITEMS)

    def long(seen: Seen) -> Reply:
        reply = documents(seen)
        if not seen.target.startswith("/v1/jobs"):
            return reply
        page = json.loads(reply.body)
        page["items"] = [{**item, "metadata": {"note": note}} for item in page["items"]]
        return Reply(body=json.dumps(page, ensure_ascii=False).encode())

    services.orchestrator.answer = long
    answer = export(services)

    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        files = [info for info in archive.infolist() if info.filename.startswith("jobs")]
        numbers = [job["number"] for file in files for job in json.loads(archive.read(file))]
    assert len(files) > JOBS // (PAGE_ITEMS * PAGES_IN_A_FILE) + 1
    assert max(file.file_size for file in files) < FULL_FILE_BYTES + MAX_ANSWER_BYTES
    assert numbers == list(range(JOBS))


def test_nothing_is_read_or_written_where_other_callers_wait(
    services: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[bool] = set()

    def noted(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **named: Any) -> Any:
            threads.add(asyncio._get_running_loop() is not None)
            return work(*args, **named)

        return run

    watched = SimpleNamespace(loads=noted(json.loads), dumps=noted(json.dumps))
    monkeypatch.setattr("services.gateway.export.json", watched)
    assert export(services).status_code == 200
    assert threads == {False}


def test_an_account_has_one_export_at_a_time(services: Platform) -> None:
    reached, over = threading.Event(), threading.Event()

    async def held() -> AsyncIterator[bytes]:
        reached.set()
        while not over.is_set():
            await asyncio.sleep(0.005)
        yield b'{"items": [], "next_cursor": null}'

    def answer(seen: Seen) -> Reply:
        mine = seen.header("authorization") == f"Bearer {first}"
        return Reply(pieces=held) if mine and "cursor=" in seen.target else documents(seen)

    first = token("usr_alice")
    services.orchestrator.answer = answer
    with ThreadPoolExecutor(1) as other:
        exported = other.submit(export, services, first)
        try:
            assert reached.wait(PATIENCE_SECONDS)
            refused = export(services, token("usr_alice", jti="second"))
            problem(refused, 429, "too_many_at_once")
            assert int(refused.headers["retry-after"]) >= 1
            assert export(services, token("usr_bob")).status_code == 200
        finally:
            over.set()
        assert exported.result().status_code == 200
    assert export(services, first).status_code == 200


def test_services_are_asked_in_the_callers_name(services: Platform) -> None:
    mine = token("usr_mine")
    assert export(services, mine).status_code == 200

    asked = [seen for service in services.services for seen in service.seen]
    assert {seen.header("authorization") for seen in asked} == {f"Bearer {mine}"}
    assert {seen.method for seen in asked} == {"GET"}


def test_a_service_that_is_away_is_told_before_a_zip_begins(services: Platform) -> None:
    services.upload.answer = lambda _seen: Reply(status=500)

    answer = export(services)

    problem(answer, 503, "unavailable")


def test_a_zip_that_cannot_be_finished_does_not_look_whole(services: Platform) -> None:
    services.orchestrator.answer = lambda seen: Reply(status=500) if "cursor=" in seen.target else documents(seen)

    with pytest.raises(httpx2.TransportError):
        export(services)


def test_a_key_does_not_export_what_its_account_has(services: Platform) -> None:
    assert export(services, token(scope="jobs uploads")).status_code == 403
    assert services.client.get("/v1/me/export").status_code == 401


def test_whatever_a_service_tells_an_account_of_itself_is_in_its_export() -> None:
    """Whoever adds a list of something of an account adds it here, or says where else the same is told."""
    told = {
        route.path
        for route in ROUTES
        if route.method == "GET" and route.access is Access.ACCOUNT and not route.roles and "{" not in route.path
    }
    told_elsewhere = {"/v1/me/export", "/v1/archives", "/v1/queue"}  # itself, files of stems, a choice of the jobs
    assert told - told_elsewhere == {part.path for part in PARTS if part.path.startswith("/v1/")}
