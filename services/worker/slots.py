"""The slots: one thread each, one separation at a time in each, and how they come to rest at the end of the process."""

import logging
import threading
from collections.abc import Callable

from services.kit.protos import separation_pb2
from services.kit.telemetry import span, use_ids
from services.worker.attempts import AbortReason, Attempt
from services.worker.errors import AttemptAborted, AttemptFailed
from services.worker.memory import give_back
from services.worker.metrics import ATTEMPTS
from services.worker.service import WorkerService, aborted, check, failed

_log = logging.getLogger(__name__)

LAST_CHUNK_SECONDS = 15.0
"""How long a running attempt may take to notice that it was told to stop."""


class SlotPool:
    """A background task: runs attempts in `service.slots` threads until it is told to stop.

    `separate` does one attempt and returns its success, or raises; it calls `check` between chunks.
    `grace_seconds` is what running attempts get to end by themselves once the process was told to stop.
    """

    name = "slots"

    def __init__(
        self,
        service: WorkerService,
        separate: Callable[[Attempt], separation_pb2.SeparationSucceeded],
        *,
        grace_seconds: float,
    ) -> None:
        self._service = service
        self._separate = separate
        self._grace_seconds = grace_seconds

    def run(self, stop: threading.Event) -> None:
        """Blocks until `stop` is set. Whoever sets it calls `drain` before."""
        threads = [
            threading.Thread(target=self._slot, name=f"slot-{number}", daemon=True)
            for number in range(self._service.slots)
        ]
        for thread in threads:
            thread.start()
        stop.wait()

    def drain(self) -> None:
        """Takes nothing new, waits for what runs, and after the grace gives it up. Blocks until the slots are at rest.

        Heartbeats go on and cancellations come in meanwhile.
        """
        self._service.drain()
        if not self._service.wait_idle(self._grace_seconds):
            _log.warning("running attempts are given up for the shutdown")
            self._service.abort_all(AbortReason.SHUTDOWN)
            self._service.wait_idle(LAST_CHUNK_SECONDS)
        self._service.rest()

    def _slot(self) -> None:
        while (attempt := self._service.next_attempt()) is not None:
            ids = use_ids(account_id=attempt.account_id, job_id=attempt.key.job_id)
            with span("separation", attempt.traceparent), ids:
                self._service.finish(attempt, self._outcome(attempt))
            give_back()

    def _outcome(self, attempt: Attempt) -> separation_pb2.SeparationFinished:
        names = {"job_id": attempt.key.job_id, "attempt": attempt.key.attempt}
        try:
            check(attempt)
            succeeded = self._separate(attempt)
        except AttemptAborted as error:
            _log.info("attempt aborted: %s", error.reason.value, extra=names)
            ATTEMPTS.labels(error.reason.value).inc()
            return aborted(error.reason)
        except AttemptFailed as error:
            _log.warning("attempt failed: %s: %s", error.code, error.message, extra=names)
            ATTEMPTS.labels(error.code).inc()
            return failed(error)
        except Exception:  # noqa: BLE001
            # One song must not take the others of this worker down; the orchestrator limits the attempts.
            _log.exception("attempt failed in a way that was not foreseen", extra=names)
            ATTEMPTS.labels(AttemptFailed.code).inc()
            return failed(AttemptFailed("Something went wrong on our side while this song was separated."))
        _log.info("attempt succeeded", extra=names)
        ATTEMPTS.labels("succeeded").inc()
        return separation_pb2.SeparationFinished(succeeded=succeeded)
