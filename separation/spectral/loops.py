"""``loops.c`` from Python: loops over spectra, each in one pass over its arrays.

Compiled for processors with AVX2 and for others (``machine/compiled.py``). Arrays are float32 and complex64; the bins
of a frame are next to each other in memory, the other axes may be those of a view.
"""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from separation.machine.compiled import ARRAY, NUMBER, PLACE, gapless, library_file, loaded

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Spectra = NDArray[np.complex64]

_LAID_OUT = (ARRAY, PLACE, PLACE)  # an array, and how far its frames and its channels are apart
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "magnitudes": (*_LAID_OUT, PLACE, PLACE, PLACE, ARRAY),
    "windowed": (ARRAY, PLACE, PLACE, PLACE, PLACE, PLACE, ARRAY, ARRAY),
    "overlap_add": (ARRAY, PLACE, PLACE, PLACE, PLACE, ARRAY, ARRAY, ARRAY),
    "add_covariances": (*_LAID_OUT, PLACE, PLACE, *_LAID_OUT, ARRAY),
    "divided_powers": (*_LAID_OUT, PLACE, PLACE, *_LAID_OUT, ARRAY, ARRAY),
    "add_filtered": (*_LAID_OUT, PLACE, PLACE, ARRAY, ARRAY, ARRAY, NUMBER, NUMBER, *_LAID_OUT, NUMBER, ARRAY),
    "frame_powers": (ARRAY, PLACE, PLACE, ARRAY, PLACE, PLACE, PLACE, PLACE, NUMBER, ARRAY, ARRAY),
    "interpolate": (ARRAY, PLACE, PLACE, ARRAY, ARRAY, PLACE, PLACE, ARRAY),
}


@cache
def _loops() -> ctypes.CDLL:
    return loaded(library_file(Path(__file__).parent, "loops"), _SIGNATURES)


def _laid_out(array: Floats | Spectra, kind: type[np.generic]) -> tuple[int, int, int]:
    """Of ``(frames, channels, bins)``; one channel stands for both. Raises ``ValueError`` for what C would misread."""
    frame, channel, bin_bytes = array.strides
    if array.dtype != kind:
        raise ValueError(f"An array of {array.dtype} where {kind.__name__} is expected.")
    if bin_bytes != array.itemsize and array.shape[-1] > 1:
        raise ValueError("The bins of a frame must be next to each other.")
    return array.ctypes.data, frame // array.itemsize, channel // array.itemsize if array.shape[1] > 1 else 0


def magnitudes(spectra: Spectra) -> Floats:
    """Of ``(frames, channels, bins)``."""
    answer = np.empty(spectra.shape, np.float32)
    _loops().magnitudes(*_laid_out(spectra, np.complex64), *spectra.shape, answer.ctypes.data)
    return answer


def windowed(samples: Floats, frames: int, window: Floats, hop: int) -> Floats:
    """The first ``frames`` frames of ``samples``, ``(channels, n)``, each as long as ``window`` and a ``hop`` after the
    one before, times the window: ``(frames, channels, size)``."""
    channels, count = samples.shape
    size = len(window)
    if samples.dtype != np.float32 or samples.strides[1] != 4 or count < (frames - 1) * hop + size:
        raise ValueError("The samples are too few, or not float32 next to each other.")
    answer = np.empty((frames, channels, size), np.float32)
    _loops().windowed(
        *(samples.ctypes.data, samples.strides[0] // 4, frames, channels, size, hop),
        *(gapless(window, np.float32), answer.ctypes.data),
    )
    return answer


def overlap_add(segments: Floats, window: Floats, sums: Floats, hop: int) -> Floats:
    """Windows each of ``segments``, ``(frames, channels, size)``, and adds it to those before it, a hop later.

    ``sums``, ``(channels, size)``, changes: what earlier segments left for the samples from the next segment's first
    one on, zeros at the beginning. Returns the samples that no later segment touches, ``(frames * hop, channels)``.
    """
    frames, channels, size = segments.shape
    answer = np.empty((frames * hop, channels), np.float32)
    _loops().overlap_add(
        *(gapless(segments, np.float32), frames, channels, size, hop, gapless(window, np.float32)),
        *(gapless(sums, np.float32), answer.ctypes.data),
    )
    return answer


def add_covariances(mixture: Spectra, gains: Floats, sums: Doubles) -> None:
    """Adds to ``sums``, ``(4, bins)``, over all frames of a source that is ``gains`` times the stereo mixture: the
    power on the left, that on the right, and real and imaginary part of left times the conjugate of right.

    ``mixture``: ``(frames, 2, bins)``; ``gains``: the same, or ``(frames, 1, bins)`` for both channels.
    """
    frames, _, bins = mixture.shape
    _loops().add_covariances(
        *_laid_out(mixture, np.complex64), frames, bins, *_laid_out(gains, np.float32), gapless(sums, np.float64)
    )


def divided_powers(mixture: Spectra, gains: Floats) -> tuple[Floats, Floats]:
    """Power of ``gains`` times the stereo mixture and of the rest of it, summed over both channels: ``(frames, bins)``.

    ``mixture``: ``(frames, 2, bins)``; ``gains``: the same, or ``(frames, 1, bins)`` for both channels.
    """
    frames, _, bins = mixture.shape
    own, rest = np.empty((2, frames, bins), np.float32)
    _loops().divided_powers(
        *_laid_out(mixture, np.complex64),
        frames,
        bins,
        *_laid_out(gains, np.float32),
        own.ctypes.data,
        rest.ctypes.data,
    )
    return own, rest


def add_filtered(
    answer: Spectra,
    gains: Floats,
    mixture: Spectra,
    powers: tuple[Floats, Floats],
    covariances: Floats,
    *,
    regularisation: float,
    least: float,
    share: float,
) -> None:
    """Makes of ``answer`` ``gains`` times itself and ``share`` times the filtered mixture.

    ``answer``, ``mixture``: ``(frames, 2, bins)`` with the same strides, or the same array. ``gains``: the same shape,
    or ``(frames, 1, bins)`` for both channels. ``powers`` of the wanted source and of the other one, ``(frames,
    bins)``; ``covariances``, ``(2, 4, bins)``: of both, as ``add_covariances`` sums them. The noise without direction
    has in every bin ``regularisation`` times the power of both sources, and ``least``.
    """
    frames, _, bins = mixture.shape
    if answer.strides != mixture.strides:
        raise ValueError("Answer and mixture must lie in memory alike.")
    own, rest = powers
    _loops().add_filtered(
        *_laid_out(mixture, np.complex64),
        *(frames, bins, gapless(own, np.float32), gapless(rest, np.float32), gapless(covariances, np.float32)),
        *(regularisation, least, *_laid_out(gains, np.float32), share, _laid_out(answer, np.complex64)[0]),
    )


def frame_powers(mixture: Floats, fractions: Floats, stem: int, least: float) -> tuple[Doubles, Doubles]:
    """Power of a stem, as the ratio of squared fractions divides, and of the mixture in every frame.

    ``mixture``: magnitudes ``(2, frames, bins)``; ``fractions``: ``(stems, 1 or 2, frames, bins)``, whose frames are
    next to each other. ``least`` keeps 0 / 0 out.
    """
    _, frames, bins = mixture.shape
    if fractions.dtype != np.float32 or fractions.strides[2:] != (4 * bins, 4):
        raise ValueError("The frames of a stem must be float32 and next to each other.")
    stems, channels = fractions.shape[:2]
    apart, channel = fractions.strides[0] // 4, fractions.strides[1] // 4 if channels > 1 else 0
    own, whole = np.empty((2, frames))
    _loops().frame_powers(
        *(gapless(mixture, np.float32), frames, bins, fractions.ctypes.data, stems, apart, channel, stem, least),
        *(own.ctypes.data, whole.ctypes.data),
    )
    return own, whole


def interpolate(lines: Floats, places: NDArray[np.int32], weights: Floats) -> Floats:
    """``(..., bins)`` to ``(..., count)``: of each line the weighted sums of the numbers at ``places``.

    ``places`` and ``weights``: ``(terms, count)``.
    """
    lines = np.ascontiguousarray(lines)
    terms, count = places.shape
    answer = np.empty((*lines.shape[:-1], count), np.float32)
    bins = lines.shape[-1]
    _loops().interpolate(
        *(
            gapless(lines, np.float32),
            lines.size // bins,
            bins,
            gapless(places, np.int32),
            gapless(weights, np.float32),
        ),
        *(terms, count, answer.ctypes.data),
    )
    return answer
