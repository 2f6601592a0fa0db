"""The worker put together."""

import logging
import platform
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.to_thread import run_sync
from fastapi import APIRouter, FastAPI

from services.kit.app import create_app
from services.kit.errors import StemwrightError
from services.kit.events.consumer import Consumer
from services.kit.events.producer import EventProducer
from services.kit.events.topics import assignments_partition
from services.kit.ids import new_id
from services.kit.protos import separation_pb2
from services.kit.storage import ObjectStorage, S3Storage
from services.worker.consumers import assignments_consumer
from services.worker.heartbeat import SOURCE, Announcer, Identity
from services.worker.inference import Inference, canary
from services.worker.inference.local import LocalInference
from services.worker.memory import give_back
from services.worker.metrics import BUSY_SLOTS
from services.worker.scratch import Scratch
from services.worker.separate import PUTS_AT_ONCE, Separator
from services.worker.service import WorkerService
from services.worker.settings import Settings
from services.worker.slots import SlotPool

_log = logging.getLogger(__name__)


class Opening:
    """A background task: makes the models ready, once. Where that fails the process ends."""

    name = "opening"

    def __init__(
        self, service: WorkerService, inference: Inference, storage: ObjectStorage, consumer: Consumer
    ) -> None:
        self._service = service
        self._inference = inference
        self._storage = storage
        self._consumer = consumer
        self._opened = threading.Event()
        self._speed = 0.0

    def run(self, stop: threading.Event) -> None:
        self._inference.open()
        if stop.is_set():
            return
        models = [self._inference.model(manifest.name, manifest.digest) for manifest in self._inference.models()]
        self._speed = min(canary(model) for model in models)
        for model in models:
            model.rest()
        _log.info("the models answer; %.0f seconds of audio a second", self._speed)
        self._opened.set()
        try:
            # Makes the client and its first connection now rather than while somebody waits for a song.
            self._storage.ping()
        except StemwrightError as error:
            _log.warning("the object store does not answer yet: %s", error.detail)
        give_back()

    def identity(self, stop: threading.Event) -> Identity | None:
        """Who this worker is, once it can both do work and hear of it. None: it was stopped before."""
        while not (self._opened.wait(0.5) and self._consumer.wait_until_ready(0.5)):
            if stop.is_set() or self._service.at_rest:
                return None
        return Identity(
            worker_id=self._service.worker_id,
            assignments_partition=assignments_partition(self._service.worker_id),
            slots=self._service.slots,
            models=[separation_pb2.Model(name=m.name, digest=m.digest) for m in self._inference.models()],
            device=self._inference.device,
            speed=round(self._speed, 2),
            host=platform.node(),
        )

    def check(self) -> None:
        """Raises until the models answered, and whenever they would not answer now."""
        if not self._opened.is_set():
            raise RuntimeError("the models have not answered yet")
        self._inference.ping()


def build(settings: Settings) -> FastAPI:
    """The worker's app. Loads nothing and connects to nothing before it is started."""
    service = WorkerService(
        worker_id=new_id("wrk"),
        slots=settings.slots,
        progress_seconds=settings.progress_seconds,
        stuck_seconds=settings.stuck_seconds,
    )
    BUSY_SLOTS.set_function(lambda: service.busy_slots)
    scratch = Scratch(settings.temp_dir, service.worker_id)
    inference = LocalInference(settings.model_repository, settings.model, threads=settings.threads)
    storage = S3Storage.from_settings(settings, connections=max(10, PUTS_AT_ONCE * settings.slots))
    producer = EventProducer(settings.kafka_bootstrap_servers, SOURCE)
    consumer = assignments_consumer(settings.kafka_bootstrap_servers, service)
    opening = Opening(service, inference, storage, consumer)
    announcer = Announcer(service, producer, opening.identity, heartbeat_seconds=settings.heartbeat_seconds)
    separator = Separator(
        service=service,
        storage=storage,
        inference=inference,
        scratch=scratch,
        storage_attempts=settings.storage_attempts,
        storage_backoff_seconds=settings.storage_backoff_seconds,
    )
    slots = SlotPool(service, separator, grace_seconds=settings.grace_seconds)

    @asynccontextmanager
    async def drained(_app: FastAPI) -> AsyncIterator[None]:
        # Left before the app stops its tasks: heartbeats go on, and cancellations come in, while the slots are drained.
        yield
        await run_sync(slots.drain)
        await run_sync(announcer.wait_until_told)
        producer.close()
        scratch.close()

    return create_app(
        name="worker",
        title="Stemwright worker",
        routers=[APIRouter(lifespan=drained)],
        tasks=[opening, consumer, slots, announcer],
        checks={"model": opening.check, "event log": announcer.check},
    )
