"""How the threads of this process wake each other: requests that wait for a status, validators that wait for work."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class StatusSignals:
    """Passes the news that an upload's status changed between the threads of one process.

    Only a hint to look again: another process may decide, so whoever waits reads the database now and then as well.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: defaultdict[str, list[threading.Event]] = defaultdict(list)

    @contextmanager
    def expected(self, upload_id: str) -> Iterator[threading.Event]:
        """An event that `announce` sets; made before the work is handed on, so that no news is missed."""
        announced = threading.Event()
        with self._lock:
            self._waiting[upload_id].append(announced)
        try:
            yield announced
        finally:
            with self._lock:
                self._waiting[upload_id].remove(announced)
                if not self._waiting[upload_id]:
                    del self._waiting[upload_id]

    def announce(self, upload_id: str) -> None:
        """Wakes whoever waits for this upload."""
        with self._lock:
            for announced in self._waiting.get(upload_id, ()):
                announced.set()


class WorkSignal:
    """Notified of each upload that came to be checked; each notification wakes one validator."""

    def __init__(self) -> None:
        self._notified = threading.Semaphore(0)

    def notify(self) -> None:
        """Something is there to do."""
        self._notified.release()

    def wait(self, seconds: float) -> bool:
        """True if it was notified, False after so many seconds without."""
        return self._notified.acquire(timeout=seconds)
