"""Object storage: where uploads, stems and manifests lie. `services.kit.s3` is the real one; every call blocks."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from services.kit.errors import NotFound, StemwrightError, Unavailable


class ObjectNotFound(NotFound):
    code = "object_not_found"
    title = "The object is not in the store"


class MultipartNotFound(NotFound):
    code = "multipart_not_found"
    title = "The multipart upload is over or never was"


class StorageUnavailable(Unavailable):
    code = "storage_unavailable"
    title = "The object store does not answer"


def complaint(error: StemwrightError) -> str:
    """What went wrong at the store, for a person at a terminal, who may know better where it is."""
    text = error.detail or error.title
    return f"{text}: S3_ENDPOINT_URL says where it is" if isinstance(error, StorageUnavailable) else text


class StorageRefused(Unavailable):
    """The store answered and said no: wrong credentials, a part that does not fit, an etag that does not match."""

    code = "storage_refused"
    title = "The object store refused the request"


class BucketMissing(Unavailable):
    code = "bucket_missing"
    title = "The bucket is not in the store"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the store knows of an object."""

    key: str
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class Content:
    """An object while it is read: its length, and its bytes in chunks of at most 1 MiB."""

    size_bytes: int
    chunks: Generator[bytes]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart upload; numbers start at 1."""

    number: int
    etag: str
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class OpenMultipart:
    """A multipart upload that was neither completed nor aborted."""

    key: str
    multipart_id: str
    begun_at: datetime


class ObjectStorage(Protocol):
    """One bucket. Methods raise ObjectNotFound, MultipartNotFound, StorageRefused or StorageUnavailable."""

    bucket: str
    """Its name."""

    def ensure_bucket(self) -> None:
        """Makes the bucket where it does not exist yet."""

    def ping(self) -> None:
        """Raises StorageUnavailable if the store does not answer, BucketMissing if it has no such bucket."""

    def put_file(self, key: str, path: Path, content_type: str, download_name: str | None = None) -> None:
        """Stores a file; a large one in parts. Visible only when whole."""

    def put_bytes(self, key: str, data: bytes, content_type: str) -> None:
        """Stores a small object."""

    def read_bytes(self, key: str, limit_bytes: int) -> bytes:
        """A small object whole; raises ValueError when it is larger than the limit."""

    def open(self, key: str) -> Content:
        """The object, of which nothing was read yet. Raises ObjectNotFound at once."""

    def stream(self, key: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The object in chunks of at most 1 MiB, or only its bytes from `begin` up to `end`, one at least."""

    def download(self, key: str, path: Path) -> str:
        """Writes the object to a file; returns the lower-case hexadecimal SHA-256 of what was written."""

    def head(self, key: str) -> ObjectInfo | None:
        """Size and etag, or None where there is no such object."""

    def copy(self, source: str, target: str) -> None:
        """Copies within the bucket, without the bytes passing through here."""

    def delete(self, key: str) -> None:
        """Deletes; an object that is not there is no error."""

    def delete_prefix(self, prefix: str) -> int:
        """Deletes every object whose key starts with the prefix; returns how many."""

    def list_objects(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose key starts with the prefix, in key order."""

    def presign_get(self, key: str, expires_seconds: int, download_name: str | None = None) -> str:
        """URL under which anyone may read the object for a while, saved as `download_name`."""

    def create_multipart(self, key: str, content_type: str) -> str:
        """Begins a multipart upload; returns its id."""

    def presign_part(self, key: str, multipart_id: str, number: int, size_bytes: int, expires_seconds: int) -> str:
        """URL to which anyone may PUT one part of exactly that size for a while."""

    def upload_part(self, key: str, multipart_id: str, number: int, data: bytes) -> str:
        """Stores one part; returns its etag."""

    def list_parts(self, key: str, multipart_id: str) -> Sequence[Part]:
        """The parts that have arrived, by number."""

    def complete_multipart(self, key: str, multipart_id: str, parts: Sequence[Part]) -> None:
        """Joins the parts into the object."""

    def abort_multipart(self, key: str, multipart_id: str) -> None:
        """Throws the parts away; an upload that is over is no error."""

    def open_multiparts(self, prefix: str) -> Iterator[OpenMultipart]:
        """Multipart uploads of keys that start with the prefix, whose parts the store still keeps."""


def attachment(filename: str) -> str:
    """`Content-Disposition` value under which a browser saves the file by this name (RFC 6266, RFC 8187)."""
    fallback = "".join(c if c.isascii() and (c.isalnum() or c in " ._-()") else "_" for c in filename)
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(filename, safe='')}"


class BucketReady:
    """A readiness check that makes the bucket once, where it `may`, and from then on only looks."""

    def __init__(self, storage: ObjectStorage, *, may: bool) -> None:
        self._storage = storage
        self._to_make = may

    def __call__(self) -> None:
        """Raises what the store raises."""
        if self._to_make:
            self._storage.ensure_bucket()
            self._to_make = False
        self._storage.ping()
