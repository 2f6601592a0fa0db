"""A process that goes no further for a while."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """It does nothing for as long as the block lasts: connections stay open, and nobody answers."""
    os.kill(pid, signal.SIGSTOP)
    try:
        # A signal is sent, not obeyed, when `kill` returns: a thread may still answer what it has read.
        for thread in Path(f"/proc/{pid}/task").iterdir():
            while (thread / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "T":
                time.sleep(0.001)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
