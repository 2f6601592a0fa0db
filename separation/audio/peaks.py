"""Peaks to draw a waveform from, in bounded memory for a song of unknown length."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from separation.audio.loops import extremes

MAX_PEAKS = 2048
_FIRST_SAMPLES_PER_PEAK = 64


class WaveformMeter:
    """Lowest and highest sample of consecutive stretches, over all channels.

    Begins with short stretches; whenever there would be more than ``MAX_PEAKS``, neighbours are joined, so that a
    finished waveform has between half as many and as many, unless the audio is very short. ``full_scale``: what is 1.0
    elsewhere, for samples that are whole numbers.
    """

    def __init__(self, full_scale: float = 1.0) -> None:
        self.samples_per_peak = _FIRST_SAMPLES_PER_PEAK
        self._full_scale = full_scale
        self._lows = np.zeros(0, np.float32)
        self._highs = np.zeros(0, np.float32)
        # The stretch that is not yet whole: how many samples it has, and their extremes.
        self._filled = 0
        self._low = self._high = np.float32(0)

    def push(self, planes: NDArray[np.float32]) -> None:
        """``planes``: ``(channels, n)``."""
        count = planes.shape[1]
        missing = min(count, -self._filled % self.samples_per_peak)
        self._extend(planes[:, :missing])
        whole = (count - missing) // self.samples_per_peak * self.samples_per_peak
        if whole:
            self._append(*extremes(planes[:, missing : missing + whole], self.samples_per_peak))
        self._extend(planes[:, missing + whole :])
        while len(self._lows) > MAX_PEAKS:
            self._join()

    @property
    def peak(self) -> float:
        """The largest magnitude so far."""
        highest = max(self._highs.max(initial=0), -self._lows.min(initial=0))
        return float(max(highest, self._high, -self._low) if self._filled else highest) / self._full_scale

    def _append(self, lows: NDArray[np.float32], highs: NDArray[np.float32]) -> None:
        self._lows, self._highs = np.concatenate([self._lows, lows]), np.concatenate([self._highs, highs])

    def _extend(self, planes: NDArray[np.float32]) -> None:
        """The stretch that is not yet whole, by no more than it lacks."""
        count = planes.shape[1]
        if not count:
            return
        (low,), (high,) = extremes(planes, count)
        self._include(low, high, count)
        if self._filled == self.samples_per_peak:
            self._close()

    def _include(self, low: np.float32, high: np.float32, count: int) -> None:
        self._low, self._high = (min(self._low, low), max(self._high, high)) if self._filled else (low, high)
        self._filled += count

    def _close(self) -> None:
        self._append(np.array([self._low], np.float32), np.array([self._high], np.float32))
        self._filled = 0

    def _join(self) -> None:
        if len(self._lows) % 2:  # the odd one is half of a stretch that is not yet whole
            self._include(self._lows[-1], self._highs[-1], self.samples_per_peak)
            self._lows, self._highs = self._lows[:-1], self._highs[:-1]
        self._lows = self._lows.reshape(-1, 2).min(axis=1)
        self._highs = self._highs.reshape(-1, 2).max(axis=1)
        self.samples_per_peak *= 2

    def peaks(self) -> list[float]:
        """``[min, max, min, max, ...]`` with four decimals; the last stretch may be shorter than the others."""
        if self._filled:
            self._close()
        interleaved = np.stack([self._lows, self._highs], axis=1).ravel() / np.float32(self._full_scale)
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
