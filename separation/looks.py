"""More than one look at a patch: the same music a little higher or lower, and the mean of what the networks say.

The networks halve frequency six times, so what they find depends on where a tone falls between the cells of that grid.
The same patch, transposed by a semitone, falls elsewhere; the errors of the two looks differ, and their mean is better
than either. The further looks take the lowest bins alone: nearly all of a voice's power is there, and a quarter of the
bins is a quarter of the work. Figures in ``docs/engine.md``, reasons in record 0017.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from separation.backends import MaskModel
from separation.estimates import ratio_mask
from separation.settings import SeparationSettings

Magnitudes = NDArray[np.float32]
Fractions = NDArray[np.float32]

# What a further look counts beside the first one, and over how many bins it fades in below the edge of its band.
_WEIGHT = 0.6
_FADE_BINS = 32
# Whether somebody sings is judged over 3 s around a frame.
_PRESENCE_FRAMES = 129
# Frames at a time, so that a block's numbers stay in the processor's cache.
_BLOCK_FRAMES, _BLOCK_LINES = 16, 32


class Transposition:
    """The axis of ``bins`` bins stretched by ``ratio``, above 1 for higher; of it the lowest ``looked`` bins."""

    def __init__(self, ratio: float, bins: int, looked: int) -> None:
        if not 0.5 <= ratio <= 2:
            raise ValueError("Music transposed by more than an octave does not sound the same.")
        self.covered = min(bins, int((looked - 1) / ratio) + 1)
        """How many of the original's bins the look says something about."""
        self._stretch = _cubic(np.arange(looked) / ratio, bins)
        self._shrink = _linear(np.arange(self.covered) * ratio, looked)
        fade = (self.covered - np.arange(self.covered)) / _FADE_BINS
        self.weights = (_WEIGHT * np.clip(fade, 0, 1)).astype(np.float32)
        """What it counts in each of them; the first look counts 1."""

    def applied(self, magnitudes: Magnitudes) -> Magnitudes:
        """``(..., bins)`` to ``(..., looked)``; silence where the original has no bins.

        Between bins stands the cubic of R. Keys, "Cubic convolution interpolation for digital image processing", IEEE
        TASSP 29(6), 1981: straight lines would flatten the peaks of harmonics.
        """
        stretched: Magnitudes = _between(magnitudes, self._stretch)
        return np.maximum(stretched, 0, out=stretched)

    def undone(self, fractions: Fractions) -> Fractions:
        """``(..., looked)`` to ``(..., covered)``, linear between bins."""
        return _between(fractions, self._shrink)


# Numbers of bins and what each counts, a pair for every term of an interpolation.
_Terms = list[tuple[NDArray[np.intp], NDArray[np.float32]]]


def _cubic(places: NDArray[np.floating[Any]], bins: int) -> _Terms:
    """From ``bins`` numbers to those at ``places`` between them, 0 beyond the last."""
    below = places.astype(np.intp)
    t = places - below
    weights = (
        ((1 - t / 2) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1,
        ((2 - 1.5 * t) * t + 0.5) * t,
        (t / 2 - 0.5) * t * t,
    )
    inside = places <= bins - 1
    return [
        (np.clip(below + offset, 0, bins - 1), (weight * inside).astype(np.float32))
        for offset, weight in enumerate(weights, start=-1)
    ]


def _linear(places: NDArray[np.floating[Any]], bins: int) -> _Terms:
    """From ``bins`` numbers to those at ``places`` between them."""
    below = np.minimum(places.astype(np.intp), bins - 2)
    t = (places - below).astype(np.float32)
    return [(below, 1 - t), (below + 1, t)]


def _between(numbers: NDArray[np.float32], terms: _Terms) -> NDArray[np.float32]:
    """The sum of the terms along the last axis of ``(.., .., frames, bins)``.

    As a product of matrices it would be faster by itself, but a BLAS library with threads of its own keeps them
    spinning for some time after each, and they take the processors from the network.
    """
    numbers = np.ascontiguousarray(numbers)
    result = np.empty((*numbers.shape[:-1], len(terms[0][0])), np.float32)
    lines, answers = numbers.reshape(-1, numbers.shape[-1]), result.reshape(-1, result.shape[-1])
    for begin in range(0, len(lines), _BLOCK_LINES):
        block, total = lines[begin : begin + _BLOCK_LINES], answers[begin : begin + _BLOCK_LINES]
        term = np.empty_like(total)
        for number, (bins, weights) in enumerate(terms):
            np.take(block, bins, axis=1, out=term if number else total, mode="clip")
            if number:
                term *= weights
                total += term
            else:
                total *= weights
    return result


def presence(vocals: NDArray[np.float64], mixture: NDArray[np.float64], floor_db: float) -> NDArray[np.float32]:
    """A gain per frame: 1 while somebody sings, falling to 0 where nobody does; one half at ``floor_db``.

    ``vocals``, ``mixture``: power per frame. ``a^2 / (a^2 + floor^2)``, where ``a`` is the share of the vocals in the
    mixture's power over 3 s around the frame. What masks let through of a band that plays alone is mostly 26 dB and
    more below it; a voice is far above.
    """
    frames = np.arange(len(vocals))
    begin = np.maximum(frames - _PRESENCE_FRAMES // 2, 0)
    end = np.minimum(frames + _PRESENCE_FRAMES // 2 + 1, len(frames))
    around = [
        (sums[end] - sums[begin]) for sums in (np.concatenate([[0.0], np.cumsum(part)]) for part in (vocals, mixture))
    ]
    share = around[0] / np.maximum(around[1], 1e-6)
    gain: NDArray[np.float32] = (share**2 / (share**2 + 10 ** (floor_db / 5))).astype(np.float32)
    return gain


def joint_fractions(model: MaskModel, magnitudes: Magnitudes, settings: SeparationSettings) -> Fractions:
    """What all looks at a patch, ``(2, frames, bins)``, say together: ``(stems, 1 or 2, frames, bins)``, 1 for both
    channels alike.

    A weighted mean. Where the first look finds nobody singing, nobody does, and further looks do not count: what is
    transposed may pass for a voice, a lead synthesiser for one.
    """
    looks = [Transposition(ratio, magnitudes.shape[-1], settings.transposed_bins) for ratio in settings.transpositions]
    fractions, *others = model.fractions_of_each([magnitudes, *(look.applied(magnitudes) for look in looks)])
    if settings.masks == "joint":
        fractions, *others = (_mean_of_channels(answer) for answer in (fractions, *others))
    stem = model.manifest.stems.index("vocals")
    gain = np.ones((magnitudes.shape[1], 1), np.float32)
    if settings.presence_floor_db is not None:
        gain = presence(*_powers(fractions, magnitudes, stem), settings.presence_floor_db)[:, None]

    total = np.ones(magnitudes.shape[1:], np.float32)
    for look, seen in zip(looks, others, strict=True):
        answer = look.undone(seen)
        weights = look.weights * gain
        answer *= weights
        fractions[..., : look.covered] += answer
        total[:, : look.covered] += weights
    if settings.transpositions:
        fractions /= total

    if settings.presence_floor_db is not None:
        fractions *= gain
        for other in set(range(len(fractions))) - {stem}:
            fractions[other] += 1 - gain
    return fractions


def _mean_of_channels(fractions: Fractions) -> Fractions:
    mean = fractions[:, :1] + fractions[:, 1:]
    mean *= np.float32(0.5)
    return mean


def _powers(fractions: Fractions, magnitudes: Magnitudes, stem: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The power of the vocals in every frame, by a mask that divides sharply, and that of the mixture."""
    vocals, mixture = np.empty((2, magnitudes.shape[1]))
    for begin in range(0, len(vocals), _BLOCK_FRAMES):
        block = slice(begin, begin + _BLOCK_FRAMES)
        powers = np.square(magnitudes[:, block])
        mixture[block] = powers.sum(axis=(0, 2), dtype=np.float64)
        powers *= np.square(ratio_mask(fractions[:, :, block], stem, 2))
        vocals[block] = powers.sum(axis=(0, 2), dtype=np.float64)
    return vocals, mixture
