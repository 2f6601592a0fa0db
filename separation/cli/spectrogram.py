"""What a picture of a track needs, measured while its samples pass: envelope and spectrogram in a bounded size."""

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from separation.spectral.fft import rfft

Samples = NDArray[np.float32]

MAX_COLUMNS = 1500
_ROWS = 256
_SHORTEST_COLUMN_SECONDS = 0.006
_WINDOW_SECONDS = 0.093  # 4096 samples at 44.1 kHz
_WINDOW_BANDWIDTH = 1.5  # bins over which a Hann window spreads the power of a sine
_LOWEST_HZ, _HIGHEST_HZ = 30.0, 20_000.0
_FRAMES_AT_ONCE = 32


def mel(hertz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Perceived pitch after D. O'Shaughnessy, "Speech Communication", 1987: nearly linear below 700 Hz, then a log."""
    return np.asarray(2595 * np.log10(1 + np.asarray(hertz) / 700))


def hertz(pitch: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """The inverse of ``mel``."""
    return np.asarray(700 * (10 ** (np.asarray(pitch) / 2595) - 1))


class TrackMeter:
    """Feed the samples of a track whose number is known, finish, then read ``lows``, ``highs``, ``rms``, ``decibels``.

    All have one entry for each of ``columns`` equal stretches of time, at most ``MAX_COLUMNS``: memory does not grow
    with the track. ``lows``, ``highs`` and ``rms`` are those over all channels.
    """

    def __init__(self, rate: int, channels: int, samples: int) -> None:
        self.columns = min(MAX_COLUMNS, max(1, int(samples / (rate * _SHORTEST_COLUMN_SECONDS))))
        self._samples, self._received = samples, 0
        self._edges = np.arange(self.columns + 1) * samples // self.columns
        self.lows = np.full(self.columns, np.inf, np.float32)
        self.highs = np.full(self.columns, -np.inf, np.float32)
        self._energy = np.zeros(self.columns)
        self._channels = channels
        self._size = 2 ** round(np.log2(rate * _WINDOW_SECONDS))
        window = np.hanning(self._size + 1)[:-1].astype(np.float32)
        # A full-scale sine has the power 1 at its bin.
        self._window = window * np.float32(2 / window.sum())
        # Frames overlap by half at least; each column is the mean of those in it.
        self._per_column = max(1, round(2 * samples / self.columns / self._size))
        self._frames = self.columns * self._per_column
        self._frame = 0
        self._tail = np.zeros((channels, self._size), np.float32)  # what precedes the next sample
        self._filters, self.lowest_mel, self.highest_mel = _mel_filters(rate, self._size)
        self._bins = np.zeros(self._size // 2 + 1)
        self._power = np.zeros((self.columns, _ROWS))

    @property
    def rms(self) -> NDArray[np.float64]:
        return np.asarray(np.sqrt(self._energy / (np.diff(self._edges) * self._channels)))

    @property
    def peak(self) -> float:
        """The largest magnitude."""
        return float(max(-self.lows.min(), self.highs.max()))

    def push(self, samples: Samples) -> None:
        """``(n, channels)``; what exceeds the known number is left out."""
        samples = samples[: self._samples - self._received]
        if len(samples):
            self._measure_envelope(samples)
            self._measure_spectra(samples)
            self._received += len(samples)

    def finish(self) -> None:
        """There is no more: what is missing is silence, as is what surrounds the track."""
        while self._received < self._samples:
            self.push(np.zeros((min(self._samples - self._received, 10 * self._size), self._channels), np.float32))
        self._measure_spectra(np.zeros((self._size, self._channels), np.float32))

    def _measure_envelope(self, samples: Samples) -> None:
        begin, end = self._received, self._received + len(samples)
        first, last = np.searchsorted(self._edges, [begin, end - 1], side="right") - 1
        starts = np.maximum(self._edges[first : last + 1] - begin, 0)
        part = slice(first, last + 1)
        self.lows[part] = np.minimum(self.lows[part], np.minimum.reduceat(samples.min(axis=1), starts))
        self.highs[part] = np.maximum(self.highs[part], np.maximum.reduceat(samples.max(axis=1), starts))
        energies = np.square(samples, dtype=np.float64).sum(axis=1)
        self._energy[part] += np.add.reduceat(energies, starts)

    def _measure_spectra(self, samples: Samples) -> None:
        """All frames that ``samples`` complete."""
        signal = np.concatenate([self._tail, samples.T], axis=1)
        origin = self._received - self._size  # the position in the track of the first sample of ``signal``
        end = origin + signal.shape[1]
        while self._frame < self._frames:
            numbers = np.arange(self._frame, min(self._frame + _FRAMES_AT_ONCE, self._frames))
            begins = ((2 * numbers + 1) * self._samples // (2 * self._frames)) - self._size // 2
            begins = begins[begins + self._size <= end]
            if not len(begins):
                break
            frames = np.stack([signal[:, begin - origin : begin - origin + self._size] for begin in begins])
            spectra = rfft(frames * self._window)
            powers = (np.square(spectra.real) + np.square(spectra.imag)).mean(axis=1)
            for power in powers:
                self._add(power)
        self._tail = signal[:, -self._size :].copy()

    def _add(self, power: NDArray[np.float32]) -> None:
        self._bins += power
        self._frame += 1
        if self._frame % self._per_column == 0:
            self._power[self._frame // self._per_column - 1] = self._filters @ (self._bins / self._per_column)
            self._bins[:] = 0

    def decibels(self) -> NDArray[np.float64]:
        """``(rows, columns)``, the lowest frequency first. 0 is a full-scale sine in every channel; at least -200."""
        return np.asarray(10 * np.log10(np.maximum(self._power.T, 1e-20)))


def _mel_filters(rate: int, size: int) -> tuple[scipy.sparse.csr_array, float, float]:
    """``(rows, bins)``: triangles around equally spaced mels, none narrower than a bin, and the outer mels.

    They add up power, so that a sine keeps its level, to within 4 dB, however wide the row is.
    """
    bins = np.arange(size // 2 + 1) * rate / size
    lowest, highest = float(mel(_LOWEST_HZ)), float(mel(min(_HIGHEST_HZ, rate / 2)))
    centres = np.linspace(lowest, highest, _ROWS)
    below, above = hertz(centres - (centres[1] - centres[0])), hertz(centres + (centres[1] - centres[0]))
    half_width = np.maximum((above - below) / 2, rate / size)
    filters = np.maximum(0, 1 - np.abs(bins - hertz(centres)[:, None]) / half_width[:, None])
    filters /= _WINDOW_BANDWIDTH
    # Nearly all zeros; and a dense product of this size would be shared out to threads that wait longer than they work.
    return scipy.sparse.csr_array(filters), lowest, highest
