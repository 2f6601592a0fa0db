"""What every adapter of a runtime does with a network's answers."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from separation.errors import ModelAnswerInvalid, ModelError
from separation.models.spec import ModelManifest


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
    return checked(answers[0] if len(answers) == 1 else np.concatenate(answers), magnitudes, manifest)


def one_by_one(
    fractions: Callable[[NDArray[np.float32]], NDArray[np.float32]], images: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """``MaskModel.fractions_of_each`` by a model's ``fractions``, where nothing is gained from doing more at once."""
    return [fractions(image[None])[0] for image in images]


def checked(
    answer: NDArray[np.float32], magnitudes: NDArray[np.float32], manifest: ModelManifest
) -> NDArray[np.float32]:
    """``answer`` if it is one to ``magnitudes``, else ``ModelAnswerInvalid``."""
    expected = (len(magnitudes), len(manifest.stems), *magnitudes.shape[1:])
    if answer.shape != expected or answer.dtype != np.float32:
        raise ModelAnswerInvalid(f"The model answered {answer.dtype}{answer.shape}, expected was float32{expected}.")
    # One NaN or infinity makes the sum one; cheaper than looking at every number twice.
    if not np.isfinite(answer.sum(dtype=np.float64)):
        raise ModelAnswerInvalid("The model answered with numbers that are not finite.")
    return answer
