"""The uploads API over real parts."""

import os
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select

from services.kit.database import Database
from services.kit.s3 import S3Storage
from services.kit.tables import IDEMPOTENCY
from services.upload.settings import Settings
from tests.databases import on_sqlite
from tests.ids import numbered
from tests.services.upload import songs
from tests.services.upload.conftest import Client, Events, serving

pytestmark = [pytest.mark.s3, on_sqlite]

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
        httpx2.put(created["parts"][0]["url"], content=os.urandom(100), timeout=180).raise_for_status()

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


def test_songs_that_are_ready_have_a_limit_of_their_own(
    settings: Settings, database: Database, storage: S3Storage
) -> None:
    with serving(settings.model_copy(update={"max_ready_uploads_per_account": 2}), database, storage) as client:

        def refused() -> tuple[int, str, int, int]:
            answer = client.request("POST", "/v1/uploads", json={"filename": "x", "size_bytes": 1})
            body = answer.json()
            return answer.status_code, body["code"], body["ready_uploads"], body["limit_ready_uploads"]

        assert client.upload(songs.TEXT)["status"] == "rejected"
        ready = client.upload(songs.wav(0.1))
        assert ready["status"] == "ready"
        client.create(10)
        assert refused() == (409, "storage_quota_exceeded", 2, 2)
        client.of(numbered("usr", 2)).create(10)

        client.request("DELETE", f"/v1/uploads/{ready['id']}")
        client.create(10)


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


def test_nothing_stays_on_the_disk(client: Client, settings: Settings) -> None:
    client.upload(songs.wav())
    client.upload(songs.TEXT)

    assert settings.scratch_directory is not None
    directories = list(Path(settings.scratch_directory).glob("process-*/*"))
    assert [path.name for path in directories] == ["in-use"]


def test_ready_means_that_database_and_store_answer(client: Client) -> None:
    assert client.http.get("/readyz").status_code == 200


def test_a_service_that_stops_waits_for_nothing_and_leaves_nothing(
    settings: Settings, database: Database, storage: S3Storage, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(settings.model_copy(update={"validator_poll_seconds": 600}), database, storage):
        pass

    assert "did not stop in time" not in caplog.text

    assert settings.scratch_directory is not None
    assert list(Path(settings.scratch_directory).iterdir()) == []
