"""Requests to the uploads API, most of them wrong: one service answers them all."""

import json
from typing import Any

import pytest

from tests.ids import numbered
from tests.services.upload import songs
from tests.services.upload.conftest import Service

pytestmark = pytest.mark.s3


def test_a_token_with_the_scope_is_needed(shared: Service) -> None:
    mine = shared.client.create(10)["id"]
    for account, status in (("nobody", 401), (f"{shared.client.account}:jobs", 403)):
        caller = shared.client.of(account)
        for method, path in (
            ("GET", "/v1/uploads"),
            ("POST", "/v1/uploads"),
            ("GET", f"/v1/uploads/{mine}"),
            ("DELETE", f"/v1/uploads/{mine}"),
            ("POST", f"/v1/uploads/{mine}/complete"),
            ("PUT", f"/v1/uploads/{mine}/content"),
        ):
            answer = caller.request(method, path, json={"filename": "x", "size_bytes": 1})
            assert answer.status_code == status, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"


def test_an_empty_file_is_refused_in_words(shared: Service) -> None:
    answer = shared.client.request("POST", "/v1/uploads", json={"filename": "a.wav", "size_bytes": 0})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "size_bytes must be at least 1"


@pytest.mark.parametrize(
    "fields",
    [
        {"filename": ""},
        {"filename": "a" * 256},
        {"filename": "a\nb"},
        {"filename": "a\x00b"},
        {"filename": "a\x1b[31m"},
        {"filename": "cod\u202eexe.mp3"},
        {"filename": "\ud800"},
        {"filename": None},
        {"size_bytes": -1},
        {"size_bytes": 0},
        {"size_bytes": 1.5},
        {"size_bytes": "10"},
        {"size_bytes": True},
        {"size_bytes": 10**30},
        {"sha256": "0" * 63},
        {"sha256": "g" * 64},
        {"content_type": "audio/wav\r\nX: y"},
        {"content_type": "audio"},
        {"account_id": numbered("usr", 2)},
        {"status": "ready"},
    ],
)
def test_nonsense_is_refused(shared: Service, fields: dict[str, Any]) -> None:
    body = json.dumps({"filename": "a.wav", "size_bytes": 10, **fields})
    answer = shared.client.request("POST", "/v1/uploads", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("filename", ["../../etc/passwd", "-rf", "$(id)|x", "CON", "日本語.mp3", '"; x="', "a" * 255])
def test_a_strange_name_is_only_shown(shared: Service, filename: str) -> None:
    before = shared.stored()
    upload = shared.client.upload(songs.wav(0.1), filename=filename)

    assert (upload["status"], upload["filename"]) == ("ready", filename)
    new = shared.stored() - before
    assert {key for key in new if key.startswith("sources/")} == {f"sources/{upload['id']}/original"}


@pytest.mark.parametrize("upload_id", ["upl_none", "x" * 41, "..", "%00", "upl_%2e%2e"])
def test_unknown_ids_are_not_found(shared: Service, upload_id: str) -> None:
    for method in ("GET", "DELETE"):
        assert shared.client.request(method, f"/v1/uploads/{upload_id}").status_code in (404, 405, 422)
