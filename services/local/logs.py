"""The log of one part: a file that cannot grow without bound."""

import io
import os
import threading
from contextlib import suppress
from pathlib import Path

BYTES_PER_FILE = 4 * 1024 * 1024
FILES_KEPT = 3


class PartLog:
    """Appends what a part prints to `path`; when that is full it becomes `path.1`, `path.1` becomes `path.2` and so on.

    Lines stay whole: a file is changed only where a line ended. Safe to use from several threads.
    """

    def __init__(self, path: Path, bytes_per_file: int = BYTES_PER_FILE, files_kept: int = FILES_KEPT) -> None:
        self.path = path
        self._bytes_per_file = bytes_per_file
        self._files_kept = files_kept
        self._lock = threading.Lock()
        self._file = self._open()
        self._size = path.stat().st_size

    def write(self, data: bytes) -> None:
        with self._lock:
            if self._size + len(data) > self._bytes_per_file and self._size > 0:
                line_end = data.find(b"\n") + 1
                self._file.write(data[:line_end])
                data = data[line_end:]
                self._rotate()
            self._file.write(data)
            self._size += len(data)

    def follow(self, pipe: int) -> threading.Thread:
        """Copy everything that comes out of the file descriptor `pipe` in a thread of its own, then close it."""
        thread = threading.Thread(target=self._copy, args=(pipe,), name=f"log {self.path.stem}", daemon=True)
        thread.start()
        return thread

    def last_lines(self, count: int) -> list[str]:
        """The newest lines, oldest first; shorter than `count` when less was printed."""
        with self._lock, self.path.open("rb") as file:
            file.seek(max(0, self._size - 200 * count))
            return file.read().decode(errors="replace").splitlines()[-count:]

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def _open(self) -> io.FileIO:
        """Readable by its owner only, whatever the umask: what services print may name people's songs."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)
        return io.FileIO(descriptor, "ab")

    def _copy(self, pipe: int) -> None:
        with os.fdopen(pipe, "rb", buffering=0) as source:
            while data := source.read(64 * 1024):
                # On a full disk lines are lost. A pipe that nobody empties would stop the part as well.
                with suppress(OSError):
                    self.write(data)

    def _rotate(self) -> None:
        for number in range(self._files_kept - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)
        full, self._file = self._file, self._open()
        full.close()
        self._size = 0
