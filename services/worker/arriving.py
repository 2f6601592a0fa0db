"""A source on its way from the store: it can be read while it arrives, and whoever reads waits for what is to come.

A song of two hours is a gigabyte, which takes longer to fetch than the first sound may. Its end comes first, where
some containers keep what a decoder must know before anything else, then the rest in order; but a reader that goes
elsewhere, as for a preview from the middle of a song, is served first.
"""

import io
import os
import threading
import time
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from separation.machine.hashing import sha256_of
from services.kit.errors import StemwrightError
from services.kit.protos import separation_pb2
from services.kit.storage import ObjectNotFound, ObjectStorage, StorageUnavailable
from services.worker.attempts import Attempt
from services.worker.errors import SourceChanged, SourceMissing, SourceUnreadable, StorageFailed
from services.worker.retries import Retries
from services.worker.service import check
from services.worker.store import StoreWatch

END_BYTES = 4 << 20
"""Tags of any song, the last page of Ogg, and the tables of an MP4 of several hours."""

NEAR_BYTES = 4 << 20
"""What is no further ahead of what arrives is waited for: to ask anew costs as much."""

MOST_JUMPS = 32
"""So often a reader is followed; a file may send its reader to and fro."""

_BUFFER_BYTES = 128 * 1024


class _Stretch:
    """Bytes of the source that arrive in order; they are there from `begin` up to `arrived`."""

    def __init__(self, begin: int, end: int) -> None:
        self.begin, self.arrived, self.end = begin, begin, end


class ArrivingSource:
    """Fetches an attempt's source into the file `path`, in a thread of its own. A context manager: after it nothing
    more arrives.

    Its bytes are not yet known to be those that were checked; `check` says so.
    """

    def __init__(
        self, attempt: Attempt, storage: ObjectStorage, patiently: Retries, store: StoreWatch, path: Path
    ) -> None:
        self._attempt, self._storage, self._patiently, self._path = attempt, storage, patiently, path
        self._store = store
        self._source: separation_pb2.SourceAudio = attempt.assignment.source
        size = self._source.size_bytes
        middle = max(0, size - END_BYTES)
        self._stretches = [_Stretch(middle, size), _Stretch(0, middle)]
        self.wanted: int | None = None
        """Where a reader has waited last."""
        self._jumps = 0
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._given_up = False
        self.seconds = 0.0
        """How long it took, once all of it is there."""
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)

    def __enter__(self) -> Self:
        with self._path.open("wb") as file:
            file.truncate(self._source.size_bytes)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._given_up = True
        self._thread.join()

    def open(self) -> io.BufferedReader:
        """The file, of its full length; reading it may wait, and raises what `check` raises."""
        return io.BufferedReader(_Reader(self._path, self), _BUFFER_BYTES)

    def check(self) -> None:
        """Waits until all of it is there. Raises SourceMissing, SourceChanged, SourceUnreadable, StorageFailed, NoSpace
        or AttemptAborted."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        if sha256_of(self._path) != self._source.sha256:
            raise SourceChanged

    def wait_for(self, position: int) -> int:
        """Waits for the byte at `position`; how many are there from it on, 0 behind the end. Raises as `check`."""
        with self._changed:
            while (stretch := self._at(position)) is not None:
                if stretch.arrived > position:
                    return stretch.arrived - position
                if self._error is not None:
                    raise self._error
                self.wanted = position
                self._changed.wait()
            return 0

    def _at(self, position: int) -> _Stretch | None:
        return next((one for one in self._stretches if one.begin <= position < one.end), None)

    def _jump(self, current: _Stretch) -> bool:
        """Whether somebody waits for what is far from what arrives now."""
        wanted = self.wanted
        if wanted is None or self._jumps == MOST_JUMPS or current.arrived <= wanted < current.arrived + NEAR_BYTES:
            return False
        aim = self._at(wanted)
        return aim is not None and aim.arrived <= wanted

    def _next(self) -> _Stretch | None:
        """What is to arrive now: what somebody waits for, else the first that is not there yet."""
        with self._changed:
            left = [one for one in self._stretches if one.arrived < one.end]
            if not left:
                return None
            if not self._jump(left[0]) or self.wanted is None:
                return left[0]
            self._jumps += 1
            aim = next(one for one in left if one.begin <= self.wanted < one.end)
            self._stretches.remove(aim)
            if self.wanted < aim.arrived + NEAR_BYTES:
                self._stretches.insert(0, aim)
            else:
                rest = _Stretch(self.wanted, aim.end)
                aim.end = self.wanted
                self._stretches[:0] = [rest, aim]
            return self._stretches[0]

    def _run(self) -> None:
        begun = time.perf_counter()
        try:
            self._check_size()
            with self._path.open("r+b", buffering=0) as file:
                while (stretch := self._next()) is not None:
                    self._patiently(self._attempt, partial(self._fetch, stretch, file.fileno()))
            self._store.note_arrived(self._source.object_key)
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            blamed = self._blamed(error)
            with self._changed:
                self._error = blamed
                self._changed.notify_all()
        self.seconds = round(time.perf_counter() - begun, 4)

    def _blamed(self, error: BaseException) -> BaseException:
        """The error, or what says better whether the song or the store is at fault."""
        if isinstance(error, StorageFailed) and self._store.serves_others(self._source.object_key):
            unreadable = SourceUnreadable()
            unreadable.__cause__ = error
            return unreadable
        if isinstance(error, SourceMissing):
            try:
                self._storage.ping()
            except StemwrightError as away:
                # Without its bucket a store says the same of every song.
                failed = StorageFailed("The place where songs are kept is not there.")
                failed.__cause__ = away
                return failed
        return error

    def _check_size(self) -> None:
        stored = self._patiently(self._attempt, partial(self._storage.head, self._source.object_key))
        if stored is None:
            raise SourceMissing
        if stored.size_bytes != self._source.size_bytes:
            raise SourceChanged

    def _fetch(self, stretch: _Stretch, file: int) -> None:
        """What of the stretch has not arrived yet, or so much of it as nobody waits for anything else."""
        try:
            for chunk in self._storage.stream(self._source.object_key, stretch.arrived, stretch.end):
                if self._given_up:
                    raise SourceUnread
                check(self._attempt)
                os.pwrite(file, chunk, stretch.arrived)
                with self._changed:
                    stretch.arrived += len(chunk)
                    self._changed.notify_all()
                    if self._jump(stretch):
                        return
        except ObjectNotFound:
            raise SourceMissing from None
        if stretch.arrived != stretch.end:
            raise StorageUnavailable("the source ended early")


class SourceUnread(Exception):
    """Nobody reads the source any more."""


class _Reader(io.RawIOBase):
    """Reads no further than what has arrived."""

    def __init__(self, path: Path, source: ArrivingSource) -> None:
        self._file, self._source, self._position = path.open("rb", buffering=0), source, 0

    def readinto(self, buffer: "memoryview[int] | bytearray", /) -> int:  # type: ignore[override]
        count = min(len(buffer), self._source.wait_for(self._position))
        data = os.pread(self._file.fileno(), count, self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_CUR:
            offset += self._position
        self._position = self._file.seek(offset, io.SEEK_SET if whence == io.SEEK_CUR else whence)
        return self._position

    def tell(self) -> int:
        return self._position

    def fileno(self) -> int:
        return self._file.fileno()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()
