"""More than one look at a patch: the same music a little higher or lower, and the mean of what the networks say.

The networks halve frequency six times, so what they find depends on where a tone falls between the cells of that grid.
The same patch, transposed by a semitone, falls elsewhere; the errors of the two looks differ, and their mean is better
than either. The further looks take the lowest bins alone: nearly all of a voice's power is there, and a quarter of the
bins is a quarter of the work. Figures in ``docs/engine.md``, reasons in record 0019.
"""

import numpy as np
from numpy.typing import NDArray

from separation.backends import MaskModel
from separation.settings import SeparationSettings

Magnitudes = NDArray[np.float32]
Fractions = NDArray[np.float32]

# What a further look counts beside the first one, and over how many bins it fades in below the edge of its band.
_WEIGHT = 0.6
_FADE_BINS = 32


class Transposition:
    """The axis of ``bins`` bins stretched by ``ratio``, above 1 for higher; of it the lowest ``looked`` bins."""

    def __init__(self, ratio: float, bins: int, looked: int) -> None:
        if not 0.5 <= ratio <= 2:
            raise ValueError("Music transposed by more than an octave does not sound the same.")
        self._highest = bins - 1
        self._sources = np.arange(looked) / ratio
        targets = np.arange(min(bins, int((looked - 1) / ratio) + 1)) * ratio
        self._below = np.minimum(targets.astype(np.intp), looked - 2)
        self._between = (targets - self._below).astype(np.float32)
        edge = len(targets)
        self.weights = np.clip((edge - np.arange(edge)) / _FADE_BINS, 0, 1).astype(np.float32) * np.float32(_WEIGHT)
        """Of the bins of the original that the look covers."""

    def applied(self, magnitudes: Magnitudes) -> Magnitudes:
        """``(..., bins)`` to ``(..., looked)``; silence where the original has no bins.

        Between bins stands the cubic of R. Keys, "Cubic convolution interpolation for digital image processing", IEEE
        TASSP 29(6), 1981: straight lines would flatten the peaks of harmonics.
        """
        below = self._sources.astype(np.intp)
        t = (self._sources - below).astype(np.float32)
        weights = (
            ((1 - t / 2) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1,
            ((2 - 1.5 * t) * t + 0.5) * t,
            (t / 2 - 0.5) * t * t,
        )
        stretched = np.zeros((*magnitudes.shape[:-1], len(below)), np.float32)
        for offset, weight in enumerate(weights, start=-1):
            stretched += magnitudes[..., np.clip(below + offset, 0, self._highest)] * weight
        stretched[..., self._sources > self._highest] = 0
        return np.maximum(stretched, 0, out=stretched)

    def undone(self, fractions: Fractions) -> Fractions:
        """``(..., looked)`` to ``(..., bins that the look covers)``, linear between bins."""
        result = fractions[..., self._below + 1]
        lower = fractions[..., self._below]
        result -= lower
        result *= self._between
        result += lower
        return result


def joint_fractions(model: MaskModel, magnitudes: Magnitudes, settings: SeparationSettings) -> Fractions:
    """What all looks at a patch, ``(2, frames, bins)``, say together: ``(stems, 2, frames, bins)``, a weighted mean."""
    fractions = model.fractions(magnitudes[None])[0]
    bins = magnitudes.shape[-1]
    total = np.ones(bins, np.float32)
    for ratio in settings.transpositions:
        look = Transposition(ratio, bins, settings.transposed_bins)
        answer = look.undone(model.fractions(look.applied(magnitudes)[None])[0])
        answer *= look.weights
        fractions[..., : len(look.weights)] += answer
        total[: len(look.weights)] += look.weights
    if settings.transpositions:
        fractions /= total
    return fractions
