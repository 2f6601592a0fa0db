"""The log of one part: a file that cannot grow without bound, of lines that each have a time and no colours."""

import io
import os
import re
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from services.local.processes import start_thread

COLOURS = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]")
"""What moves the cursor of a terminal or colours its letters (ECMA-48, section 5.4)."""
LONGEST_LINE_BYTES = 1024 * 1024

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
        self._size = self._begun = path.stat().st_size

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
        """Copy the lines that come out of the file descriptor `pipe` in a thread of its own, then close it.

        Raises:
            OSError: no thread can be started; the descriptor is closed.
        """
        try:
            return start_thread(f"log {self.path.stem}", self._copy, pipe)
        except OSError:
            os.close(pipe)
            raise

    def last_lines(self, count: int) -> list[str]:
        """The newest of the lines that came since this was made, oldest first; fewer than `count` when there were."""
        with self._lock, self.path.open("rb") as file:
            file.seek(max(self._begun, self._size - LONGEST_LINE_BYTES))
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
        begun = b""
        with os.fdopen(pipe, "rb", buffering=0) as source:
            while data := source.read(64 * 1024):
                *lines, begun = (begun + data).split(b"\n")
                if len(begun) > LONGEST_LINE_BYTES:
                    lines, begun = [*lines, begun], b""
                self._write_lines(lines)
        self._write_lines([begun])

    def _write_lines(self, lines: list[bytes]) -> None:
        tidied = b"".join(tidy(line) for line in lines)
        if tidied:
            # On a full disk lines are lost. A pipe that nobody empties would stop the part as well.
            with suppress(OSError):
                self.write(tidied)

    def _rotate(self) -> None:
        for number in range(self._files_kept - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            newer = self.path if number == 1 else self.path.with_name(f"{self.path.name}.{number - 1}")
            if newer.exists():
                newer.replace(older)
        full, self._file = self._file, self._open()
        full.close()
        self._size = self._begun = 0


def tidy(line: bytes) -> bytes:
    """A line as it is kept: with the time at which it came, unless it is JSON, which has its own; nothing of an empty
    one."""
    line = COLOURS.sub(b"", line).rstrip(b"\r")
    if not line or line.startswith(b"{"):
        return line and line + b"\n"
    return f"{timestamp(datetime.now(UTC))} ".encode() + line + b"\n"


def timestamp(at: datetime) -> str:
    """UTC, in ISO 8601 to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
