"""Short-time Fourier transform of a stream, and back, without an error beyond rounding.

Frame ``f`` covers the samples ``[f*hop - (size - hop), f*hop + hop)``: frame 0 is the first that touches the song, and
a song of ``n`` samples has ``ceil(n / hop) + size/hop - 1`` frames. Both windows are periodic Hann; with
``hop = size/4`` the squares of the shifted windows sum to exactly 3/2 everywhere (D. Griffin, J. Lim, "Signal
estimation from modified short-time Fourier transform", IEEE TASSP 32(2), 1984), so one division inverts the transform.

Every number is the same however the stream is cut into blocks: each frame is transformed on its own, and each
output sample is the sum of its four contributions in a fixed order.
"""

import numpy as np
from numpy.typing import NDArray

from separation.spectral.fft import irfft, rfft
from separation.spectral.loops import overlap_add, windowed

# Frames at a time: they stay in the processor's cache and below the size for which memory is fetched from the system,
# which together takes a tenth of the time of transforming all at once.
_BLOCK_FRAMES = 8
STEP_FRAMES = 24
"""A good number at a time for whoever streams: what the transforms need stays in the processor's cache, and is not
memory that the system hands out anew, page by page, for each."""

Samples = NDArray[np.float32]
Spectra = NDArray[np.complex64]


def hann(size: int) -> NDArray[np.float64]:
    """Periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def frame_count(samples: int, size: int, hop: int) -> int:
    """Number of frames that touch a song of ``samples`` samples; 0 for an empty one."""
    return -(-samples // hop) + size // hop - 1 if samples else 0


def overlap_weight(size: int, hop: int) -> float:
    """The constant to which the squared, shifted windows sum; ``ValueError`` when they do not sum to a constant."""
    sums = (hann(size) ** 2).reshape(-1, hop).sum(axis=0)
    if not np.allclose(sums, sums[0], rtol=1e-12):
        raise ValueError(f"Hann windows of {size} samples do not overlap-add evenly at a hop of {hop}.")
    return float(sums[0])


class StreamingStft:
    """Feed samples, take frames.

    ``first_frame`` is the first frame wanted; the first sample fed must be sample
    ``max(0, first_frame * hop - (size - hop))`` of the song.
    """

    def __init__(self, channels: int, size: int, hop: int, first_frame: int = 0) -> None:
        self._size, self._hop = size, hop
        self._window = hann(size).astype(np.float32)
        lead = max(0, (size - hop) - first_frame * hop)  # silence before the song
        self._pending: Samples = np.zeros((channels, lead), np.float32)

    def push(self, samples: Samples) -> Spectra:
        """``samples``: ``(n, channels)``. Returns the new whole frames, ``(frames, channels, size/2 + 1)``."""
        # Each channel in one piece, however the caller's samples lie.
        self._pending = np.concatenate([self._pending, np.ascontiguousarray(samples.T)], axis=1)
        count = max(0, (self._pending.shape[1] - self._size) // self._hop + 1)
        return self._take(count)

    def finish(self, frames: int) -> Spectra:
        """The last ``frames`` frames of the song, completed with silence."""
        missing = (frames - 1) * self._hop + self._size - self._pending.shape[1]
        self._pending = np.pad(self._pending, ((0, 0), (0, max(0, missing))))
        return self._take(frames)

    def _take(self, count: int) -> Spectra:
        channels = len(self._pending)
        if count <= 0:
            return np.empty((0, channels, self._size // 2 + 1), np.complex64)
        spectra = np.empty((count, channels, self._size // 2 + 1), np.complex64)
        for begin in range(0, count, _BLOCK_FRAMES):
            block = spectra[begin : begin + _BLOCK_FRAMES]
            rfft(windowed(self._pending[:, begin * self._hop :], len(block), self._window, self._hop), block)
        self._pending = self._pending[:, count * self._hop :].copy()
        return spectra


class StreamingIstft:
    """Feed consecutive frames, take samples; the inverse of ``StreamingStft``.

    For ``n`` frames come ``n * hop`` samples: those at the *beginning* of each frame, which no later frame touches.
    They are whole from the frame number ``size/hop`` on, or at once where the frames before the first are silent.
    """

    def __init__(self, channels: int, size: int, hop: int) -> None:
        self._size, self._hop = size, hop
        self._window = (hann(size) / overlap_weight(size, hop)).astype(np.float32)
        self._sums: Samples = np.zeros((channels, size), np.float32)

    def push(self, spectra: Spectra) -> Samples:
        """``spectra``: ``(frames, channels, size/2 + 1)``. Returns ``(frames * hop, channels)``."""
        samples = np.empty((len(spectra) * self._hop, len(self._sums)), np.float32)
        for begin in range(0, len(spectra), _BLOCK_FRAMES):
            segments = irfft(spectra[begin : begin + _BLOCK_FRAMES], self._size)
            end = begin + len(segments)
            samples[begin * self._hop : end * self._hop] = overlap_add(segments, self._window, self._sums, self._hop)
        return samples
