"""Where this worker's masks come from: one `Protocol`, and an adapter per inference server.

local.py    the network in this process, on the CPU
"""

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from separation.backends import MaskModel
from separation.errors import ModelAnswerInvalid
from separation.registry import ModelManifest


class Inference(Protocol):
    """Serves the models of one worker. Thread-safe."""

    @property
    def device(self) -> str:
        """Where the networks run: `cpu`, `cuda:0` ..."""

    def open(self) -> None:
        """Blocks until every model can answer. Raises `separation.errors.ModelError` where one cannot be had."""

    def models(self) -> Sequence[ModelManifest]:
        """What is served, once open."""

    def model(self, name: str, digest: str) -> MaskModel:
        """The model of exactly that digest. Raises ModelUnavailable where it is not served here."""

    def ping(self) -> None:
        """Raises if the models would not answer now."""


def canary(model: MaskModel) -> float:
    """Asks the model for the masks of one patch of noise and checks the answer; seconds of audio per second it took.

    Raises `ModelAnswerInvalid`. The noise is the same each time.
    """
    manifest = model.manifest
    noise = np.random.default_rng(20).standard_normal((1, 2, manifest.frames, manifest.bins), dtype=np.float32)
    begun = time.perf_counter()
    masks = model.masks(np.abs(noise))
    seconds = time.perf_counter() - begun
    total = masks.sum(axis=1)
    if masks.min() < 0 or masks.max() > 1 or not np.allclose(total, 1, atol=1e-3):
        raise ModelAnswerInvalid(f"The model {manifest.name} answered with masks that do not share the mixture out.")
    return manifest.frames * manifest.hop / manifest.sample_rate_hz / seconds
