"""The last step: a mixture and an estimate of its vocals become two stems that sum to the mixture in the file.

Each function returns what the files will hold. The instrumental is made from the *rounded* vocals, so rounding cancels
in the sum instead of adding up.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separation.audio.loops import split_whole

Samples = NDArray[np.float32]
Steps = NDArray[np.float32]
"""Whole numbers, as integer audio has them; float32 holds them exactly up to 2**24."""

_FLOAT32_DIGITS = 24


@dataclass(frozen=True)
class IntegerSplit:
    """Whole numbers between ``-2**(bits-1)`` and ``2**(bits-1) - 1``.

    ``stems_limited`` counts the samples at which a stem would have exceeded that, ``mixture_limited`` the mixture's.
    ``residual_energy``: the sum of the squares of what the stems' sum, as samples again, differs by from the mixture.
    """

    mixture: Steps
    vocals: Steps
    instrumental: Steps
    stems_limited: int
    mixture_limited: int
    residual_energy: float


def split_integer(mixture: Samples, vocals: Samples, bits: int) -> IntegerSplit:
    """Rounds both to ``bits`` (at most 24) and keeps the sum: ``vocals + instrumental`` is the rounded mixture.

    The sum holds even where the mixture itself exceeds full scale, up to twice of it. Where a stem would exceed full
    scale (the two can be larger than their sum), the boundary between the stems is moved by what is needed: nothing
    is clipped out of the sum.
    """
    scale = 2 ** (bits - 1)
    low, high = -scale, scale - 1
    parts = split_whole(mixture, vocals, scale)
    whole, rounded = parts.whole, parts.part
    if low <= parts.lowest and parts.highest <= high:
        return IntegerSplit(whole, rounded, parts.rest, 0, 0, parts.error)
    whole = np.clip(whole, 2 * low, 2 * high)
    kept = np.clip(rounded, np.maximum(low, whole - high), np.minimum(high, whole - low))
    heard = np.clip(whole, low, high)
    return IntegerSplit(
        mixture=heard,
        vocals=kept,
        instrumental=whole - kept,
        stems_limited=int(np.count_nonzero(kept != rounded)),
        mixture_limited=int(np.count_nonzero(heard != whole)),
        residual_energy=energy(whole.astype(np.float64) / scale - mixture),
    )


def energy(samples: NDArray[np.floating[Any]]) -> float:
    """The sum of their squares."""
    return float(np.square(samples).sum(dtype=np.float64))


def split_float(mixture: Samples, vocals: Samples) -> tuple[Samples, Samples]:
    """Vocals and instrumental in float32 with ``vocals + instrumental == mixture``.

    The vocals are rounded to a multiple of ``q``, the spacing of float32 at the largest of the three numbers. Wherever
    the mixture is a multiple of ``q`` too, both stems and their sum are free of rounding: equality is exact. That
    holds for all audio that was ever 16- or 24-bit integers, with stems within full scale. Elsewhere (a mixture decoded
    from a lossy format, near a zero crossing) no pair of float32 numbers of that size has the sum; it is then off by
    at most ``q/2``, that is 2**-24 of the larger stem.
    """
    largest = np.maximum(np.maximum(np.abs(mixture), np.abs(vocals)), np.abs(mixture - vocals))
    # The largest power of two within that number: its sign and digits are blanked. Below 2**-126 nothing is left, and
    # nothing needs to be rounded.
    power = (largest.view(np.uint32) & np.uint32(0xFF << (_FLOAT32_DIGITS - 1))).view(np.float32)
    # A float64 of 1.5 * 2**52 q has the spacing q, so adding it rounds to a multiple of q.
    shift = power * np.float64(1.5 * 2.0 ** (53 - _FLOAT32_DIGITS))
    rounded = (vocals + shift - shift).astype(np.float32)
    return rounded, mixture - rounded
