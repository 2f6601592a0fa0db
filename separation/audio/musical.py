"""Key and tempo of a song, measured while it goes by.

Tempo: the strength of onsets (by how much each band of the spectrum becomes louder; J. P. Bello et al., "A tutorial on
onset detection in music signals", IEEE TSAP 13(5), 2005) and the period with which it repeats, weighted by a log-normal
prior around 120 beats a minute (D. P. W. Ellis, "Beat tracking by dynamic programming", JNMR 36(1), 2007).

Key: what each of the twelve pitch classes has of the song's partials, correlated with how often they occur in each of
the 24 keys (D. Temperley, "Music and Probability", MIT Press, 2007; the method is C. L. Krumhansl's).

Figures, and what was chosen by them: record 0186.
"""

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Doubles = NDArray[np.float64]

_RATE_HZ = 11_025
"""Harmony and the attack of drums are all below half of it."""

# Onsets: 93 ms of music every 23 ms, in bands of equal width in mel.
_ONSET_FRAME, _ONSET_HOP, _BANDS = 1024, 256, 32
_FRAMES_PER_SECOND = _RATE_HZ / _ONSET_HOP
_LOWEST_BAND_MEL = 46.0  # 30 Hz
_QUIETEST_DB, _BELOW_LOUDEST_DB = -60.0, 60.0
# Tempo is judged in pieces of 12 s, between which it may drift, so many of them at a time.
_PIECE_FRAMES, _PIECE_STEP, _PIECES_AT_ONCE = 512, 256, 64
_SLOWEST_BPM, _FASTEST_BPM = 50.0, 210.0
_USUAL_BPM, _PRIOR_OCTAVES = 120.0, 0.9
_FINE_SHARE, _FINE_BPM = 0.06, 0.05
_LEAST_PULSE = 0.22

# Pitch: 0.37 s of music every 0.19 s, in which semitones stand apart from 98 Hz on.
_PITCH_FRAME, _PITCH_HOP = 4096, 2048
_LOWEST_HZ, _HIGHEST_HZ = 98.0, 2000.0
_STEPS = 10
"""Of a semitone, into which partials are sorted while the song's tuning is not known."""
_LEAST_SHARE_OF_LOUDEST = 0.02
_LEAST_PROMINENCE, _NEAR_BINS = 2.0, 16
_SILENT = 1e-4
_LEAST_CORRELATION, _LEAST_CONTRAST = 0.6, 0.4

_PITCHES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
# Pitch classes in the Kostka-Payne corpus, from the tonic on.
_MAJOR = (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400)
_MINOR = (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330)


@dataclass(frozen=True)
class Key:
    """``tonic``: 0 is C, 11 is B."""

    tonic: int
    minor: bool

    @property
    def name(self) -> str:
        """As musicians write it: ``F# minor``."""
        return f"{_PITCHES[self.tonic]} {'minor' if self.minor else 'major'}"

    @property
    def camelot(self) -> str:
        """As DJs do: ``11A``. One more is a fifth higher; a major key and its relative minor have one number."""
        major = (self.tonic + 3) % 12 if self.minor else self.tonic
        return f"{(7 * major + 7) % 12 + 1}{'A' if self.minor else 'B'}"


class MusicMeter:
    """Feed samples, then ask for key and tempo. Keeps 43 numbers for each second of audio.

    ``full_scale``: what is 1.0 elsewhere, for samples that are whole numbers.
    """

    def __init__(self, rate: int, full_scale: float = 1.0) -> None:
        self._resampler = soxr.ResampleStream(rate, _RATE_HZ, 1, "float32", "MQ")
        self._scale = np.float32(1 / full_scale)
        self._onset_samples = self._pitch_samples = np.zeros(0, np.float32)
        self._onset_window, self._pitch_window = _hann(_ONSET_FRAME), _hann(_PITCH_FRAME)
        self._bands = _bands()
        self._before: Samples | None = None
        self._onsets = array("f")
        self._partials = np.zeros(12 * _STEPS)

    def push(self, planes: Samples) -> None:
        """``planes``: ``(channels, n)``."""
        heard = self._resampler.resample_chunk(planes.mean(axis=0, dtype=np.float32) * self._scale)
        self._onset_samples = _framed(self._onset_samples, heard, _ONSET_FRAME, _ONSET_HOP, self._add_onsets)
        self._pitch_samples = _framed(self._pitch_samples, heard, _PITCH_FRAME, _PITCH_HOP, self._add_partials)

    def tempo_bpm(self) -> float | None:
        """Of what has been pushed, 50 to 210; ``None`` where no beat repeats.

        Half and double of a tempo are both right to many listeners; this is the one nearer to 120.
        """
        onsets = np.frombuffer(self._onsets, np.float32)
        length = min(_PIECE_FRAMES, len(onsets))
        if length < _PIECE_FRAMES // 2:
            return None
        pulse = _pulse(onsets, length)
        bpm = 60 * _FRAMES_PER_SECOND / np.maximum(np.arange(len(pulse)), 1)
        prior = np.exp(-0.5 * (np.log2(bpm / _USUAL_BPM) / _PRIOR_OCTAVES) ** 2)
        prior[(bpm < _SLOWEST_BPM) | (bpm > _FASTEST_BPM)] = 0
        lag = int((np.maximum(pulse, 0) * prior).argmax())
        return _fine_bpm(onsets, length, float(bpm[lag])) if pulse[lag] >= _LEAST_PULSE else None

    def key(self) -> Key | None:
        """Of what has been pushed; ``None`` where it has no pitch, or fits no key."""
        classes = _pitch_classes(self._partials)
        if not classes.any() or classes.std() < _LEAST_CONTRAST * classes.mean():
            return None
        fits = [
            np.corrcoef(np.roll(profile, tonic), classes)[0, 1] for profile in (_MAJOR, _MINOR) for tonic in range(12)
        ]
        best = int(np.argmax(fits))
        return Key(best % 12, minor=best >= 12) if fits[best] >= _LEAST_CORRELATION else None

    def _add_onsets(self, frames: Samples) -> None:
        power = np.abs(np.fft.rfft(frames * self._onset_window, axis=1)) ** 2 @ self._bands
        levels = 10 * np.log10(np.maximum(power, 10 ** (_QUIETEST_DB / 10)))
        if self._before is not None:
            levels = np.concatenate([self._before, levels])
        self._before = levels[-1:]
        # A rise far below the loudest band is noise.
        heard = np.maximum(levels, levels.max() - _BELOW_LOUDEST_DB)
        rises = np.maximum(np.diff(heard, axis=0), 0).mean(axis=1, dtype=np.float32)
        self._onsets.frombytes(rises.tobytes())

    def _add_partials(self, frames: Samples) -> None:
        """Sorts what stands out of each spectrum by pitch class; every frame counts alike, however loud."""
        magnitudes = np.abs(np.fft.rfft(frames * self._pitch_window, axis=1))
        first, last = (round(hertz * _PITCH_FRAME / _RATE_HZ) for hertz in (_LOWEST_HZ, _HIGHEST_HZ))
        left, here, right = (magnitudes[:, first + step : last + step] for step in (-1, 0, 1))
        loudest = here.max(axis=1, keepdims=True)
        audible = (here > _LEAST_SHARE_OF_LOUDEST * loudest) & (loudest > _SILENT * _PITCH_FRAME / 4)
        audible &= here > _LEAST_PROMINENCE * _around(magnitudes, first, last)
        peaks = np.nonzero((here > left) & (here >= right) & audible)
        # The top of a parabola through the logarithms of three bins: J. O. Smith, "Spectral Audio Signal Processing".
        a, b, c = (np.log(np.maximum(part[peaks], 1e-9)) for part in (left, here, right))
        bins = peaks[1] + first + 0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-9)
        semitones = 12 * np.log2(bins * (_RATE_HZ / _PITCH_FRAME) / 440) + _PITCHES.index("A")
        places = np.round(_STEPS * semitones).astype(np.intp) % len(self._partials)
        weights = np.sqrt((here / np.maximum(loudest, 1e-9))[peaks])
        self._partials += np.bincount(places, weights, len(self._partials))


def _framed(before: Samples, heard: Samples, frame: int, hop: int, take: Callable[[Samples], None]) -> Samples:
    """Hands on all whole frames; what is left of the samples for the next."""
    samples = np.concatenate([before, heard])
    if len(samples) < frame:
        return samples
    frames = sliding_window_view(samples, frame)[::hop]
    take(frames)
    return samples[len(frames) * hop :]


def _around(magnitudes: Samples, first: int, last: int) -> Samples:
    """The mean of what lies within 43 Hz of each bin."""
    sums = np.cumsum(magnitudes, axis=1)
    width, begin, end = 2 * _NEAR_BINS + 1, first - _NEAR_BINS - 1, last - _NEAR_BINS - 1
    means: Samples = (sums[:, begin + width : end + width] - sums[:, begin:end]) / np.float32(width)
    return means


def _hann(length: int) -> Samples:
    return np.hanning(length + 1)[:-1].astype(np.float32)


def _bands() -> NDArray[np.float32]:
    """``(bins, bands)``: triangles at equal distances in mel (D. O'Shaughnessy's formula), each of sum 1."""
    hertz = np.arange(_ONSET_FRAME // 2 + 1) * _RATE_HZ / _ONSET_FRAME
    highest_mel = 2595 * np.log10(1 + _RATE_HZ / 2 / 700)
    edges = 700 * (10 ** (np.linspace(_LOWEST_BAND_MEL, highest_mel, _BANDS + 2) / 2595) - 1)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (hertz[:, None] - low) / (middle - low), (high - hertz[:, None]) / (high - middle)
    triangles = np.maximum(np.minimum(rising, falling), 0)
    # Of the lowest some lie between two bins.
    bands: NDArray[np.float32] = (triangles / np.maximum(triangles.sum(axis=0), 1e-9)).astype(np.float32)
    return bands


def _pieces(onsets: Samples, length: int) -> Iterator[Doubles]:
    """``(n, length)`` around zero, some at a time."""
    pieces = sliding_window_view(onsets, length)[::_PIECE_STEP]
    for begin in range(0, len(pieces), _PIECES_AT_ONCE):
        some = pieces[begin : begin + _PIECES_AT_ONCE].astype(np.float64)
        yield some - some.mean(axis=1, keepdims=True)


def _pulse(onsets: Samples, length: int) -> Doubles:
    """By lag up to half of a piece: how alike the onsets are that much later, 1 at 0; mean of the pieces with any."""
    count, total = 0, np.zeros(length // 2)
    for pieces in _pieces(onsets, length):
        spectra = np.abs(np.fft.rfft(pieces, 2 * length, axis=1)) ** 2
        sums = np.fft.irfft(spectra, axis=1)[:, : length // 2]
        sums = sums[sums[:, 0] > length * _SILENT]
        count += len(sums)
        total += (sums / sums[:, :1]).sum(axis=0)
    # Of long lags fewer products are summed.
    pulse: Doubles = total / max(1, count) * length / (length - np.arange(length // 2))
    return pulse


def _fine_bpm(onsets: Samples, length: int, coarse: float) -> float:
    """The tempo near ``coarse`` at which beats, halves and quarters of beats are strongest over all pieces."""
    candidates = np.arange(coarse * (1 - _FINE_SHARE), coarse * (1 + _FINE_SHARE), _FINE_BPM)
    cycles = np.outer(np.arange(length) / _FRAMES_PER_SECOND, candidates / 60)
    beats = np.exp(-2j * np.pi * cycles)
    halves = beats * beats
    waves = np.concatenate([beats, halves, halves * halves], axis=1)
    waves *= np.hanning(length)[:, None]
    power = np.zeros(waves.shape[1])
    for pieces in _pieces(onsets, length):
        power += (np.abs(pieces @ waves) ** 2).sum(axis=0)
    return round(float(candidates[power.reshape(3, -1).sum(axis=0).argmax()]), 1)


def _pitch_classes(partials: Doubles) -> Doubles:
    """The twelve from C on, whatever pitch the song is tuned to: where its partials gather is the middle of a class."""
    places = np.arange(len(partials))
    tuning = np.angle((partials * np.exp(2j * np.pi * places / _STEPS)).sum()) / (2 * np.pi) * _STEPS
    middles = np.arange(12) * _STEPS + tuning
    octave = len(partials)
    distances = np.abs((places[:, None] - middles + octave / 2) % octave - octave / 2)
    classes: Doubles = partials @ np.maximum(1 - distances / (_STEPS / 2), 0)
    return classes
