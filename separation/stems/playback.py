"""Playback segments: tracks of a song as short FLAC files, cut where they follow each other to the sample.

Whoever listens while the song is still being separated needs pieces that are whole. Each piece is a file of its own, so
a player can begin with any of them; decoded and laid end to end they are the track.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from separation.audio.decode import AudioFile
from separation.audio.encode import StemWriter
from separation.settings import OutputFormat
from separation.stems.split import split_integer

Samples = NDArray[np.float32]

_BITS = 16
_FORMAT = OutputFormat("flac", bit_depth=_BITS)
# RFC 9639, section 9.1.2: rates that the head of a FLAC frame has no room for are said in the head of the file alone,
# which FFmpeg's encoder refuses to do.
_ANY_RATE_BELOW_HZ, _STEP_HZ = 65_535, 10


@dataclass(frozen=True)
class Segment:
    """One piece of every track: ``files`` by the track's name, each with ``samples`` per channel.

    ``number`` counts from 0. All but the last of a song are of the same length.
    """

    number: int
    samples: int
    sample_rate_hz: int
    files: Mapping[str, Path]


@dataclass(frozen=True)
class Playback:
    """A wish for segments: of which ``tracks``, in which ``folder``, how long, and who takes them.

    ``tracks``: any of ``vocals``, ``instrumental`` and ``mixture``. ``take`` is called with each segment when its files
    are complete, in order, in the thread that writes the stems; the files are the caller's from then on. What it raises
    ends the separation.
    """

    folder: Path
    tracks: tuple[str, ...]
    segment_seconds: int
    take: Callable[[Segment], None]


def can_play(sample_rate_hz: int) -> bool:
    """Whether there are segments of audio of that rate: of a few odd rates above 65 kHz there are none."""
    return sample_rate_hz < _ANY_RATE_BELOW_HZ or sample_rate_hz % _STEP_HZ == 0


class PlaybackWriter:
    """Cuts and encodes. A context manager; ``finish`` completes the last segment.

    The samples are those of 16-bit stems to which nothing was scaled, whatever format the stems themselves have. Memory
    is that of the encoders. Raises ``OutputWriteFailed``.
    """

    def __init__(self, playback: Playback, audio: AudioFile) -> None:
        self._playback, self._audio = playback, audio
        self._length = playback.segment_seconds * audio.sample_rate_hz
        self._number = self._filled = 0
        self._files: dict[str, Path] = {}
        self._writers: dict[str, StemWriter] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def push(self, mixture: Samples, vocals: Samples) -> None:
        """The next samples, ``(channels, n)``, full scale at 1.0."""
        split = split_integer(mixture, vocals, _BITS)
        samples = {"mixture": split.mixture, "vocals": split.vocals, "instrumental": split.instrumental}
        begin, count = 0, mixture.shape[1]
        while begin < count:
            if not self._writers:
                self._open()
            end = min(count, begin + self._length - self._filled)
            for track, writer in self._writers.items():
                writer.write(samples[track][:, begin:end].T)
            self._filled += end - begin
            begin = end
            if self._filled == self._length:
                self.finish()

    def finish(self) -> None:
        """Completes the segment that was begun, if one was."""
        if not self._filled:
            return
        self._stack.close()
        segment = Segment(self._number, self._filled, self._audio.sample_rate_hz, self._files)
        self._number, self._filled, self._files, self._writers = self._number + 1, 0, {}, {}
        self._playback.take(segment)

    def _open(self) -> None:
        audio = self._audio
        for track in self._playback.tracks:
            path = self._playback.folder / f"{track}-{self._number}.{_FORMAT.name}"
            writer = StemWriter(path, _FORMAT, audio.sample_rate_hz, audio.channel_names, audio.layout)
            self._files[track], self._writers[track] = path, self._stack.enter_context(writer)
