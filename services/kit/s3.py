"""`ObjectStorage` over boto3: any store that speaks S3."""

import hashlib
import os
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.kit.loopback import is_loopback
from services.kit.settings import StorageSettings
from services.kit.storage import (
    BucketMissing,
    Content,
    MultipartNotFound,
    ObjectInfo,
    ObjectNotFound,
    OpenMultipart,
    Part,
    StorageRefused,
    StorageUnavailable,
    attachment,
)

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 1 << 20
UPLOAD_PART_BYTES = 8 << 20
"""Size of the parts in which a large file is put; at most two are in memory at a time."""

_NOT_FOUND = {"404", "NoSuchKey", "NotFound", "NoSuchBucket"}
_NO_MULTIPART = {"NoSuchUpload"}
_THERE_ALREADY = {"BucketAlreadyExists", "BucketAlreadyOwnedByYou"}
_AWAY = {"500", "502", "503", "504", "InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout"}


@contextmanager
def translated() -> Iterator[None]:
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


_MAKING_A_CLIENT = threading.Lock()
"""Sessions are not safe to share between threads; the clients that they make are."""


# What the SDK would read though it is given keys: a profile, and files that whoever runs this has for other programs. A
# profile that is not there, or a file that cannot be read, is an error to it. By the SDK's names: where each setting is
# found in a file, in the environment, its default, and how it is converted.
_NOBODYS = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


@cache
def _session(*, has_keys: bool) -> "Session":
    """The process's own. It keeps the service model that it has read, most of what a client costs (0.12 of 0.13 s)."""
    import boto3
    import botocore.session

    return boto3.session.Session(botocore_session=botocore.session.Session(_NOBODYS) if has_keys else None)


def _chunks(body: "StreamingBody") -> Generator[bytes]:
    with translated(), body:
        yield from body.iter_chunks(CHUNK_BYTES)


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
        access_key_id: str = "",
        secret_access_key: str = "",
        connections: int = 10,
    ) -> None:
        """Without keys the SDK finds its own: a role of the pod or the machine, a profile."""
        self.bucket = bucket
        self._endpoint_url = endpoint_url
        self._public_endpoint_url = public_endpoint_url or endpoint_url
        self._connections = connections
        self._region = region
        self._access_key_id = access_key_id
        self._secret_access_key = secret_access_key
        self._clients: dict[str | None, S3Client] = {}

    @classmethod
    def from_settings(cls, settings: StorageSettings, *, connections: int = 10) -> "S3Storage":
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
        with _MAKING_A_CLIENT:
            if endpoint_url not in self._clients:
                from botocore.config import Config

                config = Config(
                    signature_version="s3v4",
                    connect_timeout=3,
                    read_timeout=30,
                    max_pool_connections=self._connections,
                    retries={"mode": "standard", "total_max_attempts": 4},
                    s3={"addressing_style": "path"},
                    # Timeouts and retries, all that another mode would choose, are given here: what the environment
                    # says of it could only be wrong.
                    defaults_mode="legacy",  # type: ignore[arg-type] # botocore wants a word; its stubs want a bool
                    proxies={} if is_loopback(endpoint_url) else None,
                    # Checksums in trailers are not understood by every store that speaks S3.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                )
                client = _session(has_keys=bool(self._access_key_id)).client(
                    "s3",
                    endpoint_url=endpoint_url,
                    config=config,
                    region_name=self._region,
                    aws_access_key_id=self._access_key_id or None,
                    aws_secret_access_key=self._secret_access_key or None,
                )
                self._clients[endpoint_url] = client
            return self._clients[endpoint_url]

    @property
    def client(self) -> "S3Client":
        """boto3's own, for what concerns the bucket itself; to be called inside `translated()`."""
        return self._s3

    @property
    def _s3(self) -> "S3Client":
        return self._client(self._endpoint_url)

    def ensure_bucket(self) -> None:
        with translated():
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
        try:
            with translated():
                self._s3.head_bucket(Bucket=self.bucket)
        except ObjectNotFound as error:
            raise BucketMissing(f"The bucket {self.bucket} is not there.") from error

    def put_file(self, key: str, path: Path, content_type: str, download_name: str | None = None) -> None:
        extra: dict[str, Any] = {"ContentType": content_type}
        if download_name:
            extra["ContentDisposition"] = attachment(download_name)
        if path.stat().st_size <= UPLOAD_PART_BYTES:
            with translated(), path.open("rb") as file:
                self._s3.put_object(Bucket=self.bucket, Key=key, Body=file, **extra)
            return
        with translated():
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
        with translated():
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=data, ContentType=content_type)

    def read_bytes(self, key: str, limit_bytes: int) -> bytes:
        with translated():
            answer = self._s3.get_object(Bucket=self.bucket, Key=key)
            with answer["Body"] as body:
                data: bytes = body.read(limit_bytes + 1)
        if len(data) > limit_bytes:
            raise ValueError(f"object {key!r} is larger than {limit_bytes} bytes")
        return data

    def open(self, key: str) -> Content:
        with translated():
            answer = self._s3.get_object(Bucket=self.bucket, Key=key)
        return Content(answer["ContentLength"], _chunks(answer["Body"]))

    def stream(self, key: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        part: dict[str, Any] = {}
        if begin or end is not None:
            part["Range"] = f"bytes={begin}-{'' if end is None else end - 1}"
        with translated():
            body = self._s3.get_object(Bucket=self.bucket, Key=key, **part)["Body"]
        yield from _chunks(body)

    def download(self, key: str, path: Path) -> str:
        digest = hashlib.sha256()
        with path.open("wb") as file:
            for chunk in self.stream(key):
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()

    def head(self, key: str) -> ObjectInfo | None:
        try:
            with translated():
                answer = self._s3.head_object(Bucket=self.bucket, Key=key)
        except ObjectNotFound:
            return None
        return ObjectInfo(key, answer["ContentLength"], answer["ETag"].strip('"'))

    def copy(self, source: str, target: str) -> None:
        with translated():
            self._s3.copy_object(Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": source})

    def delete(self, key: str) -> None:
        with translated():
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
        with translated():
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", ()):
                    yield ObjectInfo(item["Key"], item["Size"], item["ETag"].strip('"'))

    def presign_get(self, key: str, expires_seconds: int, download_name: str | None = None) -> str:
        # Never shown by a browser as a page of the store's origin, whatever it takes the bytes for.
        disposition = attachment(download_name) if download_name else "attachment"
        parameters: dict[str, Any] = {"Bucket": self.bucket, "Key": key, "ResponseContentDisposition": disposition}
        return self._presign("get_object", parameters, expires_seconds)

    def create_multipart(self, key: str, content_type: str) -> str:
        with translated():
            answer = self._s3.create_multipart_upload(Bucket=self.bucket, Key=key, ContentType=content_type)
            return answer["UploadId"]

    def presign_part(self, key: str, multipart_id: str, number: int, size_bytes: int, expires_seconds: int) -> str:
        parameters: dict[str, Any] = {"Key": key, "UploadId": multipart_id, "PartNumber": number}
        # Signed as a header, so a body of another length, or of none that is told before, is refused.
        parameters |= {"Bucket": self.bucket, "ContentLength": size_bytes}
        return self._presign("upload_part", parameters, expires_seconds)

    def _presign(self, operation: str, parameters: dict[str, Any], expires_seconds: int) -> str:
        client = self._client(self._public_endpoint_url)
        with translated():
            return client.generate_presigned_url(operation, Params=parameters, ExpiresIn=expires_seconds)

    def upload_part(self, key: str, multipart_id: str, number: int, data: bytes) -> str:
        with translated():
            answer = self._s3.upload_part(
                Bucket=self.bucket, Key=key, UploadId=multipart_id, PartNumber=number, Body=data
            )
            return answer["ETag"].strip('"')

    def list_parts(self, key: str, multipart_id: str) -> Sequence[Part]:
        parts: list[Part] = []
        with translated():
            pages = self._s3.get_paginator("list_parts").paginate(Bucket=self.bucket, Key=key, UploadId=multipart_id)
            for page in pages:
                parts.extend(
                    Part(item["PartNumber"], item["ETag"].strip('"'), item["Size"]) for item in page.get("Parts", ())
                )
        return sorted(parts, key=lambda part: part.number)

    def complete_multipart(self, key: str, multipart_id: str, parts: Sequence[Part]) -> None:
        listed = [{"PartNumber": part.number, "ETag": f'"{part.etag}"'} for part in parts]
        with translated():
            self._s3.complete_multipart_upload(
                Bucket=self.bucket,
                Key=key,
                UploadId=multipart_id,
                MultipartUpload={"Parts": listed},  # type: ignore[typeddict-item]
            )

    def abort_multipart(self, key: str, multipart_id: str) -> None:
        try:
            with translated():
                self._s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=multipart_id)
        except MultipartNotFound:
            return

    def open_multiparts(self, prefix: str) -> Iterator[OpenMultipart]:
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix)
        # The local store says of a bucket without any that the upload does not exist.
        with suppress(MultipartNotFound), translated():
            for page in pages:
                for item in page.get("Uploads", ()):
                    yield OpenMultipart(item["Key"], item["UploadId"], item["Initiated"])
