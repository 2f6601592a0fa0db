"""What the worker decides: which assignment runs, who is told what, how it comes to rest.

One monitor (a lock with a condition) around the attempt table. The consumer's thread brings assignments and
cancellations, the slot threads bring progress and outcomes, the announcer's thread waits here for news to send.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.kit.protos import separation_pb2, workers_pb2
from services.worker.attempts import AbortReason, AssignmentDecision, Attempt, AttemptKey, AttemptTable, Stage
from services.worker.errors import AttemptAborted, AttemptFailed, AttemptStuck, WorkerBusy
from services.worker.metrics import ASSIGNMENTS

_log = logging.getLogger(__name__)

MAX_CODE_CHARACTERS = 80
MAX_MESSAGE_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of one attempt, to be produced to separation.finished.v1."""

    message: separation_pb2.SeparationFinished
    account_id: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a running attempt stands, to be produced to separation.progress.v1."""

    message: separation_pb2.SeparationProgress
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class News:
    """What the announcer sends in one batch."""

    heartbeat: bool
    running: list[workers_pb2.RunningAttempt]
    finished: list[separation_pb2.SeparationFinished]
    ended: list[Ended]
    moved: list[Moved]
    stopping: bool


class WorkerService:
    """The worker's state. All methods may be called from any thread and none blocks on anything but the lock."""

    def __init__(
        self,
        *,
        worker_id: str,
        slots: int,
        progress_seconds: float = 0.25,
        stuck_seconds: float = 900.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.worker_id = worker_id
        self.slots = slots
        self._progress_seconds = progress_seconds
        self._stuck_seconds = stuck_seconds
        self._monotonic = monotonic
        self._table = AttemptTable(worker_id, slots, monotonic)
        self._changed = threading.Condition()
        self._work: queue.SimpleQueue[Attempt | None] = queue.SimpleQueue()
        self._unsent: dict[AttemptKey, Ended] = {}
        self._moved: dict[AttemptKey, Attempt] = {}
        self._urgent = False
        self._next_progress = 0.0
        self._at_rest = False

    # From the consumer.

    def assign(
        self, assignment: separation_pb2.SeparationAssigned, *, account_id: str = "", traceparent: str | None = None
    ) -> AssignmentDecision:
        """Takes an assignment into a slot, or says why not. Every refusal but of a foreign or stale one is told to the
        orchestrator, by a SeparationFinished or by the next heartbeat."""
        with self._changed:
            decision = self._table.decide(assignment)
            attempt = Attempt(assignment, account_id, traceparent)
            match decision:
                case AssignmentDecision.TAKE:
                    self._table.take(attempt)
                    self._work.put(attempt)
                case AssignmentDecision.FINISHED:
                    self._table.ask_again(attempt.key)
                case AssignmentDecision.BUSY:
                    self._end(attempt, failed(WorkerBusy("The worker had no free slot for this song.")))
                case AssignmentDecision.STOPPING:
                    self._end(attempt, aborted(AbortReason.SHUTDOWN))
                case _:
                    pass
            if decision not in (AssignmentDecision.FOREIGN, AssignmentDecision.STALE):
                self._wake()
        ASSIGNMENTS.labels(decision.value).inc()
        _log.log(
            logging.DEBUG if decision is AssignmentDecision.FOREIGN else logging.INFO,
            "assignment of %s attempt %d: %s",
            assignment.job_id,
            assignment.attempt,
            decision.value,
        )
        return decision

    def cancel(self, cancellation: separation_pb2.SeparationCanceled, *, account_id: str = "") -> None:
        """Tells an attempt to stop at its next chunk. One that never came here is noted as cancelled, so that its
        assignment, should it still come, is not work."""
        if cancellation.worker_id != self.worker_id:
            return
        key = AttemptKey(cancellation.job_id, cancellation.attempt)
        with self._changed:
            if self._table.cancel(key):
                self._changed.notify_all()
                return
            if self._table.knows(key):
                self._table.ask_again(key)
            else:
                never_ran = separation_pb2.SeparationAssigned(job_id=key.job_id, attempt=key.attempt)
                self._end(Attempt(never_ran, account_id, None), aborted(AbortReason.CANCELED))
            self._wake()

    # From the slots.

    def next_attempt(self) -> Attempt | None:
        """Waits for work. None: this thread is no longer needed."""
        return self._work.get()

    def pause(self, attempt: Attempt, seconds: float) -> None:
        """Waits; a word to stop ends the wait and is raised as AttemptAborted."""
        with self._changed:
            attempt.moved_at_seconds = self._monotonic()
            self._changed.wait_for(lambda: attempt.abort is not None, seconds)
        check(attempt)

    def progress(self, attempt: Attempt, stage: Stage, fraction: float) -> None:
        """Notes where an attempt stands; told to others a few times a second at most."""
        with self._changed:
            attempt.stage = stage
            attempt.moved_at_seconds = self._monotonic()
            # A reader sees progress go one way, whatever the engine's estimate does.
            attempt.fraction = min(1.0, max(attempt.fraction, fraction))
            self._moved[attempt.key] = attempt
            self._changed.notify_all()

    def playable(self, attempt: Attempt, seconds: float) -> None:
        """Notes how much of an attempt can be listened to. Of the first of it the orchestrator hears at once."""
        with self._changed:
            first = not attempt.playable_seconds
            attempt.playable_seconds = seconds
            attempt.moved_at_seconds = self._monotonic()
            self._moved[attempt.key] = attempt
            self._urgent = self._urgent or first
            self._changed.notify_all()

    def finish(self, attempt: Attempt, outcome: separation_pb2.SeparationFinished) -> None:
        """Notes how an attempt ended. `outcome` carries the outcome alone; whose it is is filled in here."""
        with self._changed:
            self._end(attempt, outcome)
            self._wake()

    # Coming to rest.

    def drain(self) -> None:
        """Takes no new work; says so at once."""
        with self._changed:
            self._table.drain()
            self._wake()

    def wait_idle(self, timeout_seconds: float) -> bool:
        """Waits until nothing runs. False: it still does."""
        with self._changed:
            return self._changed.wait_for(lambda: self._table.idle, timeout_seconds)

    def abort_all(self, reason: AbortReason) -> None:
        """Tells every running attempt to stop at its next chunk."""
        with self._changed:
            self._table.abort_all(reason)
            self._changed.notify_all()

    def rest(self) -> None:
        """Lets the slot threads and, once the last word is sent, the announcer end."""
        with self._changed:
            self._at_rest = True
            for _ in range(self.slots):
                self._work.put(None)
            self._wake()

    # From the announcer.

    def wait_for_news(self, heartbeat_at: float) -> News:
        """Waits for something to tell, at most until `heartbeat_at` (monotonic seconds), when a heartbeat is due.

        Raises AttemptStuck: heartbeats would renew the lease of an attempt that will never end.
        """
        with self._changed:
            if (stuck := self._table.stuck(self._stuck_seconds)) is not None:
                raise AttemptStuck(f"{stuck.job_id} attempt {stuck.attempt} made no progress for too long")
            while True:
                now = self._monotonic()
                progress_due = bool(self._moved) and now >= self._next_progress
                if self._urgent or progress_due or now >= heartbeat_at:
                    break
                until = min(heartbeat_at, self._next_progress) if self._moved else heartbeat_at
                self._changed.wait(until - now)
            heartbeat = self._urgent or now >= heartbeat_at
            self._urgent = False
            moved: list[Moved] = []
            if progress_due:
                moved = [self._progress_of(attempt) for attempt in self._moved.values()]
                self._moved.clear()
                self._next_progress = now + self._progress_seconds
            return News(
                heartbeat=heartbeat,
                running=self._table.running(),
                finished=self._table.finished(),
                ended=list(self._unsent.values()),
                moved=moved,
                stopping=self._table.stopping,
            )

    def told(self, news: News, *, heartbeat: bool, ended: list[Ended]) -> None:
        """Notes what of the news the broker has."""
        with self._changed:
            if heartbeat:
                self._table.told(news.finished)
            for entry in ended:
                self._unsent.pop(AttemptKey(entry.message.job_id, entry.message.attempt), None)

    @property
    def at_rest(self) -> bool:
        """Whether nothing runs and nothing will."""
        with self._changed:
            return self._at_rest

    @property
    def said_all(self) -> bool:
        """Whether the worker is at rest and nothing is left to tell."""
        with self._changed:
            return self._at_rest and not self._unsent and not self._urgent

    @property
    def busy_slots(self) -> int:
        with self._changed:
            return self._table.busy_slots

    def _end(self, attempt: Attempt, outcome: separation_pb2.SeparationFinished) -> None:
        message = separation_pb2.SeparationFinished(
            worker_id=self.worker_id, job_id=attempt.key.job_id, attempt=attempt.key.attempt
        )
        message.MergeFrom(outcome)
        self._table.finish(message)
        self._moved.pop(attempt.key, None)
        self._unsent[attempt.key] = Ended(message, attempt.account_id, attempt.traceparent)

    def tell_soon(self) -> None:
        """Makes the next heartbeat come at once: something changed that it says."""
        with self._changed:
            self._wake()

    def _wake(self) -> None:
        self._urgent = True
        self._changed.notify_all()

    def _progress_of(self, attempt: Attempt) -> Moved:
        message = separation_pb2.SeparationProgress(
            worker_id=self.worker_id,
            job_id=attempt.key.job_id,
            attempt=attempt.key.attempt,
            stage=attempt.stage.value,
            fraction=attempt.fraction,
            account_id=attempt.account_id,
            playable_seconds=attempt.playable_seconds,
        )
        return Moved(message, attempt.traceparent)


def check(attempt: Attempt) -> None:
    """Raises AttemptAborted where the attempt was told to stop."""
    if attempt.abort is not None:
        raise AttemptAborted(attempt.abort)


def failed(error: AttemptFailed) -> separation_pb2.SeparationFinished:
    """The outcome of an attempt that could not be brought to its end."""
    return separation_pb2.SeparationFinished(
        failed=separation_pb2.SeparationFailed(
            code=error.code[:MAX_CODE_CHARACTERS],
            message=error.message[:MAX_MESSAGE_CHARACTERS],
            retryable=error.retryable,
        )
    )


def aborted(reason: AbortReason) -> separation_pb2.SeparationFinished:
    """The outcome of an attempt that was told to stop."""
    return separation_pb2.SeparationFinished(aborted=separation_pb2.SeparationAborted(reason=reason.value))
