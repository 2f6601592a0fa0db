"""The last step: a mixture and an estimate of its vocals become two stems that sum to the mixture in the file.

Each function returns what the files will hold. The instrumental is made from the *rounded* vocals, so rounding cancels
in the sum instead of adding up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Integers = NDArray[np.int32]

_FLOAT32_DIGITS = 24
_SMALLEST_EXPONENT = -149  # float32 has no finer spacing than 2**-149


@dataclass(frozen=True)
class IntegerSplit:
    """Samples between ``-2**(bits-1)`` and ``2**(bits-1) - 1``.

    ``stems_limited`` counts the samples at which a stem would have exceeded that, ``mixture_limited`` the mixture's.
    """

    mixture: Integers
    vocals: Integers
    instrumental: Integers
    stems_limited: int
    mixture_limited: int


def split_integer(mixture: Samples, vocals: Samples, bits: int) -> IntegerSplit:
    """Rounds both to ``bits`` and keeps the sum: ``vocals + instrumental`` is the rounded mixture.

    The sum holds even where the mixture itself exceeds full scale, up to twice of it. Where a stem would exceed full
    scale (the two can be larger than their sum), the boundary between the stems is moved by what is needed: nothing
    is clipped out of the sum.
    """
    scale = 2 ** (bits - 1)
    low, high = -scale, scale - 1
    whole = _rounded(mixture, 2.0 * scale, scale)
    rounded = _rounded(vocals, 4.0 * scale, scale)
    kept = np.clip(rounded, np.maximum(low, whole - high), np.minimum(high, whole - low))
    heard = np.clip(whole, low, high)
    return IntegerSplit(
        mixture=heard,
        vocals=kept,
        instrumental=whole - kept,
        stems_limited=int(np.count_nonzero(kept != rounded)),
        mixture_limited=int(np.count_nonzero(heard != whole)),
    )


def _rounded(samples: Samples, limit: float, scale: int) -> Integers:
    """``samples * scale`` as integers within ``[-limit, limit - 2]``, a range of at most 27 bits."""
    scaled = samples * np.float32(scale)
    np.clip(scaled, -limit, limit - 2, out=scaled)
    np.rint(scaled, out=scaled)
    return scaled.astype(np.int32)


def split_float(mixture: Samples, vocals: Samples) -> tuple[Samples, Samples]:
    """Vocals and instrumental in float32 with ``vocals + instrumental == mixture``.

    The vocals are rounded to a multiple of ``q``, the spacing of float32 at the largest of the three numbers. Wherever
    the mixture is a multiple of ``q`` too, both stems and their sum are free of rounding: equality is exact. That
    holds for all audio that was ever 16- or 24-bit integers, with stems within full scale. Elsewhere (a mixture decoded
    from a lossy format, near a zero crossing) no pair of float32 numbers of that size has the sum; it is then off by
    at most ``q/2``, that is 2**-24 of the larger stem.
    """
    largest = np.maximum(np.maximum(np.abs(mixture), np.abs(vocals)), np.abs(mixture - vocals))
    _, exponent = np.frexp(largest)
    spacing = np.maximum(exponent - _FLOAT32_DIGITS, _SMALLEST_EXPONENT)
    rounded = np.ldexp(np.rint(np.ldexp(vocals, -spacing)), spacing).astype(np.float32)
    return rounded, mixture - rounded
