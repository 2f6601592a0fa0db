"""Nobody reaches another account's things: every route of the public document is walked with a stranger's token."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from services.local.client import Client, Document
from services.local.platform import Platform
from tests.e2e.jobs import FinishedJob, NewAccount

pytestmark = pytest.mark.e2e

METHODS = ("get", "put", "post", "patch", "delete")
FEEDBACK = {"rating": 1}


@pytest.fixture(scope="module")
def document(platform: Platform) -> Document:
    document: Document = httpx2.get(f"{platform.gateway_url}/v1/openapi.json", timeout=180).json()
    return document


def operations(document: Document) -> Iterator[tuple[str, str]]:
    for path, item in document["paths"].items():
        yield from ((method.upper(), path) for method in METHODS if method in item)


def body_for(method: str, path: str) -> dict[str, Any]:
    """A request that would be right if the thing were one's own."""
    if path.endswith("/content"):
        return {"content": b"RIFF"}
    if path.endswith("/feedback") and method == "PUT":
        return {"json": FEEDBACK}
    if path.endswith("/shares"):
        return {"json": {}}
    if path.endswith("/complete"):
        return {"json": {"parts": []}}
    return {}


def test_the_document_names_the_routes_of_the_main_job(document: Document) -> None:
    listed = set(operations(document))
    for expected in (
        ("POST", "/v1/uploads"),
        ("POST", "/v1/jobs"),
        ("GET", "/v1/jobs/{id}/events"),
        ("POST", "/v1/auth/register"),
        ("GET", "/v1/billing/balance"),
    ):
        assert any(_same(expected, found) for found in listed), expected


def test_a_stranger_finds_nothing_behind_any_route(
    document: Document, finished: FinishedJob, new_account: NewAccount
) -> None:
    stranger = new_account()
    key = finished.client.call("POST", "/v1/api-keys", json={"name": "mine", "scopes": ["jobs"]})
    own = {"jobs": finished.job["id"], "uploads": finished.upload["id"], "api-keys": key["id"]}
    walked = 0
    for method, path in operations(document):
        owner_id = next((found for name, found in own.items() if path.startswith(f"/v1/{name}/{{")), None)
        if owner_id is None:
            continue
        url = re.sub(r"\{name\}", "vocals", re.sub(r"\{(?!name\})[^}]*\}", owner_id, path, count=1))
        answer = stranger.http.request(
            method, url, headers={"Authorization": f"Bearer {stranger.token}"}, **body_for(method, path)
        )
        assert answer.status_code == 404, (method, url, answer.status_code, answer.text[:200])
        assert answer.json()["code"] == "not_found" or answer.json()["code"].endswith("_not_found")
        walked += 1
    assert walked >= 12
    assert finished.client.job(finished.job["id"])["status"] == "succeeded"
    finished.client.send("DELETE", f"/v1/api-keys/{key['id']}")


def test_a_stranger_cannot_order_from_anothers_upload(finished: FinishedJob, new_account: NewAccount) -> None:
    stranger = new_account()
    for path, body in (
        ("/v1/jobs", {"upload_id": finished.upload["id"], "mode": "full", "stems": ["vocals"]}),
        ("/v1/quotes", {"upload_id": finished.upload["id"], "mode": "full"}),
    ):
        answer = stranger.http.post(path, json=body, headers={"Authorization": f"Bearer {stranger.token}"})
        assert answer.status_code == 404, (path, answer.text)


def test_lists_hold_only_ones_own(finished: FinishedJob, new_account: NewAccount) -> None:
    stranger = new_account()
    for path in ("/v1/jobs", "/v1/uploads", "/v1/api-keys"):
        assert stranger.call("GET", path)["items"] == []
    ledger = stranger.call("GET", "/v1/billing/ledger")["items"]
    assert finished.job["id"] not in str(ledger)


def test_the_same_idempotency_key_of_another_account_is_another_key(
    finished: FinishedJob, new_account: NewAccount
) -> None:
    owner = finished.client.call(
        "POST",
        "/v1/uploads",
        json={"filename": "one.wav", "size_bytes": 1000},
        headers={"Idempotency-Key": "a-key-of-mine"},
    )
    other = new_account().call(
        "POST",
        "/v1/uploads",
        json={"filename": "one.wav", "size_bytes": 1000},
        headers={"Idempotency-Key": "a-key-of-mine"},
    )
    assert owner["id"] != other["id"]
    finished.client.send("DELETE", f"/v1/uploads/{owner['id']}")


def test_without_a_token_every_route_but_the_open_ones_is_401(document: Document, platform: Platform) -> None:
    with Client(platform.gateway_url) as nobody:
        for method, path in operations(document):
            security = document["paths"][path][method.lower()].get("security", document.get("security"))
            if not security:
                continue
            url = re.sub(r"\{[^}]*\}", "job_01jzzzzzzzzzzzzzzzzzzzzzzz", path)
            answer = nobody.http.request(method, url, **body_for(method, path))
            assert answer.status_code == 401, (method, url, answer.status_code, answer.text[:200])


@pytest.mark.parametrize("path", ["/internal/jobs/{id}/events", "/metrics", "/v1/../metrics", "/v1/%2e%2e/metrics"])
def test_what_is_internal_is_not_reachable_through_the_gateway(finished: FinishedJob, path: str) -> None:
    headers = {"Authorization": f"Bearer {finished.client.token}"}
    assert finished.client.http.get(path.format(id=finished.job["id"]), headers=headers).status_code == 404


def _same(expected: tuple[str, str], found: tuple[str, str]) -> bool:
    return expected[0] == found[0] and re.sub(r"\{.*?\}", "{}", expected[1]) == re.sub(r"\{.*?\}", "{}", found[1])
