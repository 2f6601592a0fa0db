"""What the tests of the real worker process need: the orchestrator's part is played here, everything else is real."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from services.kit.events.brokers import Brokers
from services.kit.events.codec import Event, OutgoingEvent, encode
from services.kit.events.consumer import Consumer
from services.kit.events.producer import EventProducer
from services.kit.events.topics import ASSIGNMENTS, FINISHED, PROGRESS, WORKERS
from services.kit.ids import new_id
from services.kit.object_keys import source_key
from services.kit.protos import separation_pb2, workers_pb2
from services.kit.s3 import S3Storage
from services.local.sockets import LOOPBACK, free_port
from tests.object_store import ObjectStore
from tests.services.worker import tiny_model

DEADLINE_SECONDS = 480.0
ACCOUNT = "usr_01hzzzzzzzzzzzzzzzzzzzzzzz"
PATIENT_WORKER = """
from services.worker import heartbeat, slots
from services.worker.main import main
heartbeat.FAREWELL_SECONDS = slots.LAST_CHUNK_SECONDS = 240.0
main()
"""
"""One that stops may take its time over its last chunk and its last words: on a busy machine it needs it."""


class Orchestrator:
    """Hands out assignments and hears everything that workers say."""

    def __init__(self, brokers: Brokers) -> None:
        self._producer = EventProducer(brokers, "orchestrator")
        self._heard: list[Event] = []
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._consumer = Consumer(
            brokers,
            name="test-orchestrator",
            group=None,
            topics=[WORKERS, FINISHED, PROGRESS],
            handlers={
                workers_pb2.WorkerHeartbeat: self._hear,
                separation_pb2.SeparationFinished: self._hear,
                separation_pb2.SeparationProgress: self._hear,
            },
        )
        self._thread = threading.Thread(target=self._consumer.run, args=(self._stop,), daemon=True)

    def __enter__(self) -> "Orchestrator":
        self._thread.start()
        assert self._consumer.wait_until_ready(DEADLINE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(DEADLINE_SECONDS)
        self._producer.close()

    def _hear(self, event: Event) -> None:
        with self._changed:
            self._heard.append(event)
            self._changed.notify_all()

    def heard(self, kind: type[Message], **fields: object) -> list[Any]:
        """Messages of that kind so far with these fields."""
        with self._changed:
            return [
                event.data
                for event in self._heard
                if isinstance(event.data, kind) and all(getattr(event.data, k) == v for k, v in fields.items())
            ]

    def events(self, kind: type[Message]) -> list[Event]:
        with self._changed:
            return [event for event in self._heard if isinstance(event.data, kind)]

    def wait(self, what: Callable[[], Any], seconds: float = DEADLINE_SECONDS) -> Any:
        """Waits until `what` is true of what was heard, and returns it."""
        with self._changed:
            result = self._changed.wait_for(what, seconds)
        assert result, "it was not heard of in time"
        return result

    def heartbeats(self, worker_id: str) -> list[workers_pb2.WorkerHeartbeat]:
        return self.heard(workers_pb2.WorkerHeartbeat, worker_id=worker_id)

    def has_ended(self, job_id: str) -> bool:
        """Whether the end of one of its attempts was heard of."""
        return bool(self.heard(separation_pb2.SeparationFinished, job_id=job_id))

    def end_of(self, job_id: str, attempt: int = 1, seconds: float = DEADLINE_SECONDS) -> Any:
        """Waits for the event that ends an attempt."""
        kind = separation_pb2.SeparationFinished
        return self.wait(lambda: self.heard(kind, job_id=job_id, attempt=attempt), seconds)[0]

    def wait_stage(self, job_id: str, stage: str) -> None:
        """Waits until an attempt is said to be in that stage."""
        self.wait(lambda: self.heard(separation_pb2.SeparationProgress, job_id=job_id, stage=stage))

    def send(self, worker: "Worker", message: Message) -> None:
        """Once or, where the broker was slow to say that it has it, more often: as the real one does."""
        event = OutgoingEvent(
            ASSIGNMENTS,
            getattr(message, "worker_id"),  # noqa: B009 - both kinds have it
            message,
            partition=worker.partition,
            account_id=ACCOUNT,
        )
        worker.until(lambda: self._producer.send_records([encode(event)]) == [None])

    def cancel(self, worker: "Worker", job_id: str, attempt: int = 1) -> None:
        self.send(worker, separation_pb2.SeparationCanceled(worker_id=worker.id, job_id=job_id, attempt=attempt))


class Worker:
    """A worker process and what its first heartbeat said."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path, temp: Path) -> None:
        self.process = process
        self.url = url
        self.log = log
        self.temp = temp
        self.id = ""
        self.partition = -1

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of an answer; status 0 where nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def until(self, condition: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"it did not happen in time; the worker's log:\n{self.log.read_text()}"
            assert self.process.poll() is None, f"the worker ended:\n{self.log.read_text()}"
            threading.Event().wait(0.02)

    def stop(self, number: int = signal.SIGTERM, seconds: float = DEADLINE_SECONDS) -> int:
        """Sends the signal and returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(seconds)

    def left_behind(self) -> list[str]:
        """Everything but the lock in the worker's private folder."""
        return [str(path) for path in (self.temp / self.id).iterdir() if path.name != "lock"]


class Harness:
    """Broker, store, model, and workers on demand."""

    def __init__(self, folder: Path, bootstrap: str, store: ObjectStore) -> None:
        self.folder = folder
        self.bootstrap = bootstrap
        self.store = store
        self.storage: S3Storage = store.new_bucket()
        self.model = tiny_model.make_tiny_model(folder / "models")
        self.orchestrator = Orchestrator(Brokers(bootstrap))
        self._started = 0

    @contextmanager
    def starting(self, **settings: object) -> Iterator[Worker]:
        """A worker process that has just been started; killed at the end where it still lives."""
        self._started += 1
        log = self.folder / f"worker-{self._started}.log"
        port = free_port(LOOPBACK)
        temp = self.folder / "temp"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("STEMWRIGHT_")},
            **{name.upper(): value for name, value in self.store.settings(self.storage.bucket).items()},
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "STEMWRIGHT_PORT": str(port),
            "STEMWRIGHT_MODEL_REPOSITORY": str(self.folder / "models"),
            "STEMWRIGHT_WORKER_MODEL": tiny_model.NAME,
            "STEMWRIGHT_WORKER_HEARTBEAT_SECONDS": "0.5",
            "STEMWRIGHT_WORKER_TEMP_DIR": str(temp),
            **{f"STEMWRIGHT_WORKER_{name.upper()}": str(value) for name, value in settings.items()},
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", PATIENT_WORKER], env=environment, stdout=output, stderr=output
            )
        try:
            yield Worker(process, f"http://127.0.0.1:{port}", log, temp)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    @contextmanager
    def worker(self, **settings: object) -> Iterator[Worker]:
        """A worker that is ready, and known by its first heartbeat."""
        known = {event.key for event in self.orchestrator.events(workers_pb2.WorkerHeartbeat)}

        def introduced() -> list[Event]:
            heard = self.orchestrator.events(workers_pb2.WorkerHeartbeat)
            return [event for event in heard if event.key not in known]

        with self.starting(**settings) as worker:
            worker.until(lambda: worker.get("/readyz")[0] == 200)
            first = self.orchestrator.wait(introduced)[0].data
            worker.id, worker.partition = first.worker_id, first.assignments_partition
            yield worker

    def upload(self, song: Path) -> separation_pb2.SourceAudio:
        """Puts a song where the upload service would."""
        data = song.read_bytes()
        key = source_key(new_id("upl"))
        self.storage.put_bytes(key, data, "application/octet-stream")
        return separation_pb2.SourceAudio(
            object_key=key, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), duration_seconds=1.0
        )

    def assignment(
        self,
        worker: Worker,
        source: separation_pb2.SourceAudio,
        *,
        job_id: str | None = None,
        attempt: int = 1,
        seconds: float = 600.0,
    ) -> separation_pb2.SeparationAssigned:
        job_id = job_id or new_id("job")
        assignment = separation_pb2.SeparationAssigned(
            worker_id=worker.id,
            job_id=job_id,
            attempt=attempt,
            source=source,
            stems=["vocals", "instrumental"],
            output=separation_pb2.OutputFormat(format="flac"),
            model=separation_pb2.Model(name=self.model.name, digest=self.model.digest),
            output_prefix=f"stems/{job_id}",
        )
        assignment.deadline.FromDatetime(datetime.now(UTC) + timedelta(seconds=seconds))
        return assignment

    def stored(self, job_id: str, attempt: int = 1) -> list[str]:
        """Names of the objects of an attempt."""
        prefix = f"stems/{job_id}/{attempt}/"
        return sorted(item.key.removeprefix(prefix) for item in self.storage.list_objects(prefix))

    def manifest(self, end: separation_pb2.SeparationFinished) -> dict[str, Any]:
        """The manifest that a success names, as it lies in the store."""
        assert end.WhichOneof("outcome") == "succeeded", end
        data = self.storage.read_bytes(end.succeeded.manifest_key, 1 << 20)
        assert data == end.succeeded.manifest
        document: dict[str, Any] = json.loads(data)
        return document
