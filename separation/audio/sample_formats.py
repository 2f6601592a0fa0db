"""Samples of all the types that FFmpeg's decoders give, as float32 with full scale at 1."""

from typing import TYPE_CHECKING, Any

import numpy as np
from av.audio.plane import AudioPlane
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

Samples = NDArray[np.float32]

# By FFmpeg's name of a sample format: its type, what makes full scale 1, and where its zero lies. FFmpeg keeps 24-bit
# audio in the upper bits of 32. The products with 32 and 64 bits are made in float64.
_SAMPLE_KINDS: dict[str, tuple[type[Any], np.float32, int]] = {
    "u8": (np.uint8, np.float32(2.0**-7), 128),
    "s16": (np.int16, np.float32(2.0**-15), 0),
    "s32": (np.int32, np.float32(2.0**-31), 0),
    "s64": (np.int64, np.float32(2.0**-63), 0),
    "flt": (np.float32, np.float32(1), 0),
    "dbl": (np.float64, np.float32(1), 0),
}


def copy_samples(frame: "AudioFrame", out: Samples) -> None:
    """The frame's samples into ``out``, ``(channels, samples)``, full scale at 1."""
    kind, scale, middle = _SAMPLE_KINDS[frame.format.packed.name]
    channels, length = out.shape
    if frame.format.is_planar:
        source = [_plane(frame, channel, kind, length) for channel in range(channels)]
    else:
        source = list(_plane(frame, 0, kind, length * channels).reshape(length, channels).T)
    for samples, target in zip(source, out, strict=True):
        centred = samples - np.float32(middle) if middle else samples
        np.multiply(centred, scale, out=target, casting="same_kind")


def _plane(frame: "AudioFrame", number: int, kind: type[Any], count: int) -> NDArray[Any]:
    """One of the frame's planes; PyAV's own list of them runs beyond its end where there are eight or more."""
    plane: Any = AudioPlane(frame, number)  # the stubs do not say that it is a buffer
    return np.frombuffer(plane, kind, count)
