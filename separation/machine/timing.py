"""How long each stage takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class StageClock:
    """Adds up wall-clock seconds by stage, of all threads: where stages overlap, more than the time that passed."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = Lock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            passed = time.perf_counter() - begun
            with self._lock:
                self.seconds[name] = self.seconds.get(name, 0.0) + passed
