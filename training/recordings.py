"""Random access to recordings: any stretch of an audio stream, decoded from a little before it.

A container is asked to seek to a packet before the stretch, and what a decoder gives first after that is thrown away:
AAC and Vorbis need the frames before to complete one. A cache holds whole recordings decoded, as float32, so that the
numbers are the same with and without it (but for AAC with substituted noise, which every decoder draws anew; MUSDB18
has none).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from separation.models.unet import SAMPLE_RATE_HZ
from training.errors import DataInvalid
from training.files import appearing

Samples = NDArray[np.float32]

# Two of the longest Vorbis blocks, eight of AAC's.
_PREROLL = 16384
# By default FFmpeg looks through the first 5 MB of a WAV file for other formats in disguise, 40 ms each time.
_OPTIONS = {"probesize": "32768"}
_FILE = "file:"
"""FFmpeg reads a path alone as a URL: ``mix:1.wav`` has the protocol ``mix``."""


@dataclass(frozen=True)
class Recording:
    """One audio stream of a file, mono or stereo at 44.1 kHz; ``samples`` per channel as its container says."""

    path: Path
    stream: int
    samples: int


def recordings_in(path: Path) -> list[Recording]:
    """Every audio stream of the file. Raises ``DataInvalid`` for one that cannot be used."""
    try:
        with av.open(f"{_FILE}{path}", options=_OPTIONS) as container:
            streams = container.streams.audio
            if not streams:
                raise DataInvalid(f"{path} holds no audio.")
            found = []
            for number, stream in enumerate(streams):
                if stream.rate != SAMPLE_RATE_HZ or stream.channels > 2:
                    raise DataInvalid(
                        f"{path} has {stream.channels} channels at {stream.rate} Hz; training takes mono and stereo at "
                        f"{SAMPLE_RATE_HZ} Hz. Convert it first."
                    )
                if stream.duration is None or stream.time_base is None:
                    raise DataInvalid(f"{path} does not say how long it is; WAV, FLAC, Ogg and MP4 do.")
                found.append(Recording(path, number, round(stream.duration * stream.time_base * SAMPLE_RATE_HZ)))
            return found
    except (av.FFmpegError, OSError) as error:
        raise DataInvalid(f"{path} cannot be read: {error}.") from error


def _frames(recording: Recording, begin: int) -> Iterator[tuple[int, Samples]]:
    """Decoded frames from at most ``begin`` on: position of the first sample and ``(2, n)``."""
    with av.open(f"{_FILE}{recording.path}", options=_OPTIONS) as container:
        stream = container.streams.audio[recording.stream]
        stream.codec_context.thread_count = 1
        unit = stream.time_base
        if unit is None:
            raise DataInvalid(f"{recording.path} has lost its clock.")
        if begin > _PREROLL:
            container.seek(int((begin - _PREROLL) / SAMPLE_RATE_HZ / unit), stream=stream)
        flat = av.AudioResampler(format="fltp")
        for frame in container.decode(stream):
            if frame.pts is None:
                raise DataInvalid(f"{recording.path} does not say where its samples belong.")
            position = round(frame.pts * unit * SAMPLE_RATE_HZ)
            samples = np.concatenate([part.to_ndarray() for part in flat.resample(frame)], axis=1)
            yield position, np.broadcast_to(samples, (2, samples.shape[1]))


def decode(recording: Recording, begin: int, count: int) -> Samples:
    """Samples ``[begin, begin + count)`` as ``(2, count)``; silence where the recording has none.

    Raises ``DataInvalid`` when the file cannot be decoded.
    """
    wanted: Samples = np.zeros((2, count), np.float32)
    end = min(begin + count, recording.samples)  # a decoder may give padding beyond it
    try:
        for position, samples in _frames(recording, begin):
            if position >= end:
                break
            first, last = max(position, begin), min(position + samples.shape[1], end)
            if first < last:
                wanted[:, first - begin : last - begin] = samples[:, first - position : last - position]
    except (av.FFmpegError, OSError) as error:
        raise DataInvalid(f"{recording.path} cannot be decoded: {error}.") from error
    return wanted


class Reader:
    """Reads stretches of recordings, through a cache of decoded ones where it is given a folder.

    The cache needs 21 MB for a minute of a stem. It may be shared by processes: a file appears whole or not at all.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache

    def read(self, recording: Recording, begin: int, count: int) -> Samples:
        """As ``decode``."""
        if self._cache is None:
            return decode(recording, begin, count)
        whole = np.load(self._decoded(recording, self._cache), mmap_mode="r")
        piece = whole[:, max(0, begin) : max(0, begin + count)]
        return np.pad(piece, ((0, 0), (max(0, -begin), count - piece.shape[1] - max(0, -begin))))

    def _decoded(self, recording: Recording, folder: Path) -> Path:
        """The file with all of the recording; its name depends on what the recording's file is now."""
        state = recording.path.stat()
        identity = f"{recording.path.resolve()} {recording.stream} {state.st_size} {state.st_mtime_ns}"
        path = folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.npy"
        if not path.is_file():
            with appearing(path) as unfinished:
                np.save(unfinished, decode(recording, 0, recording.samples))
        return path
