"""What a model is to the engine, whatever computes it."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from separation.models.spec import ModelManifest


class MaskModel(Protocol):
    """Estimates stems in magnitude patches. Thread-safe; blocks until the answer is there.

    Of one's own it needs no more than this; ``separation.models.runtimes.answers`` helps to check its answers.
    """

    @property
    def manifest(self) -> ModelManifest:
        """What the model is: rate, transform, patch, stems, digest, licence."""

    @property
    def device(self) -> str:
        """What computes: ``cpu`` or ``cuda:0``."""

    @property
    def runtime(self) -> str:
        """The runtime and its arithmetic, such as ``onnxruntime 1.32.0 fp32``."""

    def fractions(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Each network's own estimate of its stem's magnitude over that of the mixture, between 0 and 1.

        ``magnitudes``: ``(patches, 2, frames, bins)``, absolute values of an unscaled STFT, with the manifest's bins or
        the lowest of them alone, a multiple of 64: less work where the runtime can. The answer has the shape
        ``(patches, stems, 2, frames, bins)``, stems in the manifest's order. One patch's answer does not depend on the
        other patches of the call. The stems are estimated one by one and need not sum to 1; a model that knows only
        masks, which do, answers those. The caller may write into the answer.

        Raises ``ModelAnswerInvalid`` for a wrong shape or numbers that are not finite.
        """

    def fractions_of_each(self, images: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """``fractions`` of several images ``(2, frames, bins)`` of different widths: ``(stems, 2, frames, bins)`` each.

        Where the runtime can it reads the weights once for all.
        """

    def rest(self) -> None:
        """Called after each song: gives back memory that only a running song needs. Harmless while another runs."""
