"""The network in this process, on the CPU."""

import logging
from collections.abc import Sequence
from pathlib import Path

from separation.backends import MaskModel
from separation.registry import ModelManifest, ModelRepository
from services.worker.errors import ModelUnavailable

_log = logging.getLogger(__name__)


class LocalInference:
    """One session for all slots: the weights are in memory once, and concurrent songs share its threads."""

    device = "cpu"

    def __init__(self, repository: Path | None, name: str, *, threads: int) -> None:
        self._repository = ModelRepository(repository)
        self._name = name
        self._threads = threads or None
        self._model: MaskModel | None = None

    def open(self) -> None:
        self._model = self._repository.load(self._name, threads=self._threads)
        _log.info("model %s is loaded", self._model.manifest.digest)

    def models(self) -> Sequence[ModelManifest]:
        return [self._model.manifest] if self._model else []

    def model(self, name: str, digest: str) -> MaskModel:
        model = self._model
        if model is None or (model.manifest.name, model.manifest.digest) != (name, digest):
            raise ModelUnavailable(f"This worker does not serve the model {name} of digest {digest}.")
        return model

    def ping(self) -> None:
        if self._model is None:
            raise RuntimeError("the model is still being loaded")
