"""The file for DJ software, made while it is downloaded; nothing of it is stored.

The engine's own program makes it (`separation.stems.stem_file`), in a process of a low priority beside this one: who
orders jobs never waits for an encoder, and a client that leaves ends the work at once.
"""

import json
import logging
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import IO, Any

from services.kit.errors import Unavailable
from services.orchestrator.results.errors import ResultDamaged

_log = logging.getLogger(__name__)

# Isolated mode: neither the working directory nor the environment can put a module in the child's way.
COMMAND = (sys.executable, "-I", "-m", "separation.stems.stem_file")
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
CHUNK_BYTES = 1 << 16
LAST_WORDS_BYTES = 4000


class StemFilesBusy(Unavailable):
    """As many are being made as may be, or one of the account's."""

    code = "stem_files_busy"
    title = "Stem files for others are being made"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after_seconds=30)


class StemFiles:
    """Makes a few at a time, one for each account. Safe to share between threads."""

    def __init__(self, at_once: int, *, command: Sequence[str] = COMMAND) -> None:
        self._at_once, self._command = at_once, tuple(command)
        self._lock = threading.Lock()
        self._accounts: set[str] = set()

    def make(
        self,
        account_id: str,
        song: Mapping[str, Any],
        tracks: Sequence[str],
        segments: Iterable[bytes],
        stem: tuple[str, bytes] | None = None,
    ) -> Iterator[bytes]:
        """The file's bytes. `song`: the fields of `SongFacts`. `segments`: FLAC, each track of the first, then of the
        second, and so on; at least one. `stem`: name and beginning of a finished one, for the tags and the cover.

        Raises StemFilesBusy, and what the first segment does, before there is anything to send; later ResultDamaged, or
        what another segment raises.
        """
        rest = iter(segments)
        named = {} if stem is None else {"stem": stem[0]}
        head = json.dumps({"song": dict(song), "tracks": list(tracks), **named}).encode()
        about = () if stem is None else (stem[1],)
        file = self._file(account_id, chain((head, *about, next(rest)), rest))
        # From here on the generator has begun: dropping it, at any time, ends the child and leaves the place.
        first = next(file)
        return chain((first,), file)

    def _file(self, account_id: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
        self._enter(account_id)
        try:
            yield from _run(self._command, pieces)
        finally:
            with self._lock:
                self._accounts.discard(account_id)

    def _enter(self, account_id: str) -> None:
        with self._lock:
            if account_id in self._accounts:
                raise StemFilesBusy("another stem file of yours is being downloaded; they are made one at a time")
            if len(self._accounts) >= self._at_once:
                raise StemFilesBusy("others are having theirs made")
            self._accounts.add(account_id)


def _run(command: Sequence[str], pieces: Iterable[bytes]) -> Iterator[bytes]:
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
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
            _log.error("a stem file could not be made: %s", said.decode(errors="replace"))
            raise ResultDamaged
    finally:
        child.kill()
        from_child.close()
        complaints.close()
        child.wait()


class _Feeder(threading.Thread):
    """Hands pieces to the child while its output is read elsewhere. It ends with them, or with the child."""

    def __init__(self, pipe: IO[bytes], pieces: Iterable[bytes]) -> None:
        super().__init__(name="stem-file", daemon=True)
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
