"""More than one look at a patch: the same music a little higher or lower, and the mean of what the networks say.

The networks halve frequency six times, so what they find depends on where a tone falls between the cells of that grid.
The same patch, transposed by a semitone, falls elsewhere; the errors of the two looks differ, and their mean is better
than either. The further looks take the lowest bins alone: nearly all of a voice's power is there, and a quarter of the
bins is a quarter of the work. A patch of a quiet recording is shown louder, and one beyond full scale quieter: the
networks have learned from finished masters, and find less in music at another level. Figures in ``docs/engine.md``,
reasons in records 0017 and 0115.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separation.models.separator import MaskModel
from separation.settings import SeparationSettings
from separation.spectral.loops import frame_powers, interpolate

Magnitudes = NDArray[np.float32]
Fractions = NDArray[np.float32]

# What a further look counts beside the first one, and over how many bins it fades in below the edge of its band.
_WEIGHT = 0.6
_FADE_BINS = 32
# Whether somebody sings is judged over 3 s around a frame.
_PRESENCE_FRAMES = 129
# Keeps 0/0 out of masks where no network finds anything.
_LEAST = 1e-10
# A patch is lifted by eight bits at most: what is quieter still is the noise of a converter.
_HIGHEST_LIFT_DB = 48.0


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
        stretched = interpolate(magnitudes, *self._stretch)
        return np.maximum(stretched, 0, out=stretched)

    def undone(self, fractions: Fractions) -> Fractions:
        """``(..., looked)`` to ``(..., covered)``, linear between bins."""
        return interpolate(fractions, *self._shrink)


# Of each number of an interpolation, term by term, the bins it comes from and what each counts.
_Terms = tuple[NDArray[np.int32], NDArray[np.float32]]


def _cubic(places: NDArray[np.floating[Any]], bins: int) -> _Terms:
    """From ``bins`` numbers to those at ``places`` between them, 0 beyond the last."""
    below = places.astype(np.intp)
    t = places - below
    weights = np.stack(
        [
            ((1 - t / 2) * t - 0.5) * t,
            (1.5 * t - 2.5) * t * t + 1,
            ((2 - 1.5 * t) * t + 0.5) * t,
            (t / 2 - 0.5) * t * t,
        ]
    )
    sources = np.clip(below + np.arange(-1, 3)[:, None], 0, bins - 1)
    return sources.astype(np.int32), (weights * (places <= bins - 1)).astype(np.float32)


def _linear(places: NDArray[np.floating[Any]], bins: int) -> _Terms:
    """From ``bins`` numbers to those at ``places`` between them."""
    below = np.minimum(places.astype(np.intp), bins - 2)
    t = places - below
    return np.stack([below, below + 1]).astype(np.int32), np.stack([1 - t, t]).astype(np.float32)


def level_dbfs(magnitudes: Magnitudes, fft_size: int) -> float:
    """Root mean square over both channels of the music under a patch ``(2, frames, bins)`` of absolute values of an
    unscaled STFT with a Hann window; 0 is a square wave at full scale. Of silence minus infinity.

    By Parseval's theorem: the half of the spectrum that is there counts twice, the square of the window is 3/8 in the
    mean.
    """
    # In an order that does not depend on the number of threads, as a product of BLAS would.
    power = float(np.square(magnitudes).sum(axis=-1, dtype=np.float64).mean()) * 2 / (fft_size**2 * 3 / 8)
    return 10 * math.log10(power) if power > 0 else -math.inf


def levelled(magnitudes: Magnitudes, fft_size: int, levels_dbfs: tuple[float, float]) -> Magnitudes:
    """A patch ``(2, frames, bins)`` at the nearer of two levels where it is quieter or louder than they, else as it is.

    It is lifted by no more than 48 dB. Only what the networks see: they answer with fractions, which the music's own
    spectra are multiplied by.
    """
    level, (least, most) = level_dbfs(magnitudes, fft_size), levels_dbfs
    if least <= level <= most or not math.isfinite(level):
        return magnitudes
    change = min(least - level, _HIGHEST_LIFT_DB) if level < least else most - level
    return magnitudes * np.float32(10 ** (change / 20))


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
    """What all looks at a patch, ``(2, frames, bins)``, say together: ``(stems, 1, frames, bins)``, for both channels
    alike.

    A weighted mean. Where the first look finds nobody singing, nobody does, and further looks do not count: what is
    transposed may pass for a voice, a lead synthesiser for one.
    """
    if settings.levels_dbfs:
        magnitudes = levelled(magnitudes, model.manifest.fft_size, settings.levels_dbfs)
    bins = magnitudes.shape[-1]
    looks = [Transposition(ratio, bins, min(bins, settings.transposed_bins)) for ratio in settings.transpositions]
    fractions, *others = model.fractions_of_each([magnitudes, *(look.applied(magnitudes) for look in looks)])
    fractions, *others = (_mean_of_channels(answer) for answer in (fractions, *others))
    stem = model.manifest.stems.index("vocals")
    gain = np.ones((magnitudes.shape[1], 1), np.float32)
    if settings.presence_floor_db is not None:
        gain = presence(*frame_powers(magnitudes, fractions, stem, _LEAST), settings.presence_floor_db)[:, None]

    widest = max((look.covered for look in looks), default=0)
    total = np.ones((magnitudes.shape[1], widest), np.float32)
    for look, seen in zip(looks, others, strict=True):
        weights = look.weights * gain
        answer = look.undone(seen)
        answer *= weights
        fractions[..., : look.covered] += answer
        total[:, : look.covered] += weights
    fractions[..., :widest] /= total

    if settings.presence_floor_db is not None:
        fractions *= gain
        for other in set(range(len(fractions))) - {stem}:
            fractions[other] += 1 - gain
    return fractions


def _mean_of_channels(fractions: Fractions) -> Fractions:
    """In place: the answers of a model are its caller's."""
    left, right = fractions[:, :1], fractions[:, 1:]
    left += right
    left *= np.float32(0.5)
    return left
