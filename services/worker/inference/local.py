"""The network in this process."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from separation.backends import MaskModel
from separation.errors import RuntimeMissing
from separation.registry import ModelManifest, ModelRepository
from services.worker.errors import InferenceUnavailable, ModelUnavailable
from services.worker.inference import Device, canary

_log = logging.getLogger(__name__)


class LocalInference:
    """One session for all slots: the weights are in memory once, and concurrent songs share its threads."""

    def __init__(self, repository: Path | None, name: str, *, threads: int, device: Device = "auto") -> None:
        self._repository = ModelRepository(repository)
        self._name = name
        self._threads = threads or None
        self._wanted_device = device
        self._model: MaskModel | None = None

    @property
    def device(self) -> str:
        return self._model.device if self._model else "cpu"

    def open(self) -> None:
        model = self._repository.load(self._name, threads=self._threads, device=self._wanted_device)
        if self._wanted_device == "gpu" and not model.device.startswith("cuda"):
            raise RuntimeMissing(f"The GPU cannot be used: {model.runtime} computes on {model.device}.")
        self._model = model
        _log.info("model %s is loaded: %s on %s", model.manifest.digest, model.runtime, model.device)

    def models(self) -> Sequence[ModelManifest]:
        return [self._model.manifest] if self._model else []

    def verify(self, should_cancel: Callable[[], bool] = lambda: False) -> float:  # noqa: ARG002
        model = self._opened()
        speed = canary(model, self._repository.canary(self._name))
        model.rest()
        return speed

    def ping(self) -> None:
        self._opened()

    def model(self, name: str, digest: str, should_cancel: Callable[[], bool] = lambda: False) -> MaskModel:  # noqa: ARG002
        model = self._model
        if model is None or (model.manifest.name, model.manifest.digest) != (name, digest):
            raise ModelUnavailable(f"This worker does not serve the model {name} of digest {digest}.")
        return model

    def close(self) -> None:
        self._model = None

    def _opened(self) -> MaskModel:
        if self._model is None:
            raise InferenceUnavailable("the model is still being loaded")
        return self._model
