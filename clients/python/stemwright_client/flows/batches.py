"""The end of a batch."""

import time

from stemwright_client import calls
from stemwright_client.errors import WaitExpired
from stemwright_client.flows.sending import send
from stemwright_client.models import Batch
from stemwright_client.steps import Flow, Sleep

_FIRST_PAUSE_SECONDS = 1.0
_LAST_PAUSE_SECONDS = 15.0


def wait(batch_id: str, patience_seconds: float, timeout_seconds: float | None) -> Flow[Batch]:
    """The batch when its last song has ended, by asking less and less often. Raises WaitExpired."""
    until = time.monotonic() + timeout_seconds if timeout_seconds is not None else float("inf")
    pause = _FIRST_PAUSE_SECONDS
    while not (batch := (yield from send(calls.batch(batch_id), patience_seconds))).has_ended:
        if time.monotonic() + pause > until:
            raise WaitExpired(f"{batch_id} is still {batch.status}")
        yield Sleep(pause)
        pause = min(_LAST_PAUSE_SECONDS, pause * 1.5)
    return batch
