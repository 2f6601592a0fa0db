"""Playback segments made into a file: how they come to a program of ours, and what they hold.

A service has such work done by a program, at a low priority and in a process that may be ended at any time. Its
standard input are pieces, each behind four bytes with its length (big-endian): first JSON, at last the tracks of the
first segment, of the second, and so on. What the JSON says, and what comes between, the program's module tells. The
file is its standard output; whether that is whole is told by how it ends.
"""

import io
import json
import os
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from separation.audio.channels import channel_names
from separation.errors import UndecodableAudio

MIXTURE, VOCALS, INSTRUMENTAL = "mixture", "vocals", "instrumental"

_LOWER_PRIORITY = 10

Write = Callable[[bytes], object]


def decoded(flac: bytes, rate: int) -> tuple[tuple[str, ...], NDArray[np.int16]]:
    """FFmpeg's names of the channels, and ``(n, channels)``. Raises ``UndecodableAudio``."""
    try:
        with av.open(io.BytesIO(flac), "r", format="flac") as container:
            stream = container.streams.audio[0]
            if stream.rate != rate:
                raise UndecodableAudio(f"A segment has {stream.rate} Hz instead of {rate} Hz.")
            layout = stream.layout
            names = channel_names([channel.name for channel in layout.channels], layout.nb_channels)
            planes = [frame.to_ndarray().reshape(-1, len(names)) for frame in container.decode(stream)]
    except (av.FFmpegError, IndexError) as error:
        raise UndecodableAudio("A segment cannot be decoded.") from error
    return names, np.concatenate(planes)


def by_segment(pieces: Iterator[bytes], tracks: Sequence[str]) -> Iterator[dict[str, bytes]]:
    """What is left of the pieces, by the tracks' names."""
    for first in pieces:
        yield dict(zip(tracks, (first, *(next(pieces) for _ in tracks[1:])), strict=True))


def run(make: Callable[[dict[str, Any], Iterator[bytes], Write], None]) -> None:
    """The program: ``make`` is given the JSON, the pieces behind it, and what writes the file."""
    os.nice(_LOWER_PRIORITY)
    av.logging.set_level(None)

    def write(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    pieces = _unpacked(sys.stdin.buffer)
    make(json.loads(next(pieces)), pieces, write)


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """The pieces, one after the other, to the end."""
    while head := file.read(4):
        (length,) = struct.unpack(">I", head)
        data = file.read(length)
        if len(data) < length:
            raise UndecodableAudio("The segments break off.")
        yield data
