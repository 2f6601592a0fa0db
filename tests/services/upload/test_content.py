"""`PUT /v1/uploads/{id}/content`: a whole file as one body."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from services.kit.database import Database
from services.kit.s3 import S3Storage
from services.upload.settings import Settings
from tests.databases import on_sqlite
from tests.ids import numbered
from tests.services.upload import songs
from tests.services.upload.conftest import Client, Events, at_once, serving, sha256, until

pytestmark = [pytest.mark.s3, on_sqlite]

MEBIBYTE = 1024 * 1024


def signed(client: Client) -> str:
    """The header line by which a request is this account's."""
    return f"Authorization: {client.headers['Authorization']}"


def chunked(data: bytes, size: int = 65_536) -> Iterator[bytes]:
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


def test_a_song_in_one_request(client: Client, storage: S3Storage, events: Events) -> None:
    song = songs.wav(120)
    assert len(song) > 2 * 8 * MEBIBYTE
    created = client.create(len(song), sha256=sha256(song))

    answer = client.put_content(created["id"], song)

    assert (answer.status_code, answer.json()["status"]) == (200, "ready"), answer.text
    assert b"".join(storage.stream(f"sources/{created['id']}/original")) == song
    assert events.types(created["id"]) == ["UploadCreated", "UploadReady"]


def test_a_song_without_an_announced_length(client: Client) -> None:
    song = songs.wav(2)
    created = client.create(len(song))

    answer = client.put_content(created["id"], chunked(song, 1000))

    assert (answer.status_code, answer.json()["status"]) == (200, "ready")


def test_no_song_gets_its_verdict(client: Client) -> None:
    created = client.create(len(songs.TEXT))
    answer = client.put_content(created["id"], songs.TEXT)

    assert (answer.status_code, answer.json()["status"]) == (200, "rejected")
    assert answer.json()["code"] == "audio_unsupported_format"


@pytest.mark.parametrize("difference", [-1, 1, 10 * MEBIBYTE])
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_another_length_is_refused_and_can_be_sent_again(
    client: Client, storage: S3Storage, difference: int, announced: bool
) -> None:
    song = songs.wav(2)
    created = client.create(len(song))
    body = song[:difference] if difference < 0 else song + bytes(difference)
    try:
        answer = client.put_content(created["id"], body if announced else chunked(body))
    except httpx2.TransportError:
        # The service may close the connection before a body that it does not want has been sent.
        assert difference > MEBIBYTE
    else:
        assert (answer.status_code, answer.json()["code"]) == (422, "content_length_mismatch")

    assert client.get(created["id"])["status"] == "pending"
    assert client.put_content(created["id"], song).json()["status"] == "ready"


def test_a_body_over_the_limit_is_refused_before_it_is_read(client: Client, settings: Settings) -> None:
    created = client.create(10)
    answer = client.put_content(created["id"], iter(()))
    assert answer.status_code == 422
    address = client.http.base_url
    with socket.create_connection((address.host, address.port or 80)) as connection:
        connection.sendall(
            f"PUT /v1/uploads/{created['id']}/content HTTP/1.1\r\nHost: x\r\n{signed(client)}\r\n"
            f"Content-Length: {settings.max_size_bytes + 1}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_connection_that_breaks_leaves_a_pending_upload(client: Client, database: Database) -> None:
    song = songs.wav(60)
    created = client.create(len(song))
    address = client.http.base_url
    with socket.create_connection((address.host, address.port or 80)) as connection:
        connection.sendall(
            f"PUT /v1/uploads/{created['id']}/content HTTP/1.1\r\nHost: x\r\n{signed(client)}\r\n"
            f"Content-Length: {len(song)}\r\n\r\n".encode()
        )
        connection.sendall(song[: 9 * MEBIBYTE])

    def free() -> bool:
        # The parts that had come are thrown away with the connection.
        return not client.get(created["id"])["uploaded_parts"]

    until(free, "the broken transfer is cleared away")
    assert client.put_content(created["id"], song).json()["status"] == "ready"


def test_a_body_that_stalls_is_given_up(settings: Settings, database: Database, storage: S3Storage) -> None:
    settings = settings.model_copy(update={"transfer_idle_seconds": 0.2})
    with serving(settings, database, storage) as client:
        created = client.create(1000)
        address = client.http.base_url
        with socket.create_connection((address.host, address.port or 80)) as connection:
            connection.sendall(
                f"PUT /v1/uploads/{created['id']}/content HTTP/1.1\r\nHost: x\r\n{signed(client)}\r\n"
                f"Content-Length: 1000\r\n\r\nhalf".encode()
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_transfers_at_the_same_time_are_limited(settings: Settings, database: Database, storage: S3Storage) -> None:
    settings = settings.model_copy(update={"max_transfers_per_account": 1})
    song = songs.wav(2)
    with serving(settings, database, storage) as client:
        first, second = client.create(len(song)), client.create(len(song))
        address = client.http.base_url
        with socket.create_connection((address.host, address.port or 80), timeout=60) as connection:
            connection.sendall(
                f"PUT /v1/uploads/{first['id']}/content HTTP/1.1\r\nHost: x\r\n{signed(client)}\r\n"
                f"Content-Length: {len(song)}\r\nExpect: 100-continue\r\n\r\n".encode()
            )
            # Said when the body is wanted: from here on the first transfer has its place.
            assert connection.recv(100).startswith(b"HTTP/1.1 100")

            refused = client.put_content(second["id"], song)
            assert (refused.status_code, refused.json()["code"]) == (503, "too_many_transfers")
            other = client.of(numbered("usr", 2))
            assert other.put_content(other.create(len(song))["id"], song).json()["status"] == "ready"

            connection.sendall(song)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert client.put_content(second["id"], song).json()["status"] == "ready"


def test_a_body_that_trickles_is_given_up(settings: Settings, database: Database, storage: S3Storage) -> None:
    settings = settings.model_copy(update={"transfer_idle_seconds": 0.5, "transfer_bytes_per_second": 1000})
    with serving(settings, database, storage) as client:
        created = client.create(100_000)
        address = client.http.base_url
        with socket.create_connection((address.host, address.port or 80)) as connection:
            connection.sendall(
                f"PUT /v1/uploads/{created['id']}/content HTTP/1.1\r\nHost: x\r\n{signed(client)}\r\n"
                f"Content-Length: 100000\r\n\r\n".encode()
            )
            connection.settimeout(0.1)

            def answered() -> bytes:
                connection.sendall(b"x")
                try:
                    return connection.recv(100)
                except TimeoutError:
                    return b""

            assert until(answered, "the trickle is refused").startswith(b"HTTP/1.1 408")


def test_of_several_transfers_at_once_one_wins(settings: Settings, database: Database, storage: S3Storage) -> None:
    settings = settings.model_copy(update={"max_transfers_per_account": 8})
    song = songs.wav(2)
    with serving(settings, database, storage) as client:
        created = client.create(len(song))

        answers = at_once(4, lambda _: client.put_content(created["id"], song))

        assert {answer.status_code for answer in answers} <= {200, 409}
        if all(answer.status_code == 409 for answer in answers):
            # Each was replaced by a later one before it ended; the client sends it once more.
            assert client.put_content(created["id"], song).status_code == 200
        assert client.decided(created["id"])["status"] == "ready"
        assert b"".join(storage.stream(f"sources/{created['id']}/original")) == song


def test_sending_to_a_decided_upload_is_a_conflict(client: Client) -> None:
    song = songs.wav()
    upload = client.upload(song)

    answer = client.put_content(upload["id"], song)

    assert (answer.status_code, answer.json()["code"]) == (409, "upload_not_pending")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(client: Client) -> None:
    """The song is made on the fly, so that what grows is the service in this process."""
    head, second = songs.wav(1)[:44], songs.wav(1)[44:]

    def song(seconds: int) -> Iterator[bytes]:
        yield head
        for _ in range(seconds):
            yield second

    def send(seconds: int) -> int:
        created = client.create(44 + seconds * len(second))
        peak = 0
        body = song(seconds)

        def watched() -> Iterator[bytes]:
            nonlocal peak
            for chunk in body:
                peak = max(peak, _resident_bytes())
                yield chunk

        assert client.put_content(created["id"], watched()).json()["status"] in ("ready", "validating")
        return peak

    before = send(20)

    assert send(600) - before < 40 * MEBIBYTE, "106 MB went through"


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
