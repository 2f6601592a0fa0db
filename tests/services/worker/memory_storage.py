"""An object store in memory that fails when told to; for what an attempt does with the store."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from services.kit.storage import BucketMissing, ObjectInfo, ObjectNotFound, StorageUnavailable

CHUNK_BYTES = 4


class MemoryStorage:
    """The part of `ObjectStorage` that the worker uses."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.order: list[str] = []
        self.failures: dict[str, int] = {}
        """How often calls on keys that end so still fail."""
        self.breaking: list[int] = []
        """Where the next streams break off."""
        self.before: dict[int, Callable[[], None]] = {}
        """Called before the chunk from this position on is given out."""
        self.asked: list[int] = []
        """Where streams began."""
        self.given: list[tuple[int, int]] = []
        """Where each chunk that streams gave out began, and how long it was."""
        self.truncating = 0
        """How many of the next files arrive only half."""
        self.has_bucket = True
        self._lock = threading.Lock()

    def ping(self) -> None:
        if not self.has_bucket:
            raise BucketMissing("gone")

    def _fail(self, key: str) -> None:
        with self._lock:
            for end, left in self.failures.items():
                if key.endswith(end) and left > 0:
                    self.failures[end] = left - 1
                    raise StorageUnavailable("away")

    def put_file(self, key: str, path: Path, content_type: str, download_name: str | None = None) -> None:
        data = path.read_bytes()
        with self._lock:
            if truncated := self.truncating > 0:
                self.truncating -= 1
        self.put_bytes(key, data[: len(data) // 2] if truncated else data, content_type)

    def put_bytes(self, key: str, data: bytes, content_type: str) -> None:
        self._fail(key)
        with self._lock:
            self.objects[key] = data
            self.order.append(key)

    def read_bytes(self, key: str, limit_bytes: int) -> bytes:
        return b"".join(self.stream(key))

    def stream(self, key: str, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        self._fail(key)
        if key not in self.objects:
            raise ObjectNotFound(key)
        self.asked.append(begin)
        data = self.objects[key][:end]
        for position in range(begin, len(data), CHUNK_BYTES):
            if self.breaking and position >= self.breaking[0]:
                self.breaking.pop(0)
                raise StorageUnavailable("broken off")
            self.before.pop(position, lambda: None)()
            chunk = data[position : position + CHUNK_BYTES]
            self.given.append((position, len(chunk)))
            yield chunk

    def head(self, key: str) -> ObjectInfo | None:
        return ObjectInfo(key, len(self.objects[key]), "etag") if key in self.objects else None

    def list_objects(self, prefix: str) -> Iterator[ObjectInfo]:
        self._fail(prefix)
        for key in sorted(self.objects):
            if key.startswith(prefix):
                yield ObjectInfo(key, len(self.objects[key]), "etag")

    def delete_prefix(self, prefix: str) -> int:
        keys = [key for key in self.objects if key.startswith(prefix)]
        for key in keys:
            del self.objects[key]
        return len(keys)
