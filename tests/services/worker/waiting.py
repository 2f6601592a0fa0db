"""Waiting for what must come to hold."""

import threading
import time
from collections.abc import Callable

from services.worker.inference.triton.model import Timeouts

PATIENT = Timeouts(call_seconds=180.0, answer_seconds=600.0)
"""A server of a test answers as soon as the machine lets it."""


def until(condition: Callable[[], bool], seconds: float = 180.0) -> None:
    """Blocks until the condition holds; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.01)
