import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from google.protobuf.message import Message

from separation.models.runtimes.choice import PassedOver
from services.kit.events.codec import Record
from services.kit.events.topics import ASSIGNMENTS, FINISHED, PROGRESS, WORKERS, assignments_partition
from services.kit.ids import new_id
from services.kit.protos import separation_pb2, workers_pb2
from services.worker.attempts import Stage
from services.worker.heartbeat import MAX_REASON_CHARACTERS, Announcer, Identity
from services.worker.service import WorkerService
from tests.services.worker.assignments import assigned, succeeded


class Log:
    """An event log in memory, which may be away."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.away = False

    def send_records(
        self, records: Sequence[Record], timeout_seconds: float | None = None
    ) -> Sequence[Exception | None]:
        if self.away:
            return [ConnectionError("away")] * len(records)
        types: dict[str, type[Message]] = {
            WORKERS.name: workers_pb2.WorkerHeartbeat,
            FINISHED.name: separation_pb2.SeparationFinished,
            PROGRESS.name: separation_pb2.SeparationProgress,
        }
        self.messages += [types[record.topic].FromString(record.value) for record in records]
        return [None] * len(records)

    def heartbeats(self) -> list[workers_pb2.WorkerHeartbeat]:
        return [message for message in self.messages if isinstance(message, workers_pb2.WorkerHeartbeat)]

    def ends(self) -> list[separation_pb2.SeparationFinished]:
        return [message for message in self.messages if isinstance(message, separation_pb2.SeparationFinished)]


def until(condition: Callable[[], bool], seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.005)


class Worker:
    def __init__(self, heartbeat_seconds: float = 60.0) -> None:
        self.id = new_id("wrk")
        self.log = Log()
        self.service = WorkerService(worker_id=self.id, slots=2)
        self.identity = Identity(
            worker_id=self.id,
            assignments_partition=assignments_partition(self.id),
            slots=2,
            models=[separation_pb2.Model(name="spleeter-2stems", digest="sha256:0")],
            device="cpu",
            speed=20.0,
            host="here",
            runtime="onnxruntime 1.32.0 fp32",
            passed_over=[PassedOver("spleeter-2stems", "winograd x86_64_v3", "wrong by 0.010 " + 1000 * "x")],
        )
        self.announcer = Announcer(
            self.service, self.log, lambda stop: self.identity, heartbeat_seconds=heartbeat_seconds
        )
        self.thread = threading.Thread(target=self.announcer.run, args=(threading.Event(),))

    def start(self) -> None:
        self.thread.start()

    def end(self) -> None:
        self.service.rest()
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    worker.start()
    yield worker
    worker.log.away = False
    worker.end()


def test_the_first_heartbeat_introduces_the_worker(worker: Worker) -> None:
    until(lambda: bool(worker.log.heartbeats()))
    first = worker.log.heartbeats()[0]
    assert (first.worker_id, first.sequence, first.slots, first.device) == (worker.id, 1, 2, "cpu")
    assert 0 <= first.assignments_partition < ASSIGNMENTS.partitions
    assert [model.name for model in first.models] == ["spleeter-2stems"]
    assert first.runtime == "onnxruntime 1.32.0 fp32"
    [passed_over] = first.passed_over
    assert (passed_over.model, passed_over.runtime) == ("spleeter-2stems", "winograd x86_64_v3")
    assert passed_over.reason.startswith("wrong by 0.010")
    assert len(passed_over.reason) == MAX_REASON_CHARACTERS
    assert not first.running
    assert not first.stopping
    worker.announcer.check()


def test_a_start_and_an_end_are_told_without_waiting_for_the_next_heartbeat(worker: Worker) -> None:
    job_id = new_id("job")
    worker.service.assign(assigned(worker.id, job_id=job_id))
    attempt = worker.service.next_attempt()
    assert attempt is not None
    until(lambda: any(beat.running for beat in worker.log.heartbeats()))
    worker.service.progress(attempt, Stage.SEPARATING, 0.4)
    worker.service.finish(attempt, succeeded())
    until(lambda: any(beat.finished for beat in worker.log.heartbeats()))
    assert [end.job_id for end in worker.log.ends()] == [job_id]
    sequences = [beat.sequence for beat in worker.log.heartbeats()]
    assert sequences == sorted(set(sequences))


def test_heartbeats_come_by_themselves() -> None:
    worker = Worker(heartbeat_seconds=0.05)
    worker.start()
    until(lambda: len(worker.log.heartbeats()) >= 3)
    worker.end()


def test_nothing_is_lost_while_the_event_log_is_away(worker: Worker) -> None:
    until(lambda: bool(worker.log.heartbeats()))
    worker.log.away = True
    worker.service.assign(assigned(worker.id))
    attempt = worker.service.next_attempt()
    assert attempt is not None
    worker.service.finish(attempt, succeeded())
    worker.log.away = False
    until(lambda: len(worker.log.ends()) == 1)
    until(lambda: worker.log.heartbeats()[-1].sequence > 1)


def test_the_last_heartbeat_says_that_the_worker_stops() -> None:
    worker = Worker()
    worker.start()
    until(lambda: bool(worker.log.heartbeats()))
    worker.service.drain()
    worker.end()
    assert worker.log.heartbeats()[-1].stopping
