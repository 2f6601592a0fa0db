"""Integrated loudness of a stream after ITU-R BS.1770-4 (and EBU R 128).

K-weighting is applied as a convolution by FFT: what its impulse response holds after 60 ms is below -120 dB, so each
block is filtered together with that much of its past (overlap-save). Filter constants for any sample rate:
B. De Man, "Evaluation of implementations of the EBU R128 loudness measurement", AES 145, 2018.
"""

from array import array
from collections.abc import Sequence
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

from separation.fourier import irfft, rfft

_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_OFFSET = -0.691
_MEMORY_SECONDS = 0.06
# Length and number of the transforms, as measured: they fit the processor's cache, and several at once go faster.
_MEMORIES_PER_TRANSFORM = 4
_TRANSFORMS = 2
_SEGMENTS_PER_BLOCK = 4  # 400 ms blocks every 100 ms


def _biquad_response(z: NDArray[np.complex128], b: Sequence[float], a: Sequence[float]) -> NDArray[np.complex128]:
    """``z`` is ``exp(-i w)``."""
    response: NDArray[np.complex128] = (b[0] + b[1] * z + b[2] * z * z) / (a[0] + a[1] * z + a[2] * z * z)
    return response


def k_weighting(rate: int, size: int) -> NDArray[np.complex64]:
    """Frequency response of the K-weighting at the bins of a real FFT of ``size`` samples."""
    z = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    # The shelf of a head ...
    k, q = np.tan(np.pi * 1681.974450955533 / rate), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    shelf = _biquad_response(
        z,
        (high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k),
        (1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k),
    )
    # ... and a high-pass, whose gain the standard leaves at (1, -2, 1) with the denominator normalised.
    k, q = np.tan(np.pi * 38.13547087602444 / rate), 0.5003270373238773
    a0 = 1 + k / q + k * k
    rumble = _biquad_response(z, (1, -2, 1), (1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0))
    return (shelf * rumble).astype(np.complex64)


def channel_weights(names: Sequence[str]) -> NDArray[np.float32]:
    """BS.1770-4, table 3: surrounds count +1.5 dB, the LFE nothing."""
    surround = ("SL", "SR", "BL", "BR", "BC")
    return np.array([0.0 if n.startswith("LFE") else 1.41 if n in surround else 1.0 for n in names], np.float32)


class LoudnessMeter:
    """Feed samples, then ask for the integrated loudness. Keeps ten numbers per second of audio."""

    def __init__(self, rate: int, channel_names: Sequence[str]) -> None:
        self._weights = channel_weights(channel_names)
        self._memory = ceil(rate * _MEMORY_SECONDS)
        self._size = 1 << ceil(log2(_MEMORIES_PER_TRANSFORM * self._memory))
        self._step = self._size - self._memory
        self._response = k_weighting(rate, self._size)
        # The past of the first sample is silence.
        self._waiting = np.zeros((len(self._weights), self._memory), np.float32)
        self._segment = round(rate / 10)
        self._pending = np.zeros(0, np.float32)
        # Not a list of small arrays: with the holes between them they took 8 MB of a process in two hours.
        self._energies = array("d")

    def push(self, samples: NDArray[np.float32]) -> None:
        """``samples``: ``(n, channels)``."""
        signal = np.concatenate([self._waiting, samples.T], axis=1)
        batch = _TRANSFORMS * self._step
        while signal.shape[1] >= self._memory + batch:
            power = np.concatenate([self._pending, self._power(signal[:, : self._memory + batch])])
            energies, self._pending = self._segments(power)
            self._energies.frombytes(energies.tobytes())
            signal = signal[:, batch:]
        self._waiting = signal.copy()

    def _power(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of the K-weighted signal, channels added up by weight; the first samples are its past and have none."""
        pieces = np.lib.stride_tricks.sliding_window_view(signal, self._size, axis=1)[:, :: self._step]
        spectrum = rfft(pieces)
        spectrum *= self._response
        weighted = irfft(spectrum, self._size)
        power = np.square(weighted[:, :, self._memory :]).reshape(len(signal), -1)
        power *= self._weights[:, None]
        total: NDArray[np.float32] = power.sum(axis=0)
        return total

    def _segments(self, power: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """The mean of each tenth of a second, and what is left over."""
        whole = len(power) // self._segment * self._segment
        return power[:whole].reshape(-1, self._segment).mean(axis=1, dtype=np.float64), power[whole:]

    def integrated_lufs(self) -> float | None:
        """Of what has been pushed; ``None`` where nothing exceeds -70 LUFS for 400 ms, and for shorter audio."""
        count = self._waiting.shape[1] - self._memory
        missing = max(1, ceil(count / self._step)) * self._step - count
        rest = self._power(np.pad(self._waiting, ((0, 0), (0, missing))))[:count]
        last, _ = self._segments(np.concatenate([self._pending, rest]))
        energies = np.concatenate([np.array(self._energies), last])
        if len(energies) < _SEGMENTS_PER_BLOCK:
            return None
        blocks = np.convolve(energies, np.full(_SEGMENTS_PER_BLOCK, 1 / _SEGMENTS_PER_BLOCK), mode="valid")
        loud = blocks[blocks > 10 ** ((_ABSOLUTE_GATE_LUFS - _OFFSET) / 10)]
        if not len(loud):
            return None
        gate = loud.mean() * 10 ** (_RELATIVE_GATE_LU / 10)
        return float(_OFFSET + 10 * np.log10(loud[loud > gate].mean()))
