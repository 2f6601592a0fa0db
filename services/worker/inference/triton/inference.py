"""The models of one worker at a Triton server."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from separation.errors import ModelAnswerInvalid, ModelError
from separation.models.canary import Canary
from separation.models.repository import ModelRepository
from separation.models.runtimes.choice import PassedOver
from separation.models.separator import MaskModel
from separation.models.spec import ModelManifest
from separation.settings import Device
from services.worker.errors import AttemptFailed, InferenceUnavailable, ModelUnavailable
from services.worker.inference import canary
from services.worker.inference.triton.buffers import Buffer, BufferPool, MessageBuffer, SharedMemoryBuffer
from services.worker.inference.triton.client import TritonClient
from services.worker.inference.triton.model import Served, Timeouts, TritonModel, reason_of
from services.worker.inference.triton.server.config import CHECK_PRIORITY, SONG_PRIORITY, served_name
from services.worker.metrics import INFERENCE_IN_FLIGHT, INFERENCE_RUNTIME

_log = logging.getLogger(__name__)

_PING_SECONDS = 3.0


@dataclass(frozen=True)
class TritonSettings:
    """`address`: `host:port` of gRPC. `window`: patches in flight at most. `shared_memory`: the server is on this
    machine and lets the holder of `key` register memory."""

    address: str
    key: str = ""
    shared_memory: bool = False
    window: int = 4
    timeouts: Timeouts = field(default_factory=lambda: Timeouts(20.0, 60.0))


class TritonInference:
    """`Inference` by a Triton server. The manifests and canaries are the repository's; the weights need not be here."""

    def __init__(
        self, repository: Path | None, names: Sequence[str], settings: TritonSettings, *, device: Device = "auto"
    ) -> None:
        self._repository = ModelRepository(repository)
        self._names = names
        self._settings = settings
        self._wanted_device = device
        self._client = TritonClient(settings.address, settings.key)
        self._buffers = BufferPool(settings.window, self._new_buffer)
        # Songs that wait for a silent server hold all the others.
        self._buffer_for_checks = BufferPool(1, self._new_buffer)
        INFERENCE_IN_FLIGHT.set_function(lambda: self._buffers.in_flight)
        self._canaries: dict[str, Canary] = {}
        self._manifests: list[ModelManifest] = []
        self._served: dict[str, Served] = {}
        self._lock = threading.Lock()
        self._doubt = "no model has answered yet"

    @property
    def device(self) -> str:
        devices = {served.device for served in self._served.values()}
        return "cpu" if len(devices) != 1 else devices.pop()

    @property
    def runtime(self) -> str:
        return ", ".join(sorted({served.runtime for served in self._served.values()}))

    @property
    def passed_over(self) -> Sequence[PassedOver]:
        return ()  # what the server chose from stands in its own log

    def open(self) -> None:
        """Reads manifests and canaries. Raises `ModelError`; that the server is away is found by `verify`."""
        for name in self._names:
            manifest, answer = self._repository.manifest(name), self._repository.canary(name)
            if answer is None:
                raise ModelError(f"The model {name} has no canary; run: stemwright models triton FOLDER {name}")
            self._manifests.append(manifest)
            self._canaries[manifest.digest] = answer

    def models(self) -> Sequence[ModelManifest]:
        return self._manifests

    def verify(self, should_cancel: Callable[[], bool] = lambda: False) -> float:
        with self._lock:
            self._doubt = ""
        try:
            version = self._client.server_version(_PING_SECONDS)
            return min(self._verified(manifest, version, should_cancel) for manifest in self._manifests)
        except grpc.RpcError as error:
            reason = reason_of(error)
        except (ModelAnswerInvalid, AttemptFailed) as error:
            reason = str(error)
        self._suspect(reason)
        raise InferenceUnavailable(reason)

    def ping(self) -> None:
        with self._lock:
            doubt = self._doubt
        if doubt:
            raise InferenceUnavailable(doubt)
        try:
            for manifest in self._manifests:
                if not self._client.model_ready(served_name(manifest), _PING_SECONDS):
                    raise InferenceUnavailable(f"the server is not ready for {served_name(manifest)}")
        except grpc.RpcError as error:
            self._suspect(reason_of(error))
            raise InferenceUnavailable(reason_of(error)) from error

    def model(self, name: str, digest: str, should_cancel: Callable[[], bool] = lambda: False) -> MaskModel:
        manifest = next((one for one in self._manifests if (one.name, one.digest) == (name, digest)), None)
        served = self._served.get(digest)
        if manifest is None or served is None:
            raise ModelUnavailable(f"This worker does not serve the model {name} of digest {digest}.")
        return TritonModel(
            manifest,
            served,
            self._client,
            self._buffers,
            self._settings.timeouts,
            priority=SONG_PRIORITY,
            should_cancel=should_cancel,
            on_failure=self._suspect,
        )

    def close(self) -> None:
        self._buffers.discard()
        self._buffer_for_checks.discard()
        self._client.close()

    def _verified(self, manifest: ModelManifest, server_version: str, should_cancel: Callable[[], bool]) -> float:
        config = self._client.model_config(served_name(manifest), _PING_SECONDS)
        served = Served.of(manifest, config, server_version)
        if self._wanted_device == "gpu" and not served.device.startswith("cuda"):
            raise InferenceUnavailable(f"the server computes {served.name} on {served.device}, not on a GPU")
        model = TritonModel(
            manifest,
            served,
            self._client,
            self._buffer_for_checks,
            Timeouts(self._settings.timeouts.call_seconds, self._settings.timeouts.call_seconds),
            priority=CHECK_PRIORITY,
            should_cancel=should_cancel,
            on_failure=self._suspect,
        )
        speed = canary(model, self._canaries[manifest.digest])
        self._served[manifest.digest] = served
        INFERENCE_RUNTIME.labels(manifest.name, served.runtime).set(1)
        _log.info("%s answers: %s on %s", served.name, served.runtime, served.device)
        return speed

    def _suspect(self, reason: str) -> None:
        """The models count as answering again only once they have answered their canaries again."""
        with self._lock:
            self._doubt = reason

    def _new_buffer(self) -> Buffer:
        return SharedMemoryBuffer(self._client) if self._settings.shared_memory else MessageBuffer()
