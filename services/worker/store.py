"""Whether this worker may be given songs, by how the object store treats it.

An attempt without the store is work for nothing: its song is handed back after seconds, and the next one comes. So from
the first attempt that the store failed on, the worker offers itself for nothing until the store answers again.

A store that fails on one source and gives out others is not away: that is the end of one song, and of no other.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from services.kit.errors import StemwrightError
from services.kit.protos import separation_pb2
from services.kit.storage import ObjectNotFound, ObjectStorage
from services.worker.attempts import Attempt
from services.worker.errors import StorageFailed
from services.worker.metrics import STORE_READY

_log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0
"""The pause doubles with each attempt in a row that the store failed on: one that answers and yet takes nothing must
not keep a slot busy."""

SOURCES_REMEMBERED = 8
"""So many sources that arrived whole are known, to be asked for when another one does not. Some are deleted soon."""


class StoreWatch:
    """What attempts met at the store. Safe to share between threads; `monotonic` is in seconds."""

    def __init__(self, storage: ObjectStorage, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._problem = ""
        self._failed_in_a_row = 0
        self._look_at = 0.0
        self._arrived: deque[str] = deque(maxlen=SOURCES_REMEMBERED)
        STORE_READY.set(1)

    @property
    def problem(self) -> str:
        """Why no song should come; empty while nothing is wrong."""
        return self._problem

    def check(self) -> None:
        """Raises while no song should come."""
        if self._problem:
            raise RuntimeError(self._problem)

    def watched(
        self, separate: Callable[[Attempt], separation_pb2.SeparationSucceeded]
    ) -> Callable[[Attempt], separation_pb2.SeparationSucceeded]:
        """Does attempts as `separate` does, and notes those that the store failed on before anybody is told of them."""

        def attempt_it(attempt: Attempt) -> separation_pb2.SeparationSucceeded:
            try:
                succeeded = separate(attempt)
            except StorageFailed as error:
                self._failed(error.message)
                raise
            self._succeeded()
            return succeeded

        return attempt_it

    def note_arrived(self, key: str) -> None:
        """The store gave this source out whole."""
        with self._lock:
            if key in self._arrived:
                self._arrived.remove(key)
            self._arrived.appendleft(key)

    def serves_others(self, key: str) -> bool:
        """Whether the store now gives out a source that it gave out before, other than this one. Blocks.

        False too where no such source is left: nobody then knows whose fault it is. The bucket's own answer to a ping
        proves nothing, for that takes other rights than reading songs.
        """
        with self._lock:
            others = [other for other in self._arrived if other != key]
        for other in others:
            try:
                next(iter(self._storage.stream(other, 0, 1)))
            except ObjectNotFound:
                continue  # deleted since, with its job
            except StemwrightError:
                return False
            return True
        return False

    def look(self) -> bool:
        """Asks the store again where that is due; True where songs may come from now on. Blocks."""
        with self._lock:
            if not self._problem or self._monotonic() < self._look_at:
                return False
            failed_in_a_row = self._failed_in_a_row
        try:
            self._storage.ping()
        except StemwrightError:
            return False
        with self._lock:
            if failed_in_a_row != self._failed_in_a_row:
                return False
            self._problem = ""
        STORE_READY.set(1)
        _log.info("the object store answers again")
        return True

    def _failed(self, problem: str) -> None:
        with self._lock:
            pause_seconds = min(FIRST_PAUSE_SECONDS * 2.0 ** min(self._failed_in_a_row, 16), LONGEST_PAUSE_SECONDS)
            self._failed_in_a_row += 1
            self._look_at = self._monotonic() + pause_seconds
            known, self._problem = self._problem, problem
        STORE_READY.set(0)
        if not known:
            _log.warning("this worker takes no songs until the object store answers: %s", problem)

    def _succeeded(self) -> None:
        with self._lock:
            self._failed_in_a_row = 0
