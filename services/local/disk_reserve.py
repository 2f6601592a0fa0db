"""Space that is kept for the moment when the disk is full.

Databases that cannot write end no job, and nobody learns why. So a file of the platform's own lies on the disk, and is
given up when there is nothing else left: then songs under way fail with a reason, or end, and people can delete.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

RESERVED_BYTES = 64 * 1024 * 1024
"""Some thousand times what the databases write to end a job."""

LITTLE_BYTES = 16 * 1024 * 1024
"""With less than this left, a database may not be able to write the next time."""

LOOK_SECONDS = 1.0
DISK_FULL = "The disk is full: songs will fail until something is deleted. The space kept for this moment is in use."


class DiskReserve:
    """The file at `path`, and the thread that watches the space left on its disk."""

    def __init__(
        self,
        path: Path,
        on_change: Callable[[], None] = lambda: None,
        *,
        free_bytes: Callable[[Path], int] | None = None,
    ) -> None:
        self._path = path
        self._on_change = on_change
        self._free_bytes = free_bytes or free_for_us
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="disk-reserve", daemon=True)
        self.given_up = False
        """Whether the disk is full and only what the reserve took is left."""

    def start(self) -> None:
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """Blocks until nobody watches. The file stays, for a start on a full disk."""
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Gives the file up where little is left, and makes it again once there is room for it twice."""
        free = self._free_bytes(self._path.parent)
        if free < LITTLE_BYTES:
            self._path.unlink(missing_ok=True)
        elif not self._path.exists() and free > 2 * RESERVED_BYTES:
            self._make()
        full = is_full(self._path)
        if full != self.given_up:
            self.given_up = full
            self._on_change()

    def _make(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:  # a disk may have no room for another name, either
            return
        try:
            os.posix_fallocate(descriptor, 0, RESERVED_BYTES)
        except OSError:
            self._path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.look()


def is_full(reserve: Path) -> bool:
    """Whether songs fail for want of space, of a platform that runs: its reserve is given up then. What is free says
    less, for the reserve has just been added to it."""
    return not reserve.exists()


def free_for_us(folder: Path) -> int:
    """Bytes that this user can still write on the folder's disk."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
