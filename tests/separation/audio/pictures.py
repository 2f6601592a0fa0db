"""Pictures as songs have them, and what another reader finds in a file."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np


def picture(codec: Literal["mjpeg", "png"] = "png", side: int = 64, seed: int = 0) -> bytes:
    """Noise, a square of so many pixels."""
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.time_base = side, side, Fraction(1, 25)
    encoder.pix_fmt = form = "rgb24" if codec == "png" else "yuvj420p"
    noise = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(noise, format="rgb24").reformat(format=form)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def pictures_in(path: Path) -> list[bytes]:
    """By FFmpeg's own demuxers, which have nothing of ours in them."""
    with av.open(str(path)) as file:
        streams = [stream for stream in file.streams.video if stream.disposition & 0x400]
        return [bytes(next(file.demux(stream))) for stream in streams]
