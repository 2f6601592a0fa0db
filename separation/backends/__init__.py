"""Where masks come from: one ``Protocol``, an adapter per runtime, and the choice between them.

winograd.py     the U-Net in float32 on processors with AVX2, by kernels of our own
onnxruntime.py  any network in float32 on any processor, or on a GPU
choice.py       the first of them that is here and answers a known patch rightly
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from separation.errors import ModelAnswerInvalid, ModelError
from separation.registry import ModelManifest

# Keeps 0/0 out of masks where no network finds anything.
_RATIO_EPSILON = np.float32(1e-10)


class MaskModel(Protocol):
    """Turns magnitude patches into soft masks. Thread-safe; blocks until the answer is there."""

    @property
    def manifest(self) -> ModelManifest:
        """What the model is: rate, transform, patch, stems, digest, licence."""

    @property
    def device(self) -> str:
        """What computes: ``cpu`` or ``cuda:0``."""

    @property
    def runtime(self) -> str:
        """The runtime and its arithmetic, such as ``onnxruntime 1.32.0 fp32``."""

    def masks(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Masks between 0 and 1 for each stem, summing to 1 over the stems.

        ``magnitudes``: ``(patches, 2, frames, bins)``, absolute values of an unscaled STFT, with the manifest's bins or
        the lowest of them alone, a multiple of 64: less work where the runtime can. The answer has the shape
        ``(patches, stems, 2, frames, bins)``, stems in the manifest's order. One patch's masks do not depend on
        the other patches of the call.

        Raises ``ModelAnswerInvalid`` for a wrong shape or numbers that are not finite.
        """

    def fractions(self, magnitudes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Each network's own estimate of its stem's magnitude over that of the mixture, between 0 and 1.

        Shapes, errors and independence as for ``masks``, but the stems are estimated one by one and need not sum to
        1. The masks are the ratio of their squares. A model that knows only masks answers those.
        """

    def fractions_of_each(self, images: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """``fractions`` of several images ``(2, frames, bins)`` of different widths: ``(stems, 2, frames, bins)`` each.

        Where the runtime can it reads the weights once for all. The caller may write into the answers.
        """

    def rest(self) -> None:
        """Called after each song: gives back memory that only a running song needs. Harmless while another runs."""


def answer_name(outputs: list[str], manifest: ModelManifest) -> str:
    """Which of the network's outputs to ask for: some know only how stems share the mixture."""
    for name in ("fractions", "masks"):
        if name in outputs:
            return name
    raise ModelError(f"The model {manifest.name} answers neither fractions nor masks.")


def patch_by_patch(
    run: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    magnitudes: NDArray[np.float32],
    manifest: ModelManifest,
) -> NDArray[np.float32]:
    """The answers to all patches of a call, checked.

    A larger batch is not faster on a CPU, needs more memory, and would let rounding depend on how patches were grouped.
    """
    answers = [run(np.ascontiguousarray(patch[None], np.float32)) for patch in magnitudes]
    return checked_masks(answers[0] if len(answers) == 1 else np.concatenate(answers), magnitudes, manifest)


def one_by_one(
    fractions: Callable[[NDArray[np.float32]], NDArray[np.float32]], images: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """``MaskModel.fractions_of_each`` by a model's ``fractions``, where nothing is gained from doing more at once."""
    return [fractions(image[None])[0] for image in images]


def ratio_of_squares(fractions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Masks from fractions ``(patches, stems, ...)``, which are overwritten."""
    np.square(fractions, out=fractions)
    fractions += _RATIO_EPSILON
    fractions /= fractions.sum(axis=1, keepdims=True)
    return fractions


def checked_masks(
    masks: NDArray[np.float32], magnitudes: NDArray[np.float32], manifest: ModelManifest
) -> NDArray[np.float32]:
    """``masks`` if they are an answer to ``magnitudes``, else ``ModelAnswerInvalid``. For every adapter."""
    expected = (len(magnitudes), len(manifest.stems), *magnitudes.shape[1:])
    if masks.shape != expected or masks.dtype != np.float32:
        raise ModelAnswerInvalid(f"The model answered {masks.dtype}{masks.shape} where float32{expected} was expected.")
    # One NaN or infinity makes the sum one; cheaper than looking at every number twice.
    if not np.isfinite(masks.sum(dtype=np.float64)):
        raise ModelAnswerInvalid("The model answered with numbers that are not finite.")
    return masks
