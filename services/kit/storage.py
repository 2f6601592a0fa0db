"""Object storage: where uploads, stems and manifests lie. Any S3 serves; every call blocks."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from services.kit.errors import NotFound, Unavailable
from services.kit.settings import KitSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 1 << 20
UPLOAD_PART_BYTES = 8 << 20
"""Size of the parts in which a large file is put; at most two are in memory at a time."""


class ObjectNotFound(NotFound):
    code = "object_not_found"
    title = "The object is not in the store"


class MultipartNotFound(NotFound):
    code = "multipart_not_found"
    title = "The multipart upload is over or never was"


class StorageUnavailable(Unavailable):
    code = "storage_unavailable"
    title = "The object store does not answer"


class StorageRefused(Unavailable):
    """The store answered and said no: wrong credentials, a part that does not fit, an etag that does not match."""

    code = "storage_refused"
    title = "The object store refused the request"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What the store knows of an object."""

    key: str
    size_bytes: int
    etag: str


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

    def ensure_bucket(self) -> None:
        """Makes the bucket where it does not exist yet."""

    def ping(self) -> None:
        """Raises StorageUnavailable if the store does not answer."""

    def put_file(self, key: str, path: Path, content_type: str, download_name: str | None = None) -> None:
        """Stores a file; a large one in parts. Visible only when whole."""

    def put_bytes(self, key: str, data: bytes, content_type: str) -> None:
        """Stores a small object."""

    def read_bytes(self, key: str, limit_bytes: int) -> bytes:
        """A small object whole; raises ValueError when it is larger than the limit."""

    def stream(self, key: str) -> Iterator[bytes]:
        """The object in chunks of at most 1 MiB."""

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


_NOT_FOUND = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}
_NO_MULTIPART = {"NoSuchUpload"}
_THERE_ALREADY = {"BucketAlreadyExists", "BucketAlreadyOwnedByYou"}
_AWAY = {"500", "502", "503", "504", "InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout"}


@contextmanager
def _translated() -> Iterator[None]:
    """botocore's errors as ours. Addresses and keys stay in the cause, for the log; clients may see the rest."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _NO_MULTIPART:
            raise MultipartNotFound from error
        if code in _NOT_FOUND:
            raise ObjectNotFound from error
        if code in _AWAY:
            raise StorageUnavailable from error
        raise StorageRefused from error
    except (BotoCoreError, HTTPClientError) as error:
        raise StorageUnavailable from error


class S3Storage:
    """`ObjectStorage` over boto3.

    Clients are made at first use: importing boto3 and loading its service model costs a tenth of a second and some
    megabytes that a process which only presigns now and then should not pay at start.
    """

    def __init__(
        self,
        *,
        endpoint_url: str | None,
        public_endpoint_url: str | None = None,
        region: str,
        bucket: str,
        access_key_id: str,
        secret_access_key: str,
        connections: int = 10,
    ) -> None:
        self.bucket = bucket
        self._endpoint_url = endpoint_url
        self._public_endpoint_url = public_endpoint_url or endpoint_url
        self._connections = connections
        self._region = region
        self._access_key_id = access_key_id
        self._secret_access_key = secret_access_key
        self._lock = threading.Lock()
        self._clients: dict[str | None, S3Client] = {}

    @classmethod
    def from_settings(cls, settings: KitSettings, *, connections: int = 10) -> "S3Storage":
        """The store that the settings name."""
        return cls(
            endpoint_url=settings.s3_endpoint_url,
            public_endpoint_url=settings.s3_public_endpoint_url,
            region=settings.s3_region,
            bucket=settings.s3_bucket,
            access_key_id=settings.s3_access_key_id,
            secret_access_key=settings.s3_secret_access_key.get_secret_value(),
            connections=connections,
        )

    def _client(self, endpoint_url: str | None) -> "S3Client":
        with self._lock:
            if endpoint_url not in self._clients:
                import boto3
                from botocore.config import Config

                config = Config(
                    signature_version="s3v4",
                    connect_timeout=3,
                    read_timeout=30,
                    max_pool_connections=self._connections,
                    retries={"mode": "standard", "total_max_attempts": 4},
                    s3={"addressing_style": "path"},
                    # Checksums in trailers are not understood by every store that speaks S3.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                )
                client = boto3.session.Session().client(
                    "s3",
                    endpoint_url=endpoint_url,
                    config=config,
                    region_name=self._region,
                    aws_access_key_id=self._access_key_id,
                    aws_secret_access_key=self._secret_access_key,
                )
                self._clients[endpoint_url] = client
            return self._clients[endpoint_url]

    @property
    def _s3(self) -> "S3Client":
        return self._client(self._endpoint_url)

    def ensure_bucket(self) -> None:
        with _translated():
            try:
                self._s3.head_bucket(Bucket=self.bucket)
            except self._s3.exceptions.ClientError as error:
                if error.response.get("Error", {}).get("Code") not in _NOT_FOUND:
                    raise
                try:
                    self._s3.create_bucket(Bucket=self.bucket, **self._placed())
                except self._s3.exceptions.ClientError as race:
                    # Another process that starts at the same moment was faster.
                    if race.response.get("Error", {}).get("Code") not in _THERE_ALREADY:
                        raise

    def _placed(self) -> dict[str, Any]:
        """Where a new bucket lies: Amazon must be told, but for the one region that is its default."""
        if self._region == "us-east-1":
            return {}
        return {"CreateBucketConfiguration": {"LocationConstraint": self._region}}

    def ping(self) -> None:
        with _translated():
            self._s3.head_bucket(Bucket=self.bucket)

    def put_file(self, key: str, path: Path, content_type: str, download_name: str | None = None) -> None:
        extra: dict[str, Any] = {"ContentType": content_type}
        if download_name:
            extra["ContentDisposition"] = attachment(download_name)
        if path.stat().st_size <= UPLOAD_PART_BYTES:
            with _translated(), path.open("rb") as file:
                self._s3.put_object(Bucket=self.bucket, Key=key, Body=file, **extra)
            return
        with _translated():
            multipart_id = self._s3.create_multipart_upload(Bucket=self.bucket, Key=key, **extra)["UploadId"]
        try:
            parts: list[Part] = []
            with path.open("rb") as file:
                while data := file.read(UPLOAD_PART_BYTES):
                    number = len(parts) + 1
                    parts.append(Part(number, self.upload_part(key, multipart_id, number, data)))
            self.complete_multipart(key, multipart_id, parts)
        except BaseException:
            self.abort_multipart(key, multipart_id)
            raise

    def put_bytes(self, key: str, data: bytes, content_type: str) -> None:
        with _translated():
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type)

    def read_bytes(self, key: str, limit_bytes: int) -> bytes:
        with _translated():
            answer = self._s3.get_object(Bucket=self.bucket, Key=key)
            with answer["Body"] as body:
                data: bytes = body.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise ValueError(f"object {key!r} is larger than {limit_bytes} bytes")
        return data

    def stream(self, key: str) -> Iterator[bytes]:
        with _translated():
            body = self._s3.get_object(Bucket=self.bucket, Key=key)["Body"]
            with body:
                yield from body.iter_chunks(CHUNK_BYTES)

    def download(self, key: str, path: Path) -> str:
        digest = hashlib.sha256()
        with path.open("wb") as file:
            for chunk in self.stream(key):
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()

    def head(self, key: str) -> ObjectInfo | None:
        try:
            with _translated():
                answer = self._s3.head_object(Bucket=self.bucket, Key=key)
        except ObjectNotFound:
            return None
        return ObjectInfo(key, answer["ContentLength"], answer["ETag"].strip('"'))

    def copy(self, source: str, target: str) -> None:
        with _translated():
            self._s3.copy_object(Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": source})

    def delete(self, key: str) -> None:
        with _translated():
            self._s3.delete_object(Bucket=self.bucket, Key=key)

    def delete_prefix(self, prefix: str) -> int:
        if not prefix.endswith("/"):
            raise ValueError("a prefix to delete ends with a slash, or it could take a neighbour along")
        deleted = 0
        for found in list(self.list_objects(prefix)):
            self.delete(found.key)
            deleted += 1
        return deleted

    def list_objects(self, prefix: str) -> Iterator[ObjectInfo]:
        with _translated():
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield ObjectInfo(item["Key"], item["Size"], item["ETag"].strip('"'))

    def presign_get(self, key: str, expires_seconds: int, download_name: str | None = None) -> str:
        # Never shown by a browser as a page of the store's origin, whatever it takes the bytes for.
        disposition = attachment(download_name) if download_name else "attachment"
        parameters: dict[str, Any] = {"Bucket": self.bucket, "Key": key, "ResponseContentDisposition": disposition}
        return self._presign("get_object", parameters, expires_seconds)

    def create_multipart(self, key: str, content_type: str) -> str:
        with _translated():
            answer = self._s3.create_multipart_upload(Bucket=self.bucket, Key=key, ContentType=content_type)
            return answer["UploadId"]

    def presign_part(self, key: str, multipart_id: str, number: int, size_bytes: int, expires_seconds: int) -> str:
        parameters: dict[str, Any] = {"Key": key, "UploadId": multipart_id, "PartNumber": number}
        # Signed as a header, so a body of another length, or of none that is told before, is refused.
        parameters |= {"Bucket": self.bucket, "ContentLength": size_bytes}
        return self._presign("upload_part", parameters, expires_seconds)

    def _presign(self, operation: str, parameters: dict[str, Any], expires_seconds: int) -> str:
        client = self._client(self._public_endpoint_url)
        with _translated():
            return client.generate_presigned_url(operation, Params=parameters, ExpiresIn=expires_seconds)

    def upload_part(self, key: str, multipart_id: str, number: int, data: bytes) -> str:
        with _translated():
            answer = self._s3.upload_part(
                Bucket=self.bucket, Key=key, UploadId=multipart_id, PartNumber=number, Body=data
            )
            return answer["ETag"].strip('"')

    def list_parts(self, key: str, multipart_id: str) -> Sequence[Part]:
        parts: list[Part] = []
        with _translated():
            pages = self._s3.get_paginator("list_parts").paginate(Bucket=self.bucket, Key=key, UploadId=multipart_id)
            for page in pages:
                parts.extend(
                    Part(item["PartNumber"], item["ETag"].strip('"'), item["Size"]) for item in page.get("Parts", ())
                )
        return sorted(parts, key=lambda part: part.number)

    def complete_multipart(self, key: str, multipart_id: str, parts: Sequence[Part]) -> None:
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        with _translated():
            self._s3.complete_multipart_upload(
                Bucket=self.bucket,
                Key=key,
                UploadId=multipart_id,
                MultipartUpload={"Parts": listed},  # type: ignore[typeddict-item]
            )

    def abort_multipart(self, key: str, multipart_id: str) -> None:
        try:
            with _translated():
                self._s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=multipart_id)
        except MultipartNotFound:
            return

    def open_multiparts(self, prefix: str) -> Iterator[OpenMultipart]:
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix)
        # The local store says of a bucket without any that the upload does not exist.
        with suppress(MultipartNotFound), _translated():
            for page in pages:
                for item in page.get("Uploads", ()):
                    yield OpenMultipart(item["Key"], item["UploadId"], item["Initiated"])


def attachment(filename: str) -> str:
    """`Content-Disposition` value under which a browser saves the file by this name (RFC 6266, RFC 8187)."""
    fallback = "".join(c if c.isascii() and (c.isalnum() or c in " ._-()") else "_" for c in filename)
    return f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(filename, safe='')}"
