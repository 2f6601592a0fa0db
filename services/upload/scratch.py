"""Private directories for files that are being checked, on a disk that does not fill up with what processes left."""

import fcntl
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

LOCK_NAME = "in-use"


class Scratch:
    """A directory of this process under `root`; it goes with the process.

    Each process holds a lock on its directory, which the system gives up however the process ends. At start, the
    directories whose lock is free are removed: they belong to processes that were killed.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root or Path(tempfile.gettempdir()) / "stemwright-upload"
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove_abandoned()
        self._own = Path(tempfile.mkdtemp(prefix="process-", dir=self._root))
        self._lock = (self._own / LOCK_NAME).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def _remove_abandoned(self) -> None:
        for directory in self._root.glob("process-*"):
            try:
                with (directory / LOCK_NAME).open("w") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(directory, ignore_errors=True)
                    log.info("removed %s, which a process that is gone left behind", directory.name)
            except BlockingIOError:
                continue
            except OSError as error:
                log.warning("%s stays: %s", directory.name, error)

    @contextmanager
    def directory(self) -> Iterator[Path]:
        """An empty directory that nobody else may look into, removed with everything in it at the end."""
        path = Path(tempfile.mkdtemp(dir=self._own))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Removes everything."""
        shutil.rmtree(self._own, ignore_errors=True)
        self._lock.close()
