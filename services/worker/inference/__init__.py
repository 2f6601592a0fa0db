"""Where this worker's masks come from: one `Protocol`, and an adapter per place where networks run.

local.py    the network in this process
triton/     the network behind Triton Inference Server
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from separation.models.canary import Canary, ask
from separation.models.runtimes.choice import PassedOver
from separation.models.separator import MaskModel
from separation.models.spec import ModelManifest


class Inference(Protocol):
    """Serves the models of one worker. Thread-safe."""

    @property
    def device(self) -> str:
        """Where the networks run: `cpu`, `cuda:0` ... Known once `verify` has returned."""

    @property
    def runtime(self) -> str:
        """What computes the networks, with commas where that differs between models. Known as `device` is."""

    @property
    def passed_over(self) -> Sequence[PassedOver]:
        """Runtimes that would have come first but failed. Known once `open` has returned."""

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

    Raises `ModelAnswerInvalid`.
    """
    manifest = model.manifest
    return manifest.frames * manifest.hop / manifest.sample_rate_hz / ask(model, expected)
