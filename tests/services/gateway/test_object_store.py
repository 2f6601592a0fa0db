"""Presigned URLs that lead through the gateway, with the real store behind it: ranges, parts, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest
from pydantic import HttpUrl

from services.kit.s3 import S3Storage
from tests.object_store import ACCESS_KEY_ID, SECRET_ACCESS_KEY, ObjectStore
from tests.services.gateway.standin import Platform, bearer, platform, problem

SONG = bytes(range(256)) * 4
KEY = "stems/job_1/1/vocals.flac"


@dataclass
class Behind:
    """A gateway, and the storage as services know it: what it signs names the gateway."""

    gateway: Platform
    storage: S3Storage
    url: str

    def get(self, **headers: str) -> httpx2.Response:
        return self.gateway.client.get(
            self.url, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )


@pytest.fixture(scope="module")
def behind(object_store: ObjectStore) -> Iterator[Behind]:
    bucket = object_store.new_bucket().bucket
    with platform(object_store_url=HttpUrl(object_store.endpoint_url), object_store_bucket=bucket) as gateway:
        storage = S3Storage(
            endpoint_url=object_store.endpoint_url,
            public_endpoint_url=gateway.url,
            region="us-east-1",
            bucket=bucket,
            access_key_id=ACCESS_KEY_ID,
            secret_access_key=SECRET_ACCESS_KEY,
        )
        storage.put_bytes(KEY, SONG, "audio/flac")
        yield Behind(gateway, storage, storage.presign_get(KEY, 600, "Song (vocals).flac"))


def test_a_stem_comes_whole_under_its_name(behind: Behind) -> None:
    assert behind.url.startswith(behind.gateway.url)
    whole = behind.get()
    assert (whole.status_code, whole.content) == (200, SONG)
    assert "Song (vocals).flac" in whole.headers["content-disposition"]
    assert whole.headers["accept-ranges"] == "bytes"
    assert "server" not in whole.headers


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("0-0", 0, 0),
        ("5-9", 5, 9),
        ("1000-", 1000, 1023),
        ("0-", 0, 1023),
        ("-5", 1019, 1023),
        ("-1024", 0, 1023),
        ("-99999999", 0, 1023),
        ("-0001025", 0, 1023),
        ("0-99999999999999999", 0, 1023),
        ("1000-9999", 1000, 1023),
    ],
)
def test_a_range_is_206_with_those_bytes(behind: Behind, wanted: str, first: int, last: int) -> None:
    part = behind.get(Range=f"bytes={wanted}")
    assert part.status_code == 206
    assert part.content == SONG[first : last + 1]
    assert part.headers["content-range"] == f"bytes {first}-{last}/1024"
    assert part.headers["content-length"] == str(last + 1 - first)


@pytest.mark.parametrize(
    "ignored", ["bytes=0-1,5-6", "bytes=9-5", "bytes=", "bytes=a-b", "items=0-1", "bytes=-", f"bytes=1-{'9' * 5000}"]
)
def test_what_is_not_one_range_is_ignored(behind: Behind, ignored: str) -> None:
    whole = behind.get(Range=ignored)
    assert (whole.status_code, whole.content) == (200, SONG)


@pytest.mark.parametrize("beyond", ["bytes=1024-", "bytes=5000-6000", "bytes=-0", "bytes=99999999999999999-"])
def test_a_range_beyond_the_end_is_416_and_tells_the_length(behind: Behind, beyond: str) -> None:
    refused = behind.get(Range=beyond)
    assert (refused.status_code, refused.headers["content-range"]) == (416, "bytes */1024")


def test_two_ranges_in_two_headers_are_ignored(behind: Behind) -> None:
    whole = behind.gateway.client.get(behind.url, headers=[("Range", "bytes=0-1"), ("Range", "bytes=5-6")])
    assert (whole.status_code, whole.content) == (200, SONG)


def test_a_range_of_another_version_is_answered_whole(behind: Behind) -> None:
    etag = behind.get().headers["etag"]
    assert behind.get(Range="bytes=5-9", If_Range=etag).status_code == 206
    other = behind.get(Range="bytes=5-9", If_Range='"another"')
    assert (other.status_code, other.content) == (200, SONG)


def test_parts_are_sent_through_it(behind: Behind) -> None:
    key, parts = "incoming/upl_1", [b"a" * 5_300_000, b"the end"]
    multipart = behind.storage.create_multipart(key, "audio/flac")
    for number, part in enumerate(parts, 1):
        url = behind.storage.presign_part(key, multipart, number, len(part), 600)
        sent = behind.gateway.client.put(url, content=part)
        assert sent.status_code == 200, sent.text
        assert sent.headers["etag"]
        assert behind.gateway.client.put(url, content=part + b"more").status_code == 403
    behind.storage.complete_multipart(key, multipart, behind.storage.list_parts(key, multipart))
    assert behind.storage.read_bytes(key, 1 << 23) == b"".join(parts)


def test_the_callers_own_credential_does_not_reach_the_store(behind: Behind) -> None:
    # A store that is shown two ways of signing refuses both.
    assert behind.gateway.client.get(behind.url, headers=bearer()).content == SONG


def test_nothing_is_reached_without_a_signature_or_by_another(behind: Behind) -> None:
    client, path = behind.gateway.client, f"/{behind.storage.bucket}/{KEY}"
    problem(client.get(path), 403, "forbidden")
    problem(client.get(path, headers=bearer()), 403, "forbidden")
    query = httpx2.URL(behind.url).query.decode()
    assert client.get(f"/{behind.storage.bucket}/stems/job_2/1/vocals.flac?{query}").status_code == 403
    assert client.put(f"{path}?{query}", content=b"x").status_code == 403
    problem(client.delete(f"{path}?{query}"), 405, "method_not_allowed")
    for other in (f"/{behind.storage.bucket}", f"/{behind.storage.bucket}/", "/other/key", f"{path}/../../x"):
        response = behind.gateway.raw(f"GET {other}?{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        assert response.startswith(b"HTTP/1.1 404 "), other


def test_without_a_store_behind_it_there_is_no_such_path(gateway: Platform) -> None:
    problem(gateway.client.get("/stemwright/stems/a?X-Amz-Signature=1"), 404, "route_not_found")


def test_head_is_answered_like_get_without_the_body(behind: Behind) -> None:
    whole = behind.get()
    head = behind.gateway.client.head(behind.url)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "content-disposition", "accept-ranges", "etag"):
        assert head.headers.get(name) == whole.headers.get(name), name
    part = behind.gateway.client.head(behind.url, headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.headers["content-length"], part.content) == (206, "10", b"")
    assert behind.get().content == SONG, "the connection is of use afterwards"
