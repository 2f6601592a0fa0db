"""The uploads API over real parts."""

import os
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from services.kit.database import Database
from services.kit.storage import S3Storage
from services.kit.tables import IDEMPOTENCY
from services.upload.settings import Settings
from tests.ids import numbered
from tests.services.upload import songs
from tests.services.upload.conftest import Client, Events, serving

pytestmark = [pytest.mark.s3, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

MEBIBYTE = 1024 * 1024


def test_an_interrupted_upload_is_resumed(client: Client, events: Events) -> None:
    song = songs.wav(60)
    created = client.create(len(song))
    first = {**created, "parts": created["parts"][1:]}
    client.send_parts(first, song)

    halfway = client.get(created["id"])
    assert [part["number"] for part in halfway["uploaded_parts"]] == [2]
    assert halfway["uploaded_parts"][0]["size_bytes"] == len(song) - created["part_size_bytes"]
    assert [part["number"] for part in halfway["parts"]] == [1], "URLs for what is missing"
    early = client.complete(created["id"])
    assert (early.status_code, early.json()["code"]) == (409, "upload_incomplete")
    assert early.json()["missing_parts"] == [1]

    client.send_parts(halfway, song)
    parts = [{"number": part["number"], "etag": part["etag"]} for part in client.get(created["id"])["uploaded_parts"]]
    assert client.complete(created["id"], parts).json()["status"] == "ready"


def test_parts_need_not_be_named(client: Client) -> None:
    song = songs.wav()
    created = client.create(len(song))
    client.send_parts(created, song)

    assert client.complete(created["id"]).json()["status"] == "ready"


def test_etags_are_checked_and_a_mistake_can_be_mended(client: Client) -> None:
    song = songs.wav()
    created = client.create(len(song))
    named = client.send_parts(created, song)

    for wrong, status, code in (
        ([{"number": 1, "etag": "0" * 32}], 422, "part_mismatch"),
        ([{"number": 2, "etag": named[0]["etag"]}], 422, "part_mismatch"),
        ([], 409, "upload_incomplete"),
    ):
        answer = client.complete(created["id"], wrong)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert client.get(created["id"])["status"] == "pending"
    assert client.complete(created["id"], named).json()["status"] == "ready"


def test_completing_again_answers_with_the_same_upload(client: Client, events: Events) -> None:
    song = songs.wav()
    created = client.create(len(song))
    named = client.send_parts(created, song)

    answers = [client.complete(created["id"], named) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert events.types(created["id"]) == ["UploadCreated", "UploadReady"]


def test_a_presigned_url_is_of_no_use_after_completion(client: Client, storage: S3Storage) -> None:
    song = songs.wav()
    created = client.create(len(song))
    client.complete(created["id"], client.send_parts(created, song))

    with pytest.raises(httpx2.HTTPError):
        httpx2.put(created["parts"][0]["url"], content=os.urandom(100)).raise_for_status()

    assert client.get(created["id"])["status"] == "ready"
    assert b"".join(storage.stream(f"sources/{created['id']}/original")) == song


def test_another_account_sees_nothing(client: Client, storage: S3Storage) -> None:
    song = songs.wav()
    mine = client.create(len(song))
    named = client.send_parts(mine, song)
    stranger = client.of(numbered("usr", 2))
    path = f"/v1/uploads/{mine['id']}"

    for method, target, body in (
        ("GET", path, None),
        ("DELETE", path, None),
        ("POST", path + "/complete", {"parts": named}),
    ):
        answer = stranger.request(method, target, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "upload_not_found")
    assert stranger.put_content(mine["id"], song).status_code == 404
    client.create(10)
    cursor = client.request("GET", "/v1/uploads?limit=1").json()["next_cursor"]
    assert stranger.request("GET", "/v1/uploads", params={"cursor": cursor}).json()["items"] == []
    assert client.complete(mine["id"], named).json()["status"] == "ready"


def test_a_token_with_the_scope_is_needed(client: Client) -> None:
    mine = client.create(10)["id"]
    for account, status in (("nobody", 401), (f"{numbered('usr', 1)}:jobs", 403)):
        caller = client.of(account)
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
def test_nonsense_is_refused(client: Client, fields: dict[str, Any]) -> None:
    import json

    body = json.dumps({"filename": "a.wav", "size_bytes": 10, **fields})
    answer = client.request("POST", "/v1/uploads", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("filename", ["../../etc/passwd", "-rf", "$(id)|x", "CON", "日本語.mp3", '"; x="', "a" * 255])
def test_a_strange_name_is_only_shown(client: Client, storage: S3Storage, filename: str) -> None:
    upload = client.upload(songs.wav(0.1), filename=filename)

    assert (upload["status"], upload["filename"]) == ("ready", filename)
    assert [found.key for found in storage.list_objects("sources/")] == [f"sources/{upload['id']}/original"]


def test_a_file_over_the_limit_is_refused_at_once(client: Client, settings: Settings, events: Events) -> None:
    answer = client.request("POST", "/v1/uploads", json={"filename": "x", "size_bytes": settings.max_size_bytes + 1})

    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")
    assert answer.json()["limit_bytes"] == settings.max_size_bytes
    assert events.all() == []


def test_the_largest_file_has_a_bounded_number_of_parts(client: Client, settings: Settings) -> None:
    created = client.create(settings.max_size_bytes)

    assert len(created["parts"]) <= 256
    assert created["part_size_bytes"] >= 5 * MEBIBYTE


def test_pending_uploads_of_one_account_are_limited(settings: Settings, database: Database, storage: S3Storage) -> None:
    settings = settings.model_copy(update={"max_pending_per_account": 2})
    with serving(settings, database, storage) as client:
        for _ in range(2):
            client.create(10)
        answer = client.request("POST", "/v1/uploads", json={"filename": "x", "size_bytes": 1})

        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_pending_uploads")
        assert int(answer.headers["Retry-After"]) >= 1
        client.of(numbered("usr", 2)).create(10)


def quota(answer: httpx2.Response) -> tuple[int, str, int, int]:
    body = answer.json()
    return answer.status_code, body["code"], body["stored_bytes"], body["uploads"]


def test_what_an_account_keeps_is_limited(settings: Settings, database: Database, storage: S3Storage) -> None:
    song = songs.wav(0.1)
    limits = {"max_stored_bytes_per_account": len(song) + 100, "max_uploads_per_account": 3}
    with serving(settings.model_copy(update=limits), database, storage) as client:

        def create(size: int) -> httpx2.Response:
            return client.request("POST", "/v1/uploads", json={"filename": "x", "size_bytes": size})

        ready = client.upload(song)
        pending = client.create(60)
        assert quota(create(41)) == (409, "storage_quota_exceeded", len(song) + 60, 2)
        client.create(40)
        assert quota(create(1)) == (409, "storage_quota_exceeded", len(song) + 100, 3)
        client.of(numbered("usr", 2)).create(100)

        client.request("DELETE", f"/v1/uploads/{pending['id']}")
        assert quota(create(61)) == (409, "storage_quota_exceeded", len(song) + 40, 2)
        client.request("DELETE", f"/v1/uploads/{ready['id']}")
        assert create(len(song) + 60).status_code == 201


def test_a_rejected_file_takes_no_bytes_of_the_account(
    settings: Settings, database: Database, storage: S3Storage
) -> None:
    settings = settings.model_copy(update={"max_stored_bytes_per_account": len(songs.TEXT)})
    with serving(settings, database, storage) as client:
        assert client.upload(songs.TEXT)["status"] == "rejected"
        client.create(len(songs.TEXT))


def test_a_key_whose_upload_was_deleted_is_answered_gone(client: Client, database: Database) -> None:
    created = client.create(10, filename="private.wav", key="k")
    assert client.create(10, filename="private.wav", key="k")["id"] == created["id"]
    client.request("DELETE", f"/v1/uploads/{created['id']}")

    again = client.request(
        "POST", "/v1/uploads", json={"filename": "private.wav", "size_bytes": 10}, headers={"Idempotency-Key": "k"}
    )

    assert (again.status_code, again.json()["code"]) == (410, "upload_deleted")
    assert again.headers["content-type"] == "application/problem+json"
    with database.read() as session:
        (row,) = session.execute(select(IDEMPOTENCY)).all()
    assert "private" not in str(row), "what the person called it goes with the upload"


@pytest.mark.parametrize("upload_id", ["upl_none", "x" * 41, "..", "%00", "upl_%2e%2e"])
def test_unknown_ids_are_not_found(client: Client, upload_id: str) -> None:
    for method in ("GET", "DELETE"):
        assert client.request(method, f"/v1/uploads/{upload_id}").status_code in (404, 405, 422)


def test_nothing_stays_on_the_disk(client: Client, settings: Settings) -> None:
    client.upload(songs.wav())
    client.upload(songs.TEXT)

    assert settings.scratch_directory is not None
    directories = list(Path(settings.scratch_directory).glob("process-*/*"))
    assert [path.name for path in directories] == ["in-use"]


def test_ready_means_that_database_and_store_answer(client: Client) -> None:
    assert client.http.get("/readyz").status_code == 200
