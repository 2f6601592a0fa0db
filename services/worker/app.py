"""The worker put together."""

import logging
import platform
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from anyio.to_thread import run_sync
from starlette.applications import Starlette

from separation.errors import Cancelled
from services.kit.errors import StemwrightError
from services.kit.events.brokers import Brokers
from services.kit.events.consumer import Consumer
from services.kit.events.producer import EventProducer
from services.kit.events.rights import writes_of
from services.kit.events.topics import assignments_partition
from services.kit.ids import new_id
from services.kit.process import create_process_app
from services.kit.protos import separation_pb2
from services.kit.s3 import S3Storage
from services.kit.storage import ObjectStorage
from services.worker.consumers import assignments_consumer
from services.worker.errors import InferenceUnavailable
from services.worker.heartbeat import SOURCE, Announcer, Identity
from services.worker.inference import Inference
from services.worker.inference.local import LocalInference
from services.worker.memory import give_back
from services.worker.metrics import BUSY_SLOTS, INFERENCE_READY
from services.worker.scratch import Scratch
from services.worker.separate import PUTS_AT_ONCE, Separator
from services.worker.service import WorkerService
from services.worker.settings import Settings
from services.worker.slots import SlotPool
from services.worker.store import StoreWatch

_log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0
"""Between two looks at whether the models answer; no work in this process, one small call to an inference server."""


class Readiness:
    """A background task: finds out whether the models answer rightly, and again whenever they did not.

    Where they never will, the process ends. While they do not, or the object store does not, the worker is not ready
    and announces no model.
    """

    name = "readiness"

    def __init__(
        self,
        service: WorkerService,
        inference: Inference,
        storage: ObjectStorage,
        consumer: Consumer,
        store: StoreWatch,
    ) -> None:
        self._service = service
        self._inference = inference
        self._storage = storage
        self._store = store
        self._consumer = consumer
        self._first = threading.Event()
        self._speed = 0.0
        self._problem = "the models have not answered yet"
        INFERENCE_READY.set(0)

    def run(self, stop: threading.Event) -> None:
        self._inference.open()
        while not stop.is_set():
            try:
                if self._problem:
                    self._note(self._inference.verify(stop.is_set))
                else:
                    self._inference.ping()
            except Cancelled:
                return
            except InferenceUnavailable as error:
                self._note_problem(error.message)
            else:
                self._prepare_once()
            if self._store.look():
                self._service.tell_soon()
            stop.wait(CHECK_SECONDS)

    def identity(self, stop: threading.Event) -> Identity | None:
        """Who this worker is, once it can both do work and hear of it. None: it was stopped before."""
        while not (self._first.wait(0.5) and self._consumer.wait_until_ready(0.5)):
            if stop.is_set() or self._service.at_rest:
                return None
        identity = Identity(
            worker_id=self._service.worker_id,
            assignments_partition=assignments_partition(self._service.worker_id),
            slots=self._service.slots,
            models=[],
            device="",
            speed=0.0,
            host=platform.node(),
        )
        return self.at_present(identity)

    def at_present(self, identity: Identity) -> Identity:
        """What the worker can do now: while its models or the object store do not answer, nothing."""
        models = () if self._problem or self._store.problem else self._inference.models()
        return replace(
            identity,
            models=[separation_pb2.Model(name=model.name, digest=model.digest) for model in models],
            device=self._inference.device,
            runtime=self._inference.runtime,
            passed_over=self._inference.passed_over,
            speed=round(self._speed, 2),
        )

    def check(self) -> None:
        """Raises until the models have answered their canaries, and again from when they do not to when they do."""
        if self._problem:
            raise RuntimeError(self._problem)

    def _note(self, speed: float) -> None:
        self._speed, self._problem = speed, ""
        INFERENCE_READY.set(1)
        _log.info(
            "the models answer by %s on %s; %.0f seconds of audio a second",
            *(self._inference.runtime, self._inference.device, speed),
        )
        if self._first.is_set():
            self._service.tell_soon()

    def _note_problem(self, problem: str) -> None:
        if not self._problem:
            INFERENCE_READY.set(0)
            self._problem = problem
            self._service.tell_soon()
        elif self._problem == problem:
            return
        self._problem = problem
        _log.warning("this worker is not ready: %s", problem)

    def _prepare_once(self) -> None:
        if self._first.is_set():
            return
        self._first.set()
        try:
            # Makes the client and its first connection now rather than while somebody waits for a song.
            self._storage.ping()
        except StemwrightError as error:
            _log.warning("the object store does not answer yet: %s", error.detail)
        give_back()


def make_inference(settings: Settings) -> Inference:
    """Where the settings say that the network runs."""
    if not settings.triton_address:
        return LocalInference(
            settings.model_repository, settings.models, threads=settings.threads, device=settings.device
        )
    # Imported here: a worker that computes by itself needs no gRPC, which takes 0.4 s and some memory.
    from services.worker.inference.triton.inference import TritonInference, TritonSettings
    from services.worker.inference.triton.model import Timeouts

    return TritonInference(
        settings.model_repository,
        settings.models,
        TritonSettings(
            address=settings.triton_address,
            key=settings.triton_key.get_secret_value(),
            shared_memory=settings.triton_shared_memory,
            window=settings.triton_window,
            timeouts=Timeouts(settings.triton_call_timeout_seconds, settings.triton_answer_timeout_seconds),
        ),
        device=settings.device,
    )


def build(settings: Settings) -> Starlette:
    """The worker's app. Loads nothing and connects to nothing before it is started."""
    service = WorkerService(
        worker_id=new_id("wrk"),
        slots=settings.slots,
        progress_seconds=settings.progress_seconds,
        stuck_seconds=settings.stuck_seconds,
    )
    BUSY_SLOTS.set_function(lambda: service.busy_slots)
    scratch = Scratch(settings.temp_dir, service.worker_id)
    inference = make_inference(settings)
    storage = S3Storage.from_settings(settings, connections=max(10, PUTS_AT_ONCE * settings.slots))
    producer = EventProducer(Brokers.of(settings), SOURCE, writes_of(SOURCE))
    consumer = assignments_consumer(Brokers.of(settings), service)
    store = StoreWatch(storage)
    readiness = Readiness(service, inference, storage, consumer, store)
    announcer = Announcer(
        service,
        producer,
        readiness.identity,
        heartbeat_seconds=settings.heartbeat_seconds,
        at_present=readiness.at_present,
    )
    separator = Separator(
        service=service,
        storage=storage,
        store=store,
        inference=inference,
        scratch=scratch,
        storage_attempts=settings.storage_attempts,
        storage_backoff_seconds=settings.storage_backoff_seconds,
    )
    slots = SlotPool(service, store.watched(separator), grace_seconds=settings.grace_seconds)

    @asynccontextmanager
    async def draining() -> AsyncIterator[None]:
        # Left before the app stops its tasks: heartbeats go on, and cancellations come in, while the slots are drained.
        yield
        await run_sync(slots.drain)
        await run_sync(announcer.wait_until_told)
        producer.close()
        inference.close()
        scratch.close()

    return create_process_app(
        name="worker",
        tasks=[readiness, consumer, slots, announcer],
        checks={"model": readiness.check, "object store": store.check, "event log": announcer.check},
        draining=draining(),
    )
