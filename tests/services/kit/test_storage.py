"""The contract of `ObjectStorage`, against the real store."""

import hashlib
import os
import socket
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.kit.s3 import S3Storage
from services.kit.storage import (
    BucketMissing,
    MultipartNotFound,
    ObjectNotFound,
    ObjectStorage,
    Part,
    StorageRefused,
    StorageUnavailable,
    attachment,
)
from tests.object_store import SECRET_ACCESS_KEY, ObjectStore, running_object_store

pytestmark = pytest.mark.s3

MEBIBYTE = 1024 * 1024
OCTETS = "application/octet-stream"


def put(url: str, data: bytes) -> str:
    """PUTs like a client without credentials; returns the ETag."""
    request = urllib.request.Request(url, data=data, method="PUT")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(answer.headers["ETag"])


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        data: bytes = answer.read()
        return data


def with_query(url: str, old: str, new: str) -> str:
    assert old in url
    return url.replace(old, new)


def test_bytes_come_back_as_they_were_put(storage: ObjectStorage) -> None:
    storage.put_bytes("a/b.json", b'{"x": 1}', "application/json")

    assert storage.read_bytes("a/b.json", 100) == b'{"x": 1}'


def test_an_object_is_replaced_whole(storage: ObjectStorage) -> None:
    storage.put_bytes("a", b"long content", OCTETS)
    storage.put_bytes("a", b"new", OCTETS)

    assert storage.read_bytes("a", 100) == b"new"


def test_reading_a_small_object_is_bounded(storage: ObjectStorage) -> None:
    storage.put_bytes("a", b"12345", OCTETS)

    assert storage.read_bytes("a", 5) == b"12345"
    with pytest.raises(ValueError, match="larger"):
        storage.read_bytes("a", 4)


def test_an_empty_object_is_an_object(storage: ObjectStorage) -> None:
    storage.put_bytes("empty", b"", OCTETS)

    found = storage.head("empty")
    assert found is not None
    assert found.size_bytes == 0
    assert list(storage.stream("empty")) == []


@pytest.mark.parametrize("size", [0, 1, 8 * MEBIBYTE, 8 * MEBIBYTE + 1, 17 * MEBIBYTE])
def test_a_file_survives_the_round_trip(storage: ObjectStorage, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "in").write_bytes(data)

    storage.put_file("file", tmp_path / "in", "audio/flac")

    assert storage.download("file", tmp_path / "out") == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "out").read_bytes() == data


def test_streaming_comes_in_bounded_chunks(storage: ObjectStorage) -> None:
    data = os.urandom(3 * MEBIBYTE + 5)
    storage.put_bytes("a", data, OCTETS)

    chunks = list(storage.stream("a"))

    assert b"".join(chunks) == data
    assert max(map(len, chunks)) <= MEBIBYTE


def test_an_object_that_is_opened_tells_its_length_first(storage: ObjectStorage) -> None:
    data = os.urandom(3 * MEBIBYTE + 5)
    storage.put_bytes("a", data, OCTETS)

    opened = storage.open("a")
    assert opened.size_bytes == len(data)
    chunks = list(opened.chunks)

    assert b"".join(chunks) == data
    assert max(map(len, chunks)) <= MEBIBYTE
    storage.open("a").chunks.close()  # nobody wanted it after all


def test_a_part_of_an_object_is_streamed(storage: ObjectStorage) -> None:
    storage.put_bytes("a", b"0123456789", "text/plain")
    assert b"".join(storage.stream("a", 7)) == b"789"
    assert b"".join(storage.stream("a", 0, 4)) == b"0123"
    assert b"".join(storage.stream("a", 4, 5)) == b"4"


def test_a_stream_that_is_not_read_to_its_end_does_no_harm(storage: ObjectStorage) -> None:
    storage.put_bytes("a", os.urandom(3 * MEBIBYTE), OCTETS)

    for _ in range(30):
        assert next(iter(storage.stream("a")))


def test_what_is_missing_says_so(storage: ObjectStorage, tmp_path: Path) -> None:
    assert storage.head("nothing") is None
    with pytest.raises(ObjectNotFound):
        storage.read_bytes("nothing", 10)
    with pytest.raises(ObjectNotFound):
        storage.open("nothing")
    with pytest.raises(ObjectNotFound):
        next(iter(storage.stream("nothing")))
    with pytest.raises(ObjectNotFound):
        storage.download("nothing", tmp_path / "out")
    with pytest.raises(ObjectNotFound):
        storage.copy("nothing", "anywhere")


def test_head_tells_size_and_etag(storage: ObjectStorage) -> None:
    storage.put_bytes("a", b"12345", OCTETS)

    found = storage.head("a")

    assert found is not None
    assert (found.key, found.size_bytes) == ("a", 5)
    assert found.etag
    assert '"' not in found.etag


def test_a_copy_is_independent_of_its_source(storage: ObjectStorage) -> None:
    storage.put_bytes("source", b"data", OCTETS)

    storage.copy("source", "far/away/target")
    storage.delete("source")

    assert storage.read_bytes("far/away/target", 10) == b"data"


def test_deleting_twice_is_no_error(storage: ObjectStorage) -> None:
    storage.put_bytes("a", b"1", OCTETS)

    storage.delete("a")
    storage.delete("a")

    assert storage.head("a") is None


def test_deleting_a_prefix_leaves_the_neighbours(storage: ObjectStorage) -> None:
    for key in ("stems/job_1/1/vocals.flac", "stems/job_1/2/vocals.flac", "stems/job_10/1/vocals.flac"):
        storage.put_bytes(key, b"1", OCTETS)

    assert storage.delete_prefix("stems/job_1/") == 2

    assert [found.key for found in storage.list_objects("stems/")] == ["stems/job_10/1/vocals.flac"]
    assert storage.delete_prefix("stems/job_1/") == 0
    with pytest.raises(ValueError, match="slash"):
        storage.delete_prefix("stems/job_1")


def test_listing_is_in_key_order_and_complete(storage: ObjectStorage) -> None:
    keys = sorted(f"many/{number:04}" for number in range(1050))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: storage.put_bytes(key, b"1", OCTETS), keys))

    assert [found.key for found in storage.list_objects("many/")] == keys
    assert list(storage.list_objects("none/")) == []


def test_keys_with_odd_characters_stay_what_they_are(storage: ObjectStorage) -> None:
    key = "odd/a b+c%20é&=?#.flac"
    storage.put_bytes(key, b"odd", OCTETS)

    assert [found.key for found in storage.list_objects("odd/")] == [key]
    assert get(storage.presign_get(key, 60)) == b"odd"
    storage.copy(key, "odd/copy")
    assert storage.read_bytes("odd/copy", 10) == b"odd"


def test_a_presigned_url_reads_one_object(storage: ObjectStorage) -> None:
    storage.put_bytes("mine", b"mine", OCTETS)
    storage.put_bytes("other", b"other", OCTETS)
    url = storage.presign_get("mine", 60, download_name='my "söng".flac')

    assert get(url) == b"mine"
    for forged in (with_query(url, "/mine", "/other"), url.split("?")[0]):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(forged)
        assert refused.value.code in (400, 401, 403)
        refused.value.close()


def test_a_presigned_url_names_the_public_endpoint(object_store: ObjectStore) -> None:
    storage = S3Storage(
        endpoint_url=object_store.endpoint_url,
        public_endpoint_url="https://files.example.org",
        region="us-east-1",
        bucket="stemwright",
        access_key_id="test-access",
        secret_access_key=SECRET_ACCESS_KEY,
    )

    assert storage.presign_get("a", 60).startswith("https://files.example.org/stemwright/a?")
    assert storage.presign_part("a", "id", 1, 1, 60).startswith("https://files.example.org/stemwright/a?")


def test_parts_join_in_the_order_of_their_numbers(storage: ObjectStorage) -> None:
    multipart = storage.create_multipart("joined", OCTETS)
    first, second, third = os.urandom(5 * MEBIBYTE), os.urandom(5 * MEBIBYTE), b"end"
    etags = {
        3: put(storage.presign_part("joined", multipart, 3, len(third), 60), third),
        1: storage.upload_part("joined", multipart, 1, first),
        2: put(storage.presign_part("joined", multipart, 2, len(second), 60), second),
    }

    listed = storage.list_parts("joined", multipart)

    assert [(part.number, part.size_bytes) for part in listed] == [(1, 5 * MEBIBYTE), (2, 5 * MEBIBYTE), (3, 3)]
    assert {part.number: part.etag for part in listed} == {number: etag.strip('"') for number, etag in etags.items()}
    assert storage.head("joined") is None, "nothing is to be seen before the parts are joined"
    storage.complete_multipart("joined", multipart, listed)
    assert b"".join(storage.stream("joined")) == first + second + third


def test_sending_a_part_again_with_the_same_bytes_is_no_error(storage: ObjectStorage) -> None:
    multipart = storage.create_multipart("again", OCTETS)

    etags = {storage.upload_part("again", multipart, 1, b"same") for _ in range(3)}

    assert len(etags) == 1
    assert [part.number for part in storage.list_parts("again", multipart)] == [1]
    storage.abort_multipart("again", multipart)


def break_off(url: str, data: bytes) -> bytes:
    """Begins to PUT and goes away in the middle, as a process that is killed does; returns how the answer begins."""
    parts = urlsplit(url)
    head = f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=60) as connection:
        connection.sendall(head.encode() + data[: len(data) // 2])
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(1000)


def test_an_object_that_breaks_off_is_not_there(storage: S3Storage) -> None:
    url = storage._s3.generate_presigned_url("put_object", Params={"Bucket": storage.bucket, "Key": "broken/object"})

    answer = break_off(url, os.urandom(1000))

    assert not answer.startswith(b"HTTP/1.1 2")
    assert storage.head("broken/object") is None
    assert list(storage.list_objects("broken/")) == []


def test_a_part_that_breaks_off_is_not_there(storage: ObjectStorage) -> None:
    multipart, whole = storage.create_multipart("broken", OCTETS), os.urandom(1000)
    break_off(storage.presign_part("broken", multipart, 1, len(whole), 60), whole)

    assert storage.list_parts("broken", multipart) == []
    # With the same bytes: the local store does not take others for a part that it has begun to write.
    storage.upload_part("broken", multipart, 1, whole)
    assert [part.size_bytes for part in storage.list_parts("broken", multipart)] == [1000]
    storage.abort_multipart("broken", multipart)


def test_a_finished_multipart_upload_is_over(storage: ObjectStorage) -> None:
    multipart = storage.create_multipart("done", OCTETS)
    url = storage.presign_part("done", multipart, 1, 5, 60)
    put(url, b"first")
    storage.complete_multipart("done", multipart, storage.list_parts("done", multipart))

    with pytest.raises(MultipartNotFound):
        storage.list_parts("done", multipart)
    with pytest.raises(MultipartNotFound):
        storage.upload_part("done", multipart, 1, b"late")
    with pytest.raises(urllib.error.URLError) as refused:
        put(url, b"again")
    if isinstance(refused.value, urllib.error.HTTPError):
        refused.value.close()
    storage.abort_multipart("done", multipart)
    assert storage.read_bytes("done", 10) == b"first"


def test_an_aborted_multipart_upload_leaves_nothing(storage: ObjectStorage) -> None:
    multipart = storage.create_multipart("aborted", OCTETS)
    storage.upload_part("aborted", multipart, 1, b"1")

    storage.abort_multipart("aborted", multipart)
    storage.abort_multipart("aborted", multipart)

    with pytest.raises(MultipartNotFound):
        storage.list_parts("aborted", multipart)
    with pytest.raises(MultipartNotFound):
        storage.complete_multipart("aborted", multipart, [Part(1, "x")])
    assert storage.head("aborted") is None


def test_joining_parts_that_are_not_there_is_refused(storage: ObjectStorage) -> None:
    multipart = storage.create_multipart("refused", OCTETS)
    storage.upload_part("refused", multipart, 1, b"1")

    with pytest.raises(StorageRefused):
        storage.complete_multipart("refused", multipart, [Part(1, "0" * 32)])

    assert storage.head("refused") is None


def test_a_presigned_part_is_for_one_number_of_one_upload(storage: ObjectStorage) -> None:
    multipart = storage.create_multipart("part", OCTETS)
    url = storage.presign_part("part", multipart, 1, 1, 60)

    for forged in (with_query(url, "partNumber=1", "partNumber=2"), with_query(url, "/part?", "/other?")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            put(forged, b"x")
        assert refused.value.code == 403
        refused.value.close()
    assert storage.list_parts("part", multipart) == []
    storage.abort_multipart("part", multipart)


def test_wrong_credentials_are_refused(object_store: ObjectStore, storage: S3Storage) -> None:
    stranger = S3Storage(
        endpoint_url=object_store.endpoint_url,
        region="us-east-1",
        bucket=storage.bucket,
        access_key_id="test-access",
        secret_access_key="wrong",
    )

    with pytest.raises(StorageRefused):
        stranger.put_bytes("a", b"1", OCTETS)


def test_making_a_bucket_twice_at_once_is_no_error(object_store: ObjectStore, storage: S3Storage) -> None:
    storage.ensure_bucket()
    racing = S3Storage(
        endpoint_url=object_store.endpoint_url,
        region="us-east-1",
        bucket="race-" + os.urandom(8).hex(),
        access_key_id="test-access",
        secret_access_key=SECRET_ACCESS_KEY,
    )
    gate = threading.Barrier(8)

    def make() -> None:
        gate.wait()
        racing.ensure_bucket()

    with ThreadPoolExecutor(8) as pool:
        for made in [pool.submit(make) for _ in range(8)]:
            made.result()
    racing.ping()


def test_one_adapter_serves_many_threads(storage: ObjectStorage) -> None:
    def round_trip(number: int) -> bool:
        data = os.urandom(100_000)
        storage.put_bytes(f"thread/{number}", data, OCTETS)
        return storage.read_bytes(f"thread/{number}", 100_000) == data

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(round_trip, range(64)))


def test_a_store_that_is_away_is_unavailable_and_then_back(tmp_path: Path) -> None:
    with running_object_store(tmp_path / "store") as store:
        storage = store.new_bucket()
        storage.put_bytes("kept", b"kept", OCTETS)
        store.kill()
        with pytest.raises(StorageUnavailable):
            storage.ping()
        with pytest.raises(StorageUnavailable):
            storage.read_bytes("kept", 10)
        store.start()

        assert storage.read_bytes("kept", 10) == b"kept"


def test_a_missing_bucket_is_not_ready(object_store: ObjectStore) -> None:
    storage = S3Storage(
        endpoint_url=object_store.endpoint_url,
        region="us-east-1",
        bucket="never-made",
        access_key_id="test-access",
        secret_access_key=SECRET_ACCESS_KEY,
    )

    with pytest.raises(BucketMissing, match="never-made"):
        storage.ping()


@pytest.mark.parametrize("name", ['a"b.flac', "a\r\nX: y", "../../etc/passwd", "söng.flac", "日本", "", "a" * 300])
def test_a_download_name_cannot_break_out_of_its_header(name: str) -> None:
    value = attachment(name)

    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2
    assert "/" not in value


@pytest.mark.parametrize("size", [0, 9, 11, 5 * MEBIBYTE])
def test_a_presigned_part_takes_what_it_was_signed_for_and_nothing_else(storage: ObjectStorage, size: int) -> None:
    multipart = storage.create_multipart("sized", OCTETS)
    url = storage.presign_part("sized", multipart, 1, 10, 60)

    with pytest.raises(urllib.error.URLError) as refused:
        put(url, bytes(size))
    # A store may close the connection before it has read what it does not want.
    if isinstance(refused.value, urllib.error.HTTPError):
        assert refused.value.code in (400, 403, 411)
        refused.value.close()
    assert storage.list_parts("sized", multipart) == []
    put(url, b"0123456789")
    assert [part.size_bytes for part in storage.list_parts("sized", multipart)] == [10]
    storage.abort_multipart("sized", multipart)


def test_unfinished_multipart_uploads_are_listed(storage: ObjectStorage) -> None:
    mine, other, over = (storage.create_multipart(key, OCTETS) for key in ("open/a", "else/b", "open/c"))
    storage.abort_multipart("open/c", over)
    storage.upload_part("open/a", mine, 1, b"1")

    found = list(storage.open_multiparts("open/"))

    assert [(item.key, item.multipart_id) for item in found] == [("open/a", mine)]
    assert abs((datetime.now(UTC) - found[0].begun_at).total_seconds()) < 600
    for key, multipart in (("open/a", mine), ("else/b", other)):
        storage.abort_multipart(key, multipart)
    assert list(storage.open_multiparts("")) == []


@pytest.mark.parametrize("name", [None, "page.html"])
def test_a_browser_never_shows_an_object_as_a_page(storage: ObjectStorage, name: str | None) -> None:
    storage.put_bytes("page", b"<script>", "text/html")

    with urllib.request.urlopen(storage.presign_get("page", 60, download_name=name), timeout=60) as answer:
        assert answer.headers["Content-Disposition"].startswith("attachment")
