"""Private temporary directories, removed when an attempt ends or, where a process died, when the next worker starts.

Every process holds an exclusive lock (flock) on the file `lock` in its own directory; the kernel drops it however the
process ends, so a directory whose lock can be had belongs to nobody.
"""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

_log = logging.getLogger(__name__)
_LOCK = "lock"


class Scratch:
    """`<root>/<worker id>/` for as long as this process lives. Readable by this user alone."""

    def __init__(self, root: Path, worker_id: str) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        remove_abandoned(root)
        self.path = root / worker_id
        # Made under a hidden name and renamed once locked: a sweep by another process never sees it without its lock.
        newborn = root / f".{worker_id}"
        newborn.mkdir(mode=0o700)
        self._lock = os.open(newborn / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        newborn.rename(self.path)

    @contextmanager
    def directory(self, name: str) -> Iterator[Path]:
        """An empty directory that is gone when the block ends. `name` is shown to people only and is not trusted."""
        safe = "".join(character if character.isalnum() else "-" for character in name)[:80]
        path = self.path / f"{safe}-{os.urandom(4).hex()}"
        path.mkdir(mode=0o700)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Removes everything. Idempotent."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def remove_abandoned(root: Path) -> int:
    """Removes the directories below `root` that no living process holds; how many."""
    removed = 0
    for path in root.iterdir():
        if path.name.startswith("."):  # being made
            continue
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            shutil.rmtree(path, ignore_errors=True)
            removed += 1
            _log.info("removed what a dead process left in %s", path)
        finally:
            os.close(lock)
    return removed
