"""Peaks to draw a waveform from, in bounded memory for a song of unknown length."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_PEAKS = 2048
_FIRST_SAMPLES_PER_PEAK = 64


class WaveformMeter:
    """Lowest and highest sample of consecutive stretches, over all channels.

    Begins with short stretches; whenever there would be more than ``MAX_PEAKS``, neighbours are joined, so that a
    finished waveform has between half as many and as many, unless the audio is very short.
    """

    def __init__(self) -> None:
        self.samples_per_peak = _FIRST_SAMPLES_PER_PEAK
        self._lows = np.zeros(0, np.float32)
        self._highs = np.zeros(0, np.float32)
        self._pending = np.zeros((2, 0), np.float32)

    def push(self, samples: NDArray[np.float32]) -> None:
        """``samples``: ``(n, channels)``."""
        lows, highs = (
            reduce(list(samples.T)) if samples.shape[1] > 1 else samples[:, 0]
            for reduce in (np.minimum.reduce, np.maximum.reduce)
        )
        self._pending = np.concatenate([self._pending, np.stack([lows, highs])], axis=1)
        whole = self._pending.shape[1] // self.samples_per_peak * self.samples_per_peak
        if whole:
            self._append(self._pending[:, :whole].reshape(2, -1, self.samples_per_peak))
            self._pending = self._pending[:, whole:].copy()
        while len(self._lows) > MAX_PEAKS:
            self._join()

    @property
    def peak(self) -> float:
        """The largest magnitude so far."""
        extremes = [array for array in (self._lows, self._highs, self._pending) if array.size]
        return max((float(np.abs(array).max()) for array in extremes), default=0.0)

    def _append(self, stretches: NDArray[np.float32]) -> None:
        self._lows = np.concatenate([self._lows, stretches[0].min(axis=1)])
        self._highs = np.concatenate([self._highs, stretches[1].max(axis=1)])

    def _join(self) -> None:
        if len(self._lows) % 2:  # the odd one goes back to the samples that still wait for their stretch
            last = np.array([[self._lows[-1]], [self._highs[-1]]], np.float32)
            self._pending = np.concatenate([np.repeat(last, self.samples_per_peak, axis=1), self._pending], axis=1)
            self._lows, self._highs = self._lows[:-1], self._highs[:-1]
        self._lows = self._lows.reshape(-1, 2).min(axis=1)
        self._highs = self._highs.reshape(-1, 2).max(axis=1)
        self.samples_per_peak *= 2

    def peaks(self) -> list[float]:
        """``[min, max, min, max, ...]`` with four decimals; the last stretch may be shorter than the others."""
        if self._pending.shape[1]:
            self._append(self._pending[:, None, :])
            self._pending = self._pending[:, :0]
        interleaved = np.stack([self._lows, self._highs], axis=1).ravel()
        return [round(float(value), 4) for value in interleaved]


def waveform_document(rate: int, samples: int, tracks: dict[str, WaveformMeter]) -> dict[str, Any]:
    """The JSON document that the API serves: all tracks have the same length and so the same resolution."""
    peaks = {name: meter.peaks() for name, meter in tracks.items()}
    (samples_per_peak,) = {meter.samples_per_peak for meter in tracks.values()}
    return {
        "sample_rate_hz": rate,
        "samples_per_peak": samples_per_peak,
        "duration_seconds": samples / rate,
        "tracks": peaks,
    }
