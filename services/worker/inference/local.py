"""The network in this process."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from separation.models.canary import Canary
from separation.models.repository import ModelRepository
from separation.models.runtimes.choice import PassedOver
from separation.models.separator import MaskModel
from separation.models.spec import ModelManifest
from separation.settings import Device
from services.worker.errors import InferenceUnavailable, ModelUnavailable
from services.worker.inference import canary
from services.worker.metrics import INFERENCE_PASSED_OVER, INFERENCE_RUNTIME

_log = logging.getLogger(__name__)


class LocalInference:
    """One session of each model for all slots: weights are in memory once, and concurrent songs share its threads."""

    def __init__(self, repository: Path | None, names: Sequence[str], *, threads: int, device: Device = "auto") -> None:
        self._repository = ModelRepository(repository)
        self._names = names
        self._threads = threads or None
        self._wanted_device = device
        self._models: list[MaskModel] = []
        self._canaries: list[Canary | None] = []
        self._passed_over: list[PassedOver] = []

    @property
    def device(self) -> str:
        devices = {model.device for model in self._models}
        return "cpu" if len(devices) != 1 else devices.pop()

    @property
    def runtime(self) -> str:
        return ", ".join(sorted({model.runtime for model in self._models}))

    @property
    def passed_over(self) -> Sequence[PassedOver]:
        return self._passed_over

    def open(self) -> None:
        for name in self._names:
            model = self._repository.load(
                name,
                threads=self._threads,
                device=self._wanted_device,
                remember=False,
                on_passed_over=self._passed_over.append,
            )
            self._models.append(model)
            self._canaries.append(self._repository.canary(name))
            INFERENCE_RUNTIME.labels(name, model.runtime).set(1)
            _log.info("model %s is loaded: %s on %s", model.manifest.digest, model.runtime, model.device)
        for one in self._passed_over:
            INFERENCE_PASSED_OVER.labels(one.model, one.runtime).set(1)

    def models(self) -> Sequence[ModelManifest]:
        return [model.manifest for model in self._models]

    def verify(self, should_cancel: Callable[[], bool] = lambda: False) -> float:  # noqa: ARG002
        self.ping()
        speed = min(canary(model, answer) for model, answer in zip(self._models, self._canaries, strict=True))
        for model in self._models:
            model.rest()
        return speed

    def ping(self) -> None:
        if not self._models:
            raise InferenceUnavailable("the model is still being loaded")

    def model(self, name: str, digest: str, should_cancel: Callable[[], bool] = lambda: False) -> MaskModel:  # noqa: ARG002
        for model in self._models:
            if (model.manifest.name, model.manifest.digest) == (name, digest):
                return model
        raise ModelUnavailable(f"This worker does not serve the model {name} of digest {digest}.")

    def close(self) -> None:
        self._models = []
