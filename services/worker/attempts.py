"""What this worker knows of attempts: which run, which ended lately, and what an incoming message means for it.

A pure state machine: no thread, no clock of its own, no message sent. `service.py` guards it with a lock.

    (unknown) ──take──> running ───────finish──────> finished ──10 min, or 32 later──> (forgotten)
                           │                             ↑
      cancel, shutdown, a higher attempt                 │
                           └──> running, told to stop ──finish

The attempt number is the fencing token: of one job only the highest attempt counts, and a lower one is stale.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from services.kit.protos import separation_pb2, workers_pb2

FINISHED_KEPT_SECONDS = 600.0
FINISHED_KEPT = 32
"""How long, and how many, ended attempts are repeated in heartbeats."""

FINISHED_BYTES = 256 * 1024
"""How much of them one heartbeat carries, half of what a record may have; the others have their turn in the next."""

FIRST_PAUSE_SECONDS = 1.0
"""An ended attempt is repeated after this time, then after twice, four times ... the time."""

JOBS_REMEMBERED = 4096
"""Jobs whose highest attempt is remembered, so that an old assignment read again is not work."""


class AttemptKey(NamedTuple):
    """Names one attempt of one job."""

    job_id: str
    attempt: int


class Stage(StrEnum):
    """What a running attempt is doing; the names are part of the event contract."""

    DOWNLOADING = "downloading"
    SEPARATING = "separating"
    UPLOADING = "uploading"


class AbortReason(StrEnum):
    """Why a running attempt is told to stop; the names are part of the event contract."""

    CANCELED = "canceled"
    SHUTDOWN = "shutdown"
    STALE = "stale"


class AssignmentDecision(StrEnum):
    """What to do with an assignment."""

    TAKE = "take"
    FOREIGN = "foreign"
    """It names another worker."""
    RUNNING = "running"
    """It runs already; the heartbeat says so."""
    FINISHED = "finished"
    """It ended already; the heartbeat says how."""
    STALE = "stale"
    """A higher attempt of the job was seen."""
    BUSY = "busy"
    """Every slot is taken."""
    STOPPING = "stopping"
    """This worker takes no new work."""


@dataclass(slots=True)
class Attempt:
    """A running attempt. Its thread reads `abort` between chunks."""

    assignment: separation_pb2.SeparationAssigned
    account_id: str
    traceparent: str | None
    stage: Stage = Stage.DOWNLOADING
    fraction: float = 0.0
    playable_seconds: float = 0.0
    """How much of it is in the store to be listened to, from its beginning."""
    abort: AbortReason | None = None
    moved_at_seconds: float = 0.0
    """When it last showed that it goes on, on the table's clock."""

    @property
    def key(self) -> AttemptKey:
        return AttemptKey(self.assignment.job_id, self.assignment.attempt)


@dataclass(slots=True)
class _Finished:
    """`pause_seconds` doubles each time the message was told, so that a long list costs the broker little."""

    message: separation_pb2.SeparationFinished
    at_seconds: float
    due_seconds: float
    pause_seconds: float


@dataclass(slots=True)
class AttemptTable:
    """Running and finished attempts of one worker process.

    `monotonic` is in seconds and never goes back. What time it is decides nothing here: whether an assignment is still
    good is judged by the orchestrator alone, which recalls what a heartbeat says is run and should not be.
    """

    worker_id: str
    slots: int
    monotonic: Callable[[], float]
    stopping: bool = False
    _running: dict[AttemptKey, Attempt] = field(default_factory=dict)
    _finished: deque[_Finished] = field(default_factory=deque)
    _highest: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def decide(self, assignment: separation_pb2.SeparationAssigned) -> AssignmentDecision:
        """What to do with an assignment. Changes nothing."""
        if assignment.worker_id != self.worker_id:
            return AssignmentDecision.FOREIGN
        key = AttemptKey(assignment.job_id, assignment.attempt)
        if self.knows(key):
            return self._decide_known(key)
        if self.stopping:
            return AssignmentDecision.STOPPING
        # A lower attempt of this job that still runs is stale from now on and gives its slot up.
        others = sum(1 for running in self._counted() if running.job_id != key.job_id)
        return AssignmentDecision.TAKE if others < self.slots else AssignmentDecision.BUSY

    def _decide_known(self, key: AttemptKey) -> AssignmentDecision:
        if key in self._running:
            return AssignmentDecision.RUNNING
        return AssignmentDecision.FINISHED if key.attempt == self._highest[key.job_id] else AssignmentDecision.STALE

    def take(self, attempt: Attempt) -> None:
        """Enters a new attempt as running. A lower attempt of the same job is stale from here on and told to stop."""
        self._remember(attempt.key)
        for key, running in self._running.items():
            if key.job_id == attempt.key.job_id:
                running.abort = AbortReason.STALE
        attempt.moved_at_seconds = self.monotonic()
        self._running[attempt.key] = attempt

    def stuck(self, limit_seconds: float) -> AttemptKey | None:
        """A running attempt that has shown no progress for longer than the limit, if there is one."""
        oldest = self.monotonic() - limit_seconds
        return next((key for key, attempt in self._running.items() if attempt.moved_at_seconds < oldest), None)

    def cancel(self, key: AttemptKey) -> bool:
        """Tells a running attempt to stop. True if it runs here."""
        attempt = self._running.get(key)
        if attempt is not None and attempt.abort is None:
            attempt.abort = AbortReason.CANCELED
        return attempt is not None

    def knows(self, key: AttemptKey) -> bool:
        """Whether this attempt, or a higher one of its job, runs or ran here."""
        return key.attempt <= self._highest.get(key.job_id, 0)

    def drain(self) -> None:
        """Takes nothing new from here on."""
        self.stopping = True

    def abort_all(self, reason: AbortReason) -> None:
        """Tells every running attempt to stop."""
        for attempt in self._running.values():
            if attempt.abort is None:
                attempt.abort = reason

    def finish(self, message: separation_pb2.SeparationFinished) -> None:
        """Moves an attempt from running to finished, or enters one that was refused as finished."""
        key = AttemptKey(message.job_id, message.attempt)
        self._running.pop(key, None)
        self._remember(key)
        now = self.monotonic()
        self._finished.append(_Finished(message, at_seconds=now, due_seconds=now, pause_seconds=FIRST_PAUSE_SECONDS))
        self._forget_old()

    def ask_again(self, key: AttemptKey) -> None:
        """Puts an ended attempt into the next heartbeat: somebody does not know of it."""
        for entry in self._finished:
            if (entry.message.job_id, entry.message.attempt) == key:
                entry.due_seconds = self.monotonic()

    def told(self, messages: Iterable[separation_pb2.SeparationFinished]) -> None:
        """Notes that the broker has a heartbeat with these messages."""
        now = self.monotonic()
        keys = {AttemptKey(message.job_id, message.attempt) for message in messages}
        for entry in self._finished:
            if (entry.message.job_id, entry.message.attempt) in keys:
                entry.due_seconds = now + entry.pause_seconds
                entry.pause_seconds *= 2

    @property
    def busy_slots(self) -> int:
        """Slots taken, as the orchestrator should see it: an attempt that became stale gives its slot up at once."""
        return sum(1 for _ in self._counted())

    @property
    def idle(self) -> bool:
        """Whether no attempt runs, stale ones included."""
        return not self._running

    def running(self) -> list[workers_pb2.RunningAttempt]:
        """Running attempts, for the heartbeat."""
        return [
            workers_pb2.RunningAttempt(
                job_id=key.job_id,
                attempt=key.attempt,
                stage=self._running[key].stage.value,
                fraction=self._running[key].fraction,
                playable_seconds=self._running[key].playable_seconds,
            )
            for key in self._counted()
        ]

    def finished(self) -> list[separation_pb2.SeparationFinished]:
        """What ended lately and is due to be told again, oldest first, for the heartbeat."""
        self._forget_old()
        now = self.monotonic()
        due: list[separation_pb2.SeparationFinished] = []
        size = 0
        for entry in self._finished:
            size += entry.message.ByteSize() if entry.due_seconds <= now else 0
            if due and size > FINISHED_BYTES:
                break
            if entry.due_seconds <= now:
                due.append(entry.message)
        return due

    def _counted(self) -> Iterator[AttemptKey]:
        return (key for key, attempt in self._running.items() if attempt.abort is not AbortReason.STALE)

    def _remember(self, key: AttemptKey) -> None:
        self._highest[key.job_id] = max(key.attempt, self._highest.get(key.job_id, 0))
        self._highest.move_to_end(key.job_id)
        while len(self._highest) > JOBS_REMEMBERED:
            self._highest.popitem(last=False)

    def _forget_old(self) -> None:
        oldest = self.monotonic() - FINISHED_KEPT_SECONDS
        while self._finished and (len(self._finished) > FINISHED_KEPT or self._finished[0].at_seconds < oldest):
            self._finished.popleft()
