"""``loops.c`` from Python: loops over samples, each in one pass over its arrays.

Compiled for processors with AVX2 and for others (``machine/compiled.py``). Planes are float32
``(channels, samples)``, the samples of a channel next to each other in memory.
"""

import ctypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separation.machine.compiled import ARRAY, NUMBER, PLACE, gapless, library_file, loaded

Planes = NDArray[np.float32]
Doubles = NDArray[np.float64]

_PLANES = (ARRAY, PLACE, PLACE)  # an array, how far its channels are apart, and how many there are
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "add_energies": (*_PLANES, PLACE, ARRAY, ARRAY, ARRAY, PLACE, PLACE, ARRAY),
    "extremes": (*_PLANES, PLACE, PLACE, ARRAY, ARRAY),
    "split_whole": (ARRAY, ARRAY, PLACE, NUMBER, ARRAY, ARRAY, ARRAY, ARRAY, ARRAY),
    "interleave_16": (*_PLANES, PLACE, ARRAY),
    "interleave_24": (*_PLANES, PLACE, ARRAY),
}


@cache
def _loops() -> ctypes.CDLL:
    return loaded(library_file(Path(__file__).parent, "loops"), _SIGNATURES)


def _planes(planes: Planes) -> tuple[int, int, int]:
    """Address, distance and number of the channels. Raises ``ValueError`` for what C would misread."""
    if planes.dtype != np.float32 or (planes.strides[1] != planes.itemsize and planes.shape[1] > 1):
        raise ValueError(f"Planes of {planes.dtype} where float32 without gaps is expected.")
    return planes.ctypes.data, planes.strides[0] // planes.itemsize, len(planes)


def add_energies(
    planes: Planes, filters: Doubles, states: Doubles, weights: Doubles, segment: int, filled: int, energies: Doubles
) -> None:
    """Passes each channel through two recursive filters and adds the mean square of each whole segment to ``energies``.

    ``filters``: ``(2, 5)``, b0, b1, b2, a1 and a2 of each where a0 is 1. ``states``: ``(channels, 5)``, zeros at first,
    changes. ``weights``: of the channels. A segment has ``segment`` samples, of which ``filled`` came before.
    ``energies``: zeros, one for each segment that becomes whole.
    """
    channels, count = planes.shape
    shapes = (filters.shape, states.shape, weights.shape, energies.shape)
    if shapes != ((2, 5), (channels, 5), (channels,), ((filled + count) // segment,)):
        raise ValueError(f"Filters, states, weights and energies of {shapes} do not fit.")
    _loops().add_energies(
        *(*_planes(planes), count, gapless(filters, np.float64), gapless(states, np.float64)),
        *(gapless(weights, np.float64), segment, filled, gapless(energies, np.float64)),
    )


def extremes(planes: Planes, stretch: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The lowest and the highest number of consecutive stretches, over all channels; a rest is left out."""
    stretches = planes.shape[1] // stretch
    lows, highs = np.empty((2, stretches), np.float32)
    _loops().extremes(*_planes(planes), stretch, stretches, lows.ctypes.data, highs.ctypes.data)
    return lows, highs


@dataclass(frozen=True)
class WholeParts:
    """``whole`` and ``part`` are rounded to whole numbers, ``rest`` is their difference; ``lowest`` and ``highest`` of
    all three. ``error``: the sum of the squares of what ``part + rest`` as samples differ by from the mixture."""

    whole: Planes
    part: Planes
    rest: Planes
    lowest: float
    highest: float
    error: float


def split_whole(mixture: Planes, source: Planes, scale: int) -> WholeParts:
    """In numbers of ``1 / scale``, a power of 2; arrays of one shape."""
    if mixture.shape != source.shape:
        raise ValueError("Mixture and source differ in shape.")
    whole, part, rest = np.empty((3, *mixture.shape), np.float32)
    limits, error = np.empty(2, np.float32), np.empty(1)
    _loops().split_whole(
        *(gapless(mixture, np.float32), gapless(source, np.float32), mixture.size, scale),
        *(whole.ctypes.data, part.ctypes.data, rest.ctypes.data, limits.ctypes.data, error.ctypes.data),
    )
    return WholeParts(whole, part, rest, float(limits[0]), float(limits[1]), float(error[0]))


def interleave(planes: Planes, bits: int, frames: NDArray[Any]) -> None:
    """Whole numbers of 16 bits, or of 24 that lie in the upper ones of 32, into ``frames``, ``samples`` times
    channels of the integers of that size."""
    if frames.size != planes.size:
        raise ValueError("The frames have another size.")
    kind = np.int16 if bits == 16 else np.int32
    loop = _loops().interleave_16 if bits == 16 else _loops().interleave_24
    loop(*_planes(planes), planes.shape[1], gapless(frames, kind))
