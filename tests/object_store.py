"""The real object store for tests: `rclone serve s3` from its wheel, on a free port, over a temporary folder.

`object_store` lives as long as the session; `storage` is a bucket of its own in it for one test.
"""

import contextlib
import socket
import subprocess
import sysconfig
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from services.kit.s3 import S3Storage
from services.local.sockets import LOOPBACK, free_port

START_SECONDS = 120
ACCESS_KEY_ID = "test-access"
SECRET_ACCESS_KEY = "test-secret"


@dataclass
class ObjectStore:
    """One rclone process. It keeps its port and its objects when it is started again."""

    folder: Path
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts the process and waits until it answers."""
        if not self.port:
            self.port = free_port(LOOPBACK)
        self.folder.mkdir(parents=True, exist_ok=True)
        rclone = Path(sysconfig.get_path("scripts")) / "rclone"
        self._process = subprocess.Popen(
            [
                rclone,
                "serve",
                "s3",
                "--auth-key",
                f"{ACCESS_KEY_ID},{SECRET_ACCESS_KEY}",
                "--addr",
                f"127.0.0.1:{self.port}",
                "--config",
                "/dev/null",
                self.folder,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """Ends the process at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def settings(self, bucket: str) -> dict[str, Any]:
        """Fields of a service's settings that name this store."""
        return {
            "s3_endpoint_url": self.endpoint_url,
            "s3_bucket": bucket,
            "s3_access_key_id": ACCESS_KEY_ID,
            "s3_secret_access_key": SECRET_ACCESS_KEY,
        }

    def new_bucket(self) -> S3Storage:
        """A fresh bucket."""
        storage = S3Storage(
            endpoint_url=self.endpoint_url,
            region="us-east-1",
            bucket=f"test-{uuid.uuid4().hex}",
            access_key_id=ACCESS_KEY_ID,
            secret_access_key=SECRET_ACCESS_KEY,
        )
        storage.ensure_bucket()
        for prefix in ("incoming", "sources", "stems"):
            # rclone removes a folder with its last object, and a write into that folder at the same moment fails. A
            # folder that holds another one stays; an empty folder is no object.
            (self.folder / storage.bucket / prefix / ".keep").mkdir(parents=True)
        return storage


@contextlib.contextmanager
def running_object_store(folder: Path) -> Iterator[ObjectStore]:
    """A store of one's own, for tests that end or restart it."""
    store = ObjectStore(folder)
    store.start()
    try:
        yield store
    finally:
        store.kill()


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """The store that the tests of one session share."""
    with running_object_store(tmp_path_factory.mktemp("objects")) as store:
        yield store


@pytest.fixture
def storage(object_store: ObjectStore) -> S3Storage:
    """A bucket of this test's own."""
    return object_store.new_bucket()
