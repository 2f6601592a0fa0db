"""Integrated loudness of a stream after ITU-R BS.1770-4 (and EBU R 128).

The K-weighting is two recursive filters, in float64 (``samples.c``). Their constants for any sample rate: B. De Man,
"Evaluation of implementations of the EBU R128 loudness measurement", AES 145, 2018.
"""

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from separation.audio.loops import add_energies

_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_OFFSET = -0.691
_SEGMENTS_PER_BLOCK = 4  # 400 ms blocks every 100 ms


def k_weighting(rate: int) -> NDArray[np.float64]:
    """The two filters, each as ``(b0, b1, b2, a1, a2)`` with ``a0 = 1``: the shelf of a head, and a high-pass."""
    k, q = np.tan(np.pi * 1681.974450955533 / rate), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = (
        *((high + middle * k / q + k * k) / a0, 2 * (k * k - high) / a0, (high - middle * k / q + k * k) / a0),
        *(2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0),
    )
    # Of this one the standard leaves the gain at (1, -2, 1) with the denominator normalised.
    k, q = np.tan(np.pi * 38.13547087602444 / rate), 0.5003270373238773
    a0 = 1 + k / q + k * k
    return np.array([shelf, (1, -2, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0)])


# Ear level, 60 to 120 degrees to a side: sides, wides, and backs where they are the only surrounds (5.1, quad).
_SURROUNDS = frozenset(("SL", "SR", "WL", "WR", "SDL", "SDR"))
_SIDES, _BACKS = frozenset(("SL", "SR", "SDL", "SDR")), frozenset(("BL", "BR"))


def channel_weights(names: Sequence[str]) -> NDArray[np.float64]:
    """BS.1770-4, table 4: +1.5 dB between 60 and 120 degrees from the front, nothing for the LFE, else 0 dB.

    ``names`` as FFmpeg has them. The backs of 5.1 stand at 110 degrees, those of 7.1, behind its sides, at 135 or more.
    """
    surrounds = _SURROUNDS if _SIDES.intersection(names) else _SURROUNDS | _BACKS
    return np.array([0.0 if n.startswith("LFE") else 1.41 if n in surrounds else 1.0 for n in names])


class LoudnessMeter:
    """Feed samples, then ask for the integrated loudness. Keeps ten numbers per second of audio.

    ``full_scale``: what is 1.0 elsewhere, for samples that are whole numbers.
    """

    def __init__(self, rate: int, channel_names: Sequence[str], full_scale: float = 1.0) -> None:
        self._filters = k_weighting(rate)
        self._weights = channel_weights(channel_names) / full_scale**2
        self._states = np.zeros((len(channel_names), 5))
        self._segment = round(rate / 10)
        self._filled = 0
        # Not a list of small arrays: with the holes between them they took 8 MB of a process in two hours.
        self._energies = array("d")

    def push(self, planes: NDArray[np.float32]) -> None:
        """``planes``: ``(channels, n)``."""
        whole, left = divmod(self._filled + planes.shape[1], self._segment)
        energies = np.zeros(whole)
        add_energies(planes, self._filters, self._states, self._weights, self._segment, self._filled, energies)
        self._filled = left
        self._energies.frombytes(energies.tobytes())

    def integrated_lufs(self) -> float | None:
        """Of what has been pushed; ``None`` where nothing exceeds -70 LUFS for 400 ms, and for shorter audio."""
        energies = np.array(self._energies)
        if len(energies) < _SEGMENTS_PER_BLOCK:
            return None
        blocks = np.convolve(energies, np.full(_SEGMENTS_PER_BLOCK, 1 / _SEGMENTS_PER_BLOCK), mode="valid")
        loud = blocks[blocks > 10 ** ((_ABSOLUTE_GATE_LUFS - _OFFSET) / 10)]
        if not len(loud):
            return None
        gate = loud.mean() * 10 ** (_RELATIVE_GATE_LU / 10)
        return float(_OFFSET + 10 * np.log10(loud[loud > gate].mean()))
