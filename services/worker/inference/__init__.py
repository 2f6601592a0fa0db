"""Where this worker's masks come from: one `Protocol`, and an adapter per place where networks run.

local.py    the network in this process
triton/     the network behind Triton Inference Server
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from separation.backends import MaskModel
from separation.canary import Canary, canary_patch
from separation.errors import ModelAnswerInvalid
from separation.registry import ModelManifest


class Inference(Protocol):
    """Serves the models of one worker. Thread-safe."""

    @property
    def device(self) -> str:
        """Where the networks run: `cpu`, `cuda:0` ... Known once `verify` has returned."""

    def open(self) -> None:
        """Reads what it takes. Blocks. Raises `separation.errors.ModelError` where a model cannot be had here, ever."""

    def models(self) -> Sequence[ModelManifest]:
        """What is served, once open."""

    def verify(self, should_cancel: Callable[[], bool] = lambda: False) -> float:
        """Asks every model for its canary patch; seconds of audio the slowest of them does per second.

        Blocks. Raises `InferenceUnavailable` where another time may do better, `ModelError` where it will not,
        `Cancelled` where `should_cancel` said so.
        """

    def ping(self) -> None:
        """Raises `InferenceUnavailable` if the models would not answer now, or gave reason to ask them again."""

    def model(self, name: str, digest: str, should_cancel: Callable[[], bool] = lambda: False) -> MaskModel:
        """The model of exactly that digest, for one song.

        Where the network runs elsewhere, a call of the model raises `Cancelled` soon after `should_cancel` says so.
        Raises ModelUnavailable where it is not served here.
        """

    def close(self) -> None:
        """Gives back what it took. Nothing is asked afterwards."""


def canary(model: MaskModel, expected: Canary | None) -> float:
    """Asks the model for its canary patch and checks the answer; seconds of audio per second it took.

    Where no answer is known, the masks must at least share the mixture out. Raises `ModelAnswerInvalid`.
    """
    manifest = model.manifest
    patch = canary_patch(manifest)
    begun = time.perf_counter()
    answer = model.fractions(patch) if expected else model.masks(patch)
    seconds = time.perf_counter() - begun
    if expected:
        expected.check(answer[0], manifest)
    elif answer.min() < 0 or answer.max() > 1 or not np.allclose(answer.sum(axis=1), 1, atol=1e-3):
        raise ModelAnswerInvalid(f"The model {manifest.name} answered with masks that do not share the mixture out.")
    return manifest.frames * manifest.hop / manifest.sample_rate_hz / seconds
