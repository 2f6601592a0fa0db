"""Integrated loudness of a stream after ITU-R BS.1770-4 (and EBU R 128).

K-weighting is applied as a convolution by FFT: its impulse response has faded below -120 dB after a tenth of a second,
so each block is filtered together with that much of its past (overlap-save). Filter constants for any sample rate:
B. De Man, "Evaluation of implementations of the EBU R128 loudness measurement", AES 145, 2018.
"""

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_OFFSET = -0.691
_MEMORY_SECONDS = 0.1
# Samples filtered at a time, memory included: small enough for the processor's cache.
_TRANSFORM = 32768
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
        self._rate = rate
        self._weights = channel_weights(channel_names)
        self._memory = np.zeros((len(self._weights), int(rate * _MEMORY_SECONDS)), np.float32)
        self._responses: dict[int, NDArray[np.complex64]] = {}
        self._segment = round(rate / 10)
        self._pending = np.zeros(0, np.float32)
        self._energies: list[NDArray[np.float64]] = []

    def push(self, samples: NDArray[np.float32]) -> None:
        """``samples``: ``(n, channels)``."""
        memory = self._memory.shape[1]
        step = max(_TRANSFORM - memory, memory)
        for begin in range(0, len(samples), step):
            self._filter(samples[begin : begin + step])

    def _filter(self, samples: NDArray[np.float32]) -> None:
        memory = self._memory.shape[1]
        signal = np.concatenate([self._memory, samples.T], axis=1)
        size = scipy.fft.next_fast_len(signal.shape[1], real=True)
        if size not in self._responses:
            # Blocks have few lengths; of the odd ones keep the response of the latest only.
            self._responses = dict(list(self._responses.items())[:2]) | {size: k_weighting(self._rate, size)}
        spectrum = scipy.fft.rfft(signal, n=size, axis=1)
        spectrum *= self._responses[size]
        weighted = scipy.fft.irfft(spectrum, n=size, axis=1, overwrite_x=True)[:, memory : signal.shape[1]]
        self._memory = signal[:, -memory:].copy()
        np.square(weighted, out=weighted)
        power = np.concatenate([self._pending, self._weights @ weighted])
        whole = len(power) // self._segment * self._segment
        self._energies.append(power[:whole].reshape(-1, self._segment).mean(axis=1, dtype=np.float64))
        self._pending = power[whole:]

    def integrated_lufs(self) -> float | None:
        """``None`` where nothing exceeds -70 LUFS for 400 ms, or the audio is shorter than that."""
        energies = np.concatenate(self._energies) if self._energies else np.zeros(0)
        if len(energies) < _SEGMENTS_PER_BLOCK:
            return None
        blocks = np.convolve(energies, np.full(_SEGMENTS_PER_BLOCK, 1 / _SEGMENTS_PER_BLOCK), mode="valid")
        loud = blocks[blocks > 10 ** ((_ABSOLUTE_GATE_LUFS - _OFFSET) / 10)]
        if not len(loud):
            return None
        gate = loud.mean() * 10 ** (_RELATIVE_GATE_LU / 10)
        return float(_OFFSET + 10 * np.log10(loud[loud > gate].mean()))
