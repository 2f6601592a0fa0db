"""What a worker is up to, by what was last heard of it."""

from datetime import datetime, timedelta
from typing import Literal

from services.orchestrator.workers.models import Worker

WorkerState = Literal["live", "draining", "drained", "stopping", "passed_over", "silent"]


def state_of(worker: Worker, now: datetime, silent_after: timedelta) -> WorkerState:
    """`live` takes work; `silent` was not heard for longer than that."""
    if worker.last_seen_at < now - silent_after:
        return "silent"
    if worker.stopping:
        return "stopping"
    if worker.drained_at is not None:
        return "draining" if worker.running else "drained"
    if worker.passed_over_until is not None and worker.passed_over_until > now:
        return "passed_over"
    return "live"
