"""Decoding of untrusted files as a stream of float32 blocks, with limits on what really comes out.

Nothing but the given file is ever read: the container is decided by its first bytes, its demuxer is forced, FFmpeg
reads through a Python file object, and any wish of a demuxer to open something else is refused. Only one audio
stream is decoded; cover art and video are ignored. Limits count decoded samples, because headers lie.
"""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

import av
import av.buffer
import numpy as np
from numpy.typing import NDArray

from separation.audio.channels import channel_names, in_an_order_of_its_own, usual_order
from separation.audio.containers import Container, identify
from separation.audio.containers.coded import SEARCHED_BYTES, coded_as
from separation.audio.containers.pictures import Cover, read_cover
from separation.audio.containers.tracks import Track
from separation.audio.containers.view import View
from separation.audio.frames import ENCRYPTED, Frames
from separation.audio.sample_formats import copy_samples
from separation.audio.tags import song_tags
from separation.audio.timeline import Stretch, silence, stretches_of
from separation.errors import (
    AudioChangesFormat,
    AudioError,
    AudioTooLong,
    NoAudioStream,
    NoSamples,
    UndecodableAudio,
    UnsupportedChannels,
    UnsupportedRate,
)

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

Samples = NDArray[np.float32]

LARGEST_ALLOCATION_BYTES = 48 * 1024 * 1024
"""What FFmpeg may ask for at once, in this process. Tables of four hours of M4A take a third of it; headers of a few
bytes can claim tables of gigabytes, which are then passed over alike wherever the file is opened."""
# Looked up through a module of PyAV that is linked against FFmpeg: where the library lies differs from wheel to wheel.
ctypes.CDLL(av.buffer.__file__).av_max_alloc(ctypes.c_size_t(LARGEST_ALLOCATION_BYTES))

_BLOCK_SECONDS = 1.5
_BLOCK_VALUES = 200_000
"""Of all channels together, in a block: 1.5 s of stereo at 48 kHz are fewer, of eight channels at 192 kHz 9 MB."""

# Float files may hold anything. Values this far above full scale (+48 dB) are damage, not music, and larger ones would
# overflow squares in float32.
LARGEST_SAMPLE = 256.0


@dataclass(frozen=True)
class AudioLimits:
    """What the engine accepts. ``max_duration_seconds`` counts decoded samples; ``None`` means no limit."""

    max_duration_seconds: float | None = None
    min_sample_rate_hz: int = 8_000
    max_sample_rate_hz: int = 192_000
    max_channels: int = 8


@dataclass(frozen=True)
class AudioInfo:
    """A file's audio as decoded: ``samples`` per channel, not what a header claims.

    ``complete`` is false when the file was damaged or ended early, as far as it was read.
    """

    duration_seconds: float
    samples: int
    sample_rate_hz: int
    channels: int
    codec: str
    container: str
    complete: bool = True


# How many seconds less than its header says a file may hold, by the demuxer: MP4 counts the encoder's padding, which is
# not decoded. Others only estimate their length, or believe what a writer put there that did not know it yet.
_LENGTH_TOLERANCE_SECONDS = {"flac": 0.001, "mov": 0.25}
# The same in samples for an encoder's own note: LAME has twelve bits for its delay, and for what fills the last frame.
_NOTE_TOLERANCE = 2 * 4096

# Codecs, or how their names begin, whose samples may be another codec's: what is kept bit by bit is still what it was.
_LOSSLESS = ("pcm_", "flac", "alac")

_MATROSKA_KEY = "enc_key_id"
"""By what name FFmpeg's demuxer tells the key of an encrypted Matroska track."""
# Of what a list of edits leaves out, so much more than the limit may be decoded before what it presents.
_LEFT_OUT_SECONDS = 60

# So many are asked whether they can be decoded, each in a file that is opened anew.
_MOST_TRACKS = 8


class AudioFile:
    """An open file, decoded once from beginning to end. Made by ``open_audio``."""

    def __init__(
        self,
        raw: BinaryIO,
        container: "InputContainer",
        stream: "AudioStream",
        kind: Container,
        track: Track,
        limits: AudioLimits,
    ) -> None:
        self._raw, self._stream, self._limits, self._edits = raw, stream, limits, track.edits
        self._pictures = kind.pictures
        self._size = max(1, os.fstat(raw.fileno()).st_size)
        context = cast("AudioCodecContext | None", stream.codec_context)  # the stubs leave out None
        # What would be decoded without its key is noise, or nothing.
        if track.encrypted or _MATROSKA_KEY in stream.metadata:
            raise UndecodableAudio(ENCRYPTED)
        if context is None:
            raise UndecodableAudio(f"The {kind.name} file is damaged or uses a codec that is not known.")
        context.thread_count = 1
        self._order = self._settled_order(context)
        self.container, self.codec, self._demuxer = kind.name, context.name, kind.demuxer
        self._cut, self._noted, self._presented = kind.cut, kind.noted, False
        self.tags = song_tags(*kind.texts, container.metadata, stream.metadata)
        """What the song says about itself, as far as its stems carry it over."""
        self.samples = 0
        """Samples per channel so far of what the file presents."""
        self.repaired_samples = 0
        """Values so far that were NaN, infinite or absurdly large and have been replaced."""
        self._decoded = 0
        self._track = Frames(container, stream, kind.name, View(raw, track.shown), track.samples)
        self._damaged = False
        self._flac = kind.flac
        self._items = self._linked(kind) if kind.flac is None else self._track.of_flac(kind.flac)
        first, self._lost_at_first = None, 0
        for item in self._items:
            if not isinstance(item, int):
                first = item
                break
            self._lost_at_first += item
        if first is None:
            if self._track.damaged or kind.cut or stream.duration:
                raise UndecodableAudio("The audio in the file is damaged or cut off: nothing can be decoded.")
            raise NoSamples("The file holds no sound at all: it is zero samples long.")
        self._first = first
        self._skipped = 0
        self.sample_rate_hz = first.sample_rate
        self.channels = len(first.layout.channels)
        # A digital output has two channels.
        self._unsearched = 2 if self.channels == 2 and self.codec.startswith(_LOSSLESS) else 0
        self._check_format()
        self.layout = first.layout.name
        self.channel_names = channel_names([channel.name for channel in first.layout.channels], self.channels)

    def _linked(self, kind: Container) -> "Iterator[AudioFrame | int]":
        """The track's own frames, and those of the songs that follow it, as if all were one."""
        yield from self._track.demuxed()
        for link in kind.links:
            self._damaged |= self._track.damaged
            try:
                with _opened(self._raw, kind, link) as container:
                    stream = next(iter(_by_preference(container)), None)
                    if stream is not None and cast("object", stream.codec_context) is not None:
                        stream.codec_context.thread_count = 1
                        self._track = Frames(container, stream, kind.name, View(self._raw, link.shown), link.samples)
                        yield from self._track.demuxed()
                        continue
            except UndecodableAudio:
                pass
            self._damaged = True

    def _settled_order(self, context: "AudioCodecContext") -> list[int] | None:
        """Where channels that the file has in an order of its own belong in FFmpeg's, which its decoder is told.

        PyAV frees the memory of such an order once for every object that saw it, decoder and frames: none of them may.
        """
        layout = context.layout
        names = [channel.name for channel in layout.channels]
        if not in_an_order_of_its_own(names):
            return None
        if len(names) > self._limits.max_channels:
            context.layout = "mono"
            raise UnsupportedChannels(
                f"The audio has {len(names)} channels; 1 to {self._limits.max_channels} can be separated."
            )
        usual, order = usual_order(names)
        context.layout = "+".join(usual)
        return order

    def _check_format(self) -> None:
        lowest, highest = self._limits.min_sample_rate_hz, self._limits.max_sample_rate_hz
        if not lowest <= self.sample_rate_hz <= highest:
            raise UnsupportedRate(
                f"The sample rate is {self.sample_rate_hz} Hz; {lowest} to {highest} Hz can be separated."
            )
        if not 1 <= self.channels <= self._limits.max_channels:
            raise UnsupportedChannels(
                f"The audio has {self.channels} channels; 1 to {self._limits.max_channels} can be separated."
            )

    def skip_to(self, sample: int) -> int:
        """Leaves out what precedes ``sample``, as far as it need not be decoded; at which sample ``blocks`` begins.

        That is 0 where only decoding tells what lies where. To be called before ``blocks``, whose samples are the same
        as without it; of what was left out it is not known whether it was whole. Raises ``AudioTooLong``.
        """
        if self._edits or self._lost_at_first or sample < self._first.samples:
            return 0
        if self._flac is None:
            self._skipped = self._track.skip_plain(sample)
        elif (place := self._track.flac_before(self._flac, sample)) and place.sample:
            self._items = self._track.of_flac(self._flac, place)
            self._skipped = place.sample
        self.samples = self._skipped
        self._count(self._skipped)
        return self._skipped

    def blocks(self) -> Iterator[Samples]:
        """Float32 arrays ``(samples, channels)`` at the file's rate, each about 1.5 s long or less.

        Each channel lies in one piece in memory: the array is the transpose of ``(channels, samples)``. Integer formats
        are divided by their full scale, so that audio of up to 24 bits arrives exactly. Can be called once. Raises
        ``AudioTooLong`` and ``AudioChangesFormat`` as soon as they show, and ``UndecodableAudio`` where the samples are
        another codec's.
        """
        blocks = self._laid()
        if self._edits:
            blocks = stretches_of(blocks, self._stretches(), self.channels)
        for block in blocks:
            if self._unsearched and block.any():
                self._refuse_coded(block)
            self.samples += len(block)
            self._heed_limit(self.samples)
            yield block
        self._presented = True
        if not self.samples:
            raise NoSamples("The file presents no sound at all: what it shows of its sound is zero samples long.")

    def _refuse_coded(self, block: Samples) -> None:
        """Heeds the first block with sound, which may be the end of one, and the next."""
        self._unsearched -= 1
        first = int(block.any(axis=1).argmax())
        samples = (block[first : first + SEARCHED_BYTES // 4] * 32768).astype("<i2")
        if coded_as(samples.tobytes()):
            raise UndecodableAudio(
                "The samples in the file are coded sound (Dolby Digital or DTS), not sound itself: decode it first."
            )

    def _laid(self) -> Iterator[Samples]:
        """What was decoded and what is missing of it, end to end."""
        # FFmpeg's own queue: a frame is a few hundred samples, and much to do for each would be slow.
        pending = av.AudioFifo()
        full = min(_BLOCK_SECONDS * self.sample_rate_hz, _BLOCK_VALUES / self.channels)
        for item in self._all_items():
            if isinstance(item, int):
                self._count(item)
                yield from self._block(pending)
                yield from silence(item, self.channels)
                continue
            if item.sample_rate != self.sample_rate_hz or item.layout.nb_channels != self.channels:
                raise AudioChangesFormat("The sample rate or the number of channels changes in the middle of the file.")
            self._count(item.samples)
            item.pts = None  # they are laid end to end here
            try:
                pending.write(item)
            except ValueError:  # the format of the samples has changed
                yield from self._block(pending)
                pending = av.AudioFifo()
                pending.write(item)
            if pending.samples >= full:
                yield from self._block(pending)
        yield from self._block(pending)

    def _count(self, samples: int) -> None:
        self._decoded += samples
        self._heed_limit(self._decoded - (_LEFT_OUT_SECONDS * self.sample_rate_hz if self._edits else 0))

    def _heed_limit(self, samples: int) -> None:
        limit = self._limits.max_duration_seconds
        if limit is not None and samples > int(limit * self.sample_rate_hz):
            raise AudioTooLong(f"The audio is longer than the limit of {limit:g} seconds.")

    def _stretches(self) -> list[Stretch]:
        """The edits in samples, from the first one that was decoded on."""
        begin = 0
        if self._first.pts is not None and self._stream.time_base is not None:
            begin = round(self._first.pts * self._stream.time_base * self.sample_rate_hz) - self._lost_at_first

        def place(time: Fraction | None, otherwise: int | None) -> int | None:
            return otherwise if time is None else max(0, round(time * self.sample_rate_hz) - begin)

        return [
            Stretch(place(edit.begin, 0) or 0, place(edit.end, None), round(edit.silence * self.sample_rate_hz))
            for edit in self._edits
        ]

    def _block(self, queue: av.AudioFifo) -> Iterator[Samples]:
        """All that is in the queue, if there is anything."""
        frame = queue.read()
        if frame is None:
            return
        block: Samples = np.empty((self.channels, frame.samples), np.float32)
        # A double may exceed float32, and a float may be no number; both are repaired below.
        with np.errstate(over="ignore", invalid="ignore"):
            copy_samples(frame, block)
        # A NaN makes a comparison false, so two passes find every kind of damage.
        if not (block.max() <= LARGEST_SAMPLE and block.min() >= -LARGEST_SAMPLE):
            self.repaired_samples += int((~(np.abs(block) <= LARGEST_SAMPLE)).sum())
            np.nan_to_num(block, copy=False, nan=0.0)
            np.clip(block, -LARGEST_SAMPLE, LARGEST_SAMPLE, out=block)
        yield (block if self._order is None else block[self._order]).T

    def _all_items(self) -> "Iterator[AudioFrame | int]":
        if self._lost_at_first:
            yield self._lost_at_first
        if not self._skipped:
            yield self._first
        yield from self._items

    @property
    def fraction_read(self) -> float:
        """How much of the file's bytes has been read, 0 to 1: a measure of progress that no header can falsify."""
        return min(1.0, self._raw.tell() / self._size)

    def cover(self) -> Cover | None:
        """The song's picture as it stands in the file, if there is one that its stems carry over."""
        return read_cover(self._raw, self._pictures)

    def info(self) -> AudioInfo:
        """What has been decoded; to be asked after the last block."""
        return AudioInfo(
            duration_seconds=self.samples / self.sample_rate_hz,
            samples=self.samples,
            sample_rate_hz=self.sample_rate_hz,
            channels=self.channels,
            codec=self.codec,
            container=self.container,
            complete=not (self._damaged or self._track.damaged or self._ends_early()),
        )

    def _ends_early(self) -> bool:
        if self._cut and self._presented:
            return True
        if not self._track.ended:  # whoever wanted a part of it only did not look
            return False
        if self._decoded < self._noted - _NOTE_TOLERANCE:
            return True
        duration, unit = self._stream.duration, self._stream.time_base
        tolerance = _LENGTH_TOLERANCE_SECONDS.get(self._demuxer)
        if tolerance is None or duration is None or unit is None:
            return False
        return self._decoded / self.sample_rate_hz < float(duration * unit) - tolerance


def _refuse(url: str, *_: object) -> NoReturn:
    raise PermissionError(f"a container asked to open {url!r}")


@contextmanager
def open_audio(path: Path, limits: AudioLimits | None = None) -> Iterator[AudioFile]:
    """Opens the song at ``path`` and decodes its first frame, so that rate and channels are known.

    Raises a subclass of ``AudioError`` when it cannot be separated, ``OSError`` when the file cannot be read.
    """
    with path.open("rb") as raw, read_audio(raw, limits) as audio:
        yield audio


@contextmanager
def read_audio(raw: BinaryIO, limits: AudioLimits | None = None) -> Iterator[AudioFile]:
    """``open_audio`` of a file that is open already, for a process that may open none."""
    kind = identify(raw)
    if not kind.tracks:
        raise NoAudioStream("The file holds no audio, only video, pictures or subtitles.")
    failure: AudioError | None = None
    tracks = [(track, 0) for track in reversed(kind.tracks[:_MOST_TRACKS])]
    while tracks:
        track, number = tracks.pop()
        with _opened(raw, kind, track) as container:
            streams = _by_preference(container)
            if number >= len(streams):
                continue
            if number < _MOST_TRACKS:
                tracks.append((track, number + 1))
            try:
                audio = AudioFile(raw, container, streams[number], kind, track, limits or AudioLimits())
            except AudioError as error:
                failure = failure or error
                continue
            yield audio
            return
    raise failure or NoAudioStream("The file holds no audio, only video, pictures or subtitles.")


def _opened(raw: BinaryIO, kind: Container, track: Track) -> "InputContainer":
    try:
        source = View(raw, track.shown)
        options = dict(track.options)
        return av.open(source, "r", format=kind.demuxer, options=options, io_open=_refuse, metadata_errors="replace")
    except (av.FFmpegError, PermissionError, ValueError) as error:
        raise UndecodableAudio(f"The {kind.name} file is damaged or cut off: it cannot be opened.") from error


def _by_preference(container: "InputContainer") -> "list[AudioStream]":
    """The tracks with sound: those for which there is a decoder first, and of them the one that FFmpeg prefers."""
    streams = list(container.streams.audio)
    best = container.streams.best("audio")
    known = cast("Callable[[AudioStream], bool]", lambda stream: stream.codec_context is not None)
    return sorted(streams, key=lambda stream: (not known(stream), best is None or stream.index != best.index))


def probe(path: Path, limits: AudioLimits | None = None) -> AudioInfo:
    """Decodes the whole file, keeps nothing, and says what is in it. Errors as ``open_audio`` and ``blocks``.

    Takes about a second for five minutes of music and a few megabytes. Upload runs it in a child process with limits of
    its own, because a decoder that is fed hostile data may crash.
    """
    with open_audio(path, limits) as audio:
        for _ in audio.blocks():
            pass
        return audio.info()
