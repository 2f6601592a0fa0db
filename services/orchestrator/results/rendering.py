"""Files that are rendered while they are downloaded, out of what is listened to; nothing of them is stored.

The engine's own programs make them (`separation.stems.segments` says how they are fed), in a process of a low priority
beside this one: who orders jobs never waits for an encoder, and a client that leaves ends the work at once.
"""

import json
import logging
import os
import struct
import subprocess
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from itertools import chain
from typing import IO, Any

from services.kit import children
from services.kit.errors import Unavailable
from services.orchestrator.results.errors import ResultDamaged

_log = logging.getLogger(__name__)


STEM_FILE_PROGRAM = children.command("separation.stems.stem_file")
MIX_PROGRAM = children.command("separation.stems.mix")
CHUNK_BYTES = 1 << 16
LAST_WORDS_BYTES = 4000


class RenderingBusy(Unavailable):
    """As many of the kind are being rendered as may be, or one of the account's."""

    code = "rendering_busy"
    title = "Files for others are being rendered"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after_seconds=30)


class Renderer:
    """Renders files of one kind, a few at a time, one for each account. Safe to share between threads."""

    def __init__(self, program: Sequence[str], at_once: int) -> None:
        self._program, self._at_once = tuple(program), at_once
        self._lock = threading.Lock()
        self._accounts: set[str] = set()

    def render(
        self, account_id: str, head: Mapping[str, Any], pieces: Iterable[bytes], skipped_bytes: int = 0
    ) -> "Rendering":
        """The file. `head` and `pieces`: what the program is told, and what comes behind it. `skipped_bytes`: of what
        it writes.

        Raises RenderingBusy before there is anything to send; later ResultDamaged, or what a piece raises.
        """
        return Rendering(self._chunks(account_id, chain((json.dumps(head).encode(),), pieces), skipped_bytes))

    def _chunks(self, account_id: str, pieces: Iterable[bytes], skipped_bytes: int) -> Generator[bytes]:
        self._enter(account_id)
        last = b""
        try:
            with closing(_run(self._program, pieces)) as chunks:
                for chunk in chunks:
                    if skipped_bytes < len(chunk):
                        known = last + chunk[skipped_bytes:]
                        last = known[-1:]
                        yield known[:-1]
                    skipped_bytes = max(0, skipped_bytes - len(chunk))
        finally:
            with self._lock:
                self._accounts.discard(account_id)
        # Who has the end of a file may ask for another at once, so the place is left before the last byte goes out.
        yield last

    def _enter(self, account_id: str) -> None:
        with self._lock:
            if account_id in self._accounts:
                raise RenderingBusy("another such file of yours is being downloaded; they are rendered one at a time")
            if len(self._accounts) >= self._at_once:
                raise RenderingBusy("others are having theirs rendered")
            self._accounts.add(account_id)


class Rendering(Iterator[bytes]):
    """The bytes of a file while it is made. To close or drop it, at any time, ends the child and leaves the place."""

    def __init__(self, chunks: Generator[bytes]) -> None:
        self._chunks = chunks
        # A generator that was never begun would not do what it does at its end.
        self._first: bytes | None = next(chunks)

    def __next__(self) -> bytes:
        first, self._first = self._first, None
        return next(self._chunks) if first is None else first

    def close(self) -> None:
        self._chunks.close()


def _run(program: Sequence[str], pieces: Iterable[bytes]) -> Generator[bytes]:
    child = subprocess.Popen(
        program,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=children.environment(),
        cwd="/",
    )
    to_child, from_child, complaints = child.stdin, child.stdout, child.stderr
    if to_child is None or from_child is None or complaints is None:
        raise RuntimeError("a child has the pipes that it was given")
    feeder = _Feeder(to_child, pieces)
    feeder.start()
    try:
        while chunk := os.read(from_child.fileno(), CHUNK_BYTES):
            yield chunk
        said = complaints.read(LAST_WORDS_BYTES)
        if child.wait() != 0:
            feeder.join()
            if feeder.error is not None:
                raise feeder.error
            _log.error("%s made no whole file: %s", program[-1], said.decode(errors="replace"))
            raise ResultDamaged
    finally:
        child.kill()
        from_child.close()
        complaints.close()
        child.wait()


class _Feeder(threading.Thread):
    """Hands pieces to the child while its output is read elsewhere. It ends with them, or with the child."""

    def __init__(self, pipe: IO[bytes], pieces: Iterable[bytes]) -> None:
        super().__init__(name="rendering", daemon=True)
        self._pipe, self._pieces = pipe, pieces
        self.error: Exception | None = None
        """What went wrong with the pieces."""

    def run(self) -> None:
        try:
            for piece in self._pieces:
                self._pipe.write(struct.pack(">I", len(piece)) + piece)
        except BrokenPipeError:
            pass  # the child has ended; it says why
        except Exception as error:  # noqa: BLE001 - raised where the file is read
            self.error = error
        finally:
            with suppress(BrokenPipeError):
                self._pipe.close()
