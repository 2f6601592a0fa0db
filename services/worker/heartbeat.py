"""What the worker says: heartbeats, progress and ends of attempts, all from one thread that may wait for the broker.

The slots never wait for Kafka. Where the broker is away, work goes on, the ends of attempts are kept and sent when it
is back, and a result is in object storage anyway, where the next attempt finds its manifest.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from separation.models.runtimes.choice import PassedOver
from services.kit.events.codec import OutgoingEvent, Record, encode
from services.kit.events.topics import FINISHED, PROGRESS, WORKERS, Owner
from services.kit.protos import separation_pb2, workers_pb2
from services.kit.telemetry import use_traceparent
from services.worker.service import Ended, Moved, News, WorkerService

_log = logging.getLogger(__name__)

SOURCE: Owner = "worker"
SEND_TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = 0.5
"""Pause after the broker did not take something that must not be lost."""

MAX_DEVICE_CHARACTERS = 120
MAX_HOST_CHARACTERS = 255
MAX_RUNTIME_CHARACTERS = 120
MAX_REASON_CHARACTERS = 300
MAX_PASSED_OVER = 100

FAREWELL_SECONDS = 5.0
"""How long a worker that is at rest tries to say its last words."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a worker is. `models`, `device`, `runtime` and `speed` change where the network runs elsewhere.

    No models: no work.
    """

    worker_id: str
    assignments_partition: int
    slots: int
    models: Sequence[separation_pb2.Model]
    device: str
    speed: float
    host: str
    runtime: str = ""
    passed_over: Sequence[PassedOver] = ()


class Producer(Protocol):
    """What the announcer needs of `EventProducer`."""

    def send_records(
        self, records: Sequence[Record], timeout_seconds: float | None = None
    ) -> Sequence[Exception | None]:
        """Puts records into the event log; for each None, or why it is not there."""


def heartbeat(identity: Identity, sequence: int, news: News) -> workers_pb2.WorkerHeartbeat:
    """The message of one heartbeat."""
    return workers_pb2.WorkerHeartbeat(
        worker_id=identity.worker_id,
        sequence=sequence,
        slots=identity.slots,
        assignments_partition=identity.assignments_partition,
        running=news.running,
        finished=news.finished,
        models=identity.models,
        device=identity.device[:MAX_DEVICE_CHARACTERS],
        speed=identity.speed,
        stopping=news.stopping,
        host=identity.host[:MAX_HOST_CHARACTERS],
        runtime=identity.runtime[:MAX_RUNTIME_CHARACTERS],
        passed_over=[
            workers_pb2.PassedOverRuntime(
                model=one.model, runtime=one.runtime, reason=one.reason[:MAX_REASON_CHARACTERS]
            )
            for one in identity.passed_over[:MAX_PASSED_OVER]
        ],
    )


class Announcer:
    """A background task: tells the orchestrator and whoever watches what `service` has to tell.

    Starts with the first heartbeat once `ready` answers who this worker is: before that nobody gives it work. Each
    heartbeat says what `at_present` makes of that.
    It ends when the service is at rest and the last word is sent, not when `stop` is set.
    """

    name = "announcer"

    def __init__(
        self,
        service: WorkerService,
        producer: Producer,
        ready: Callable[[threading.Event], Identity | None],
        *,
        heartbeat_seconds: float,
        at_present: Callable[[Identity], Identity] = lambda identity: identity,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._producer = producer
        self._ready = ready
        self._at_present = at_present
        self._heartbeat_seconds = heartbeat_seconds
        self._monotonic = monotonic
        self._sequence = 0
        self._known = threading.Event()
        self._done = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Blocks until the service is at rest and everything is told, or the broker does not listen any more."""
        try:
            identity = self._ready(stop)
            if identity is not None:
                self._announce(identity)
        finally:
            self._done.set()

    def wait_until_told(self) -> None:
        """Blocks until `run` has ended. Call it once the service is at rest."""
        self._done.wait(FAREWELL_SECONDS + 2 * SEND_TIMEOUT_SECONDS)

    def check(self) -> None:
        """Raises until the broker took a heartbeat: before that nobody knows of this worker."""
        if not self._known.is_set():
            raise RuntimeError("no heartbeat was taken yet")

    def _announce(self, identity: Identity) -> None:
        heartbeat_at = self._monotonic()
        farewell_until: float | None = None
        while True:
            news = self._service.wait_for_news(heartbeat_at)
            if news.heartbeat:
                heartbeat_at = self._monotonic() + self._heartbeat_seconds
            if self._tell(identity, news):
                if self._service.said_all:
                    return
            else:
                # What is left comes with the next heartbeat, which is made sooner.
                heartbeat_at = min(heartbeat_at, self._monotonic() + RETRY_SECONDS)
            if self._service.at_rest:
                farewell_until = farewell_until or self._monotonic() + FAREWELL_SECONDS
                if self._monotonic() > farewell_until:
                    _log.warning("the event log did not take this worker's last words")
                    return

    def _tell(self, identity: Identity, news: News) -> bool:
        """Sends the news. False where the broker lacks a heartbeat or the end of an attempt."""
        records = [_ended(entry) for entry in news.ended]
        if news.heartbeat:
            self._sequence += 1
            message = heartbeat(self._at_present(identity), self._sequence, news)
            records.append(encode(OutgoingEvent(WORKERS, identity.worker_id, message), source=SOURCE))
        certain = len(records)
        records.extend(_moved(entry) for entry in news.moved)
        if not records:
            return True
        problems = self._producer.send_records(records, SEND_TIMEOUT_SECONDS)
        there = [problem is None for problem in problems]
        heartbeat_there = news.heartbeat and there[certain - 1]
        if heartbeat_there:
            self._known.set()
        ended = [entry for entry, known in zip(news.ended, there, strict=False) if known]
        self._service.told(news, heartbeat=heartbeat_there, ended=ended)
        if not all(there[:certain]):
            problem = next(problem for problem in problems if problem is not None)
            _log.warning("the event log did not take %d of %d records: %s", there.count(False), len(there), problem)
        return all(there[:certain])


def _ended(entry: Ended) -> Record:
    with use_traceparent(entry.traceparent):
        event = OutgoingEvent(FINISHED, entry.message.job_id, entry.message, account_id=entry.account_id or None)
        return encode(event, source=SOURCE)


def _moved(entry: Moved) -> Record:
    with use_traceparent(entry.traceparent):
        return encode(OutgoingEvent(PROGRESS, entry.message.job_id, entry.message), source=SOURCE)
