"""The way of one song through the API, on both databases."""

import httpx2
import pytest

from services.kit.idempotency import WAITING_MAX
from services.kit.s3 import S3Storage
from tests.ids import numbered
from tests.services.upload import songs
from tests.services.upload.conftest import Client, Events, at_once, sha256, until

pytestmark = pytest.mark.s3

MEBIBYTE = 1024 * 1024


def test_a_song_in_parts_becomes_ready(client: Client, storage: S3Storage, events: Events) -> None:
    song = songs.wav(60, rate=48_000)
    assert len(song) > 8 * MEBIBYTE
    created = client.create(len(song), filename="Ærlig – sång.wav", content_type="audio/wav", sha256=sha256(song))

    assert created["status"] == "pending"
    assert [part["number"] for part in created["parts"]] == [1, 2]
    assert created["uploaded_parts"] == []
    answer = client.complete(created["id"], client.send_parts(created, song))

    assert answer.status_code == 200
    ready = answer.json()
    assert ready["status"] == "ready", "the request waits for the verdict"
    assert ready["sha256"] == sha256(song)
    assert ready["filename"] == "Ærlig – sång.wav"
    assert ready["audio"] == {
        "duration_seconds": 60.0,
        "sample_rate_hz": 48_000,
        "channels": 2,
        "codec": "pcm_s16le",
        "container": "wav",
        "complete": True,
    }
    assert ready["parts"] == ready["uploaded_parts"] == []
    assert ready["reason"] is None
    key = f"sources/{created['id']}/original"
    assert b"".join(storage.stream(key)) == song
    until(lambda: storage.head(f"incoming/{created['id']}") is None, "the client's object is gone")

    assert events.types(created["id"]) == ["UploadCreated", "UploadReady"]
    data = events.all(created["id"])[1].data
    assert (data.object_key, data.sha256, data.size_bytes) == (key, sha256(song), len(song))
    assert (data.account_id, data.filename) == (numbered("usr", 1), "Ærlig – sång.wav")
    assert (data.audio.samples, data.audio.sample_rate_hz, data.audio.channels) == (2_880_000, 48_000, 2)


def test_completing_at_once_decides_once(client: Client, events: Events) -> None:
    song = songs.wav()
    created = client.create(len(song))
    named = client.send_parts(created, song)

    answers = at_once(8, lambda _: client.complete(created["id"], named))

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["status"] for answer in answers} == {"ready"}
    assert events.types(created["id"]) == ["UploadCreated", "UploadReady"]


def test_the_same_idempotency_key_makes_one_upload(client: Client, events: Events) -> None:
    answers = at_once(1 + WAITING_MAX, lambda _: client.create(100, key="once"))

    assert len({answer["id"] for answer in answers}) == 1
    assert len(events.all()) == 1
    other = client.request(
        "POST", "/v1/uploads", json={"filename": "x", "size_bytes": 1}, headers={"Idempotency-Key": "once"}
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert client.of(numbered("usr", 2)).create(100, key="once")["id"] != answers[0]["id"]


def test_deleting_removes_everything_in_every_state(client: Client, storage: S3Storage, events: Events) -> None:
    song = songs.wav()
    pending = client.create(len(song))
    client.send_parts(pending, song)
    ready = client.upload(song)
    rejected = client.upload(songs.TEXT)

    for upload in (pending, ready, rejected):
        assert client.request("DELETE", f"/v1/uploads/{upload['id']}").status_code == 204
        assert client.request("GET", f"/v1/uploads/{upload['id']}").status_code == 404
        assert client.complete(upload["id"]).status_code == 404
        assert client.request("DELETE", f"/v1/uploads/{upload['id']}").status_code == 404
        assert events.types(upload["id"])[-1] == "UploadDeleted"
    until(lambda: not list(storage.list_objects("")), "everything to be removed")
    with pytest.raises(httpx2.HTTPError):
        httpx2.put(pending["parts"][0]["url"], content=song, timeout=180).raise_for_status()
    assert client.request("GET", "/v1/uploads").json() == {"items": [], "next_cursor": None}


def test_the_list_is_paged_newest_first(client: Client) -> None:
    made = [client.create(10)["id"] for _ in range(5)]
    client.of(numbered("usr", 2)).create(10)

    first = client.request("GET", "/v1/uploads?limit=3").json()
    second = client.request("GET", f"/v1/uploads?limit=3&cursor={first['next_cursor']}").json()

    assert [item["id"] for item in first["items"] + second["items"]] == sorted(made, reverse=True)
    assert second["next_cursor"] is None
    assert first["items"][0]["parts"] == []
    for query in ("limit=0", "limit=101", "limit=x", "cursor=%00", "cursor=ä"):
        assert client.request("GET", f"/v1/uploads?{query}").status_code == 422
