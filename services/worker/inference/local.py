"""The network in this process."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from separation.backends import MaskModel
from separation.canary import Canary, read_canary
from separation.errors import RuntimeMissing
from separation.registry import ModelManifest, ModelRepository
from separation.settings import Device
from services.worker.errors import InferenceUnavailable, ModelUnavailable
from services.worker.inference import canary

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

    @property
    def device(self) -> str:
        devices = {model.device for model in self._models}
        return "cpu" if len(devices) != 1 else devices.pop()

    def open(self) -> None:
        for name in self._names:
            model = self._repository.load(name, threads=self._threads, device=self._wanted_device)
            if self._wanted_device == "gpu" and not model.device.startswith("cuda"):
                raise RuntimeMissing(f"The GPU cannot be used: {model.runtime} computes on {model.device}.")
            self._models.append(model)
            self._canaries.append(read_canary(self._repository, name))
            _log.info("model %s is loaded: %s on %s", model.manifest.digest, model.runtime, model.device)

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
