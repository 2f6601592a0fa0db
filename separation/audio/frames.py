"""The frames of one track as its decoder gives them, and how much silence belongs between them."""

import io
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any

import av

from separation.audio.channels import in_an_order_of_its_own
from separation.audio.containers import mpeg
from separation.audio.containers.flac import StreamInfo
from separation.audio.containers.flac_frames import FlacFrame, ends, first_sample, flac_frames
from separation.audio.containers.flac_search import FlacPlace, place_before
from separation.audio.containers.view import View
from separation.audio.timeline import Clock
from separation.errors import UndecodableAudio, UnsupportedChannels

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

ENCRYPTED = "The audio in the file is encrypted: it can only be separated without its copy protection."

# Which containers have times; elsewhere FFmpeg counts them itself.
_TIMED = ("ogg", "mp4", "matroska")
_TOLERANCE_SECONDS = 0.01
# FFmpeg's times of Vorbis are wrong by a quarter of its longest block where long and short ones meet.
_VORBIS_TOLERANCE_SAMPLES = 2100.0
# What follows the last frame of these is no damage.
_STREAMS = ("mp3", "aac")
# So many frames in a row are no accident, behind something else or of another kind.
_FRAMES_AGAIN = 3
_FRAMES_OF_A_CHANGE = 6
# How many bytes of damaged FLAC are searched for where a frame ends; a megabyte takes a tenth of a second, and trying
# whether one ends there as long as so many bytes.
_SEARCHED_BYTES = 16 * 1024 * 1024
_ATTEMPT_BYTES = 4096

_NEVER_FREED: "list[AudioFrame]" = []
"""Freeing a frame whose channels are in an order of its own would end the process (PyAV 18)."""


def _packet(data: bytes, original: "Packet[Any] | None") -> "Packet[Any]":
    """A packet of its own, from which as much is cut as from the original."""
    packet = av.Packet(data)
    if original is not None and original.has_sidedata("skip_samples"):
        packet.set_sidedata(original.get_sidedata("skip_samples"))
    return packet


def _part(frame: "AudioFrame", begin: int, end: int) -> "AudioFrame":
    """Samples ``begin`` to ``end`` of the frame, which has no time then."""
    frame.pts = None
    queue = av.AudioFifo()
    queue.write(frame)
    if begin:
        queue.read(begin)
    part = queue.read(end - begin)
    if part is None:
        raise ValueError(f"a frame of {frame.samples} samples has no {begin} to {end}")
    part.pts = None
    return part


def _keep_whole(packet: "Packet[Any]") -> None:
    """Nothing is cut from its end."""
    if packet.has_sidedata("skip_samples"):
        cut = packet.get_sidedata("skip_samples")
        begin = bytes(cut)[:4]
        cut.update(begin + bytes(cut.data_size - len(begin)))
        packet.set_sidedata(cut)


class Frames:
    """Goes through a track once. What is damaged is skipped, and silence of its length takes its place.

    ``source``: what FFmpeg sees of the file; ``samples``: what is decoded beyond so many is not the song's.
    ``damaged`` and ``ended``: what has shown so far. Both ways through it give frames that hold samples, and between
    them the number of samples that are missing.
    """

    def __init__(
        self, container: "InputContainer", stream: "AudioStream", name: str, source: View, samples: int | None = None
    ) -> None:
        self._container, self._stream, self._name, self._source = container, stream, name, source
        self._left = samples
        self._context: AudioCodecContext = stream.codec_context
        self.damaged = self.ended = False
        self._numbered = self._context.name == "flac" and name in ("ogg", "matroska")
        self._by_bytes = name in ("wav", "aiff") and self._context.name.startswith("pcm_")
        self._plain: tuple[int, int] | None = None
        self._layout = ""
        self._usual_samples = self._searched = 0
        self._usual_bytes = 0.0

    def demuxed(self) -> "Iterator[AudioFrame | int]":
        """As FFmpeg finds them: what is missing is told by their times."""
        clock: Clock | None = None
        failed, lost = False, 0
        try:
            for item in self._packets():
                if item is None:
                    failed = True
                elif isinstance(item, int):
                    lost += item
                elif frame := self._presented(item, first=clock is None):
                    clock = clock or self._clock(frame)
                    missing = clock.missing_before(frame.pts, frame.samples) + lost
                    self.damaged |= failed or lost > 0 or (missing > 0 and self._name == "ogg")
                    failed, lost = False, 0
                    if missing:
                        yield missing
                    yield frame
        except av.FFmpegError:
            self.damaged = True
        self.damaged |= failed
        self.ended = True

    def _presented(self, frame: "AudioFrame", *, first: bool) -> "AudioFrame | None":
        """What of the frame is the song's.

        Vorbis that was cut begins before zero, with samples that another has to precede (Vorbis I, A.2).
        """
        before = -(frame.pts or 0) if first and self._name == "ogg" and self._context.name == "vorbis" else 0
        if before == frame.samples:
            return None
        if 0 < before < frame.samples:  # more than that no file may leave out
            frame = _part(frame, before, frame.samples)
        if self._left is None:
            return frame
        samples = min(self._left, frame.samples)
        self._left -= samples
        if samples == frame.samples:
            return frame
        return _part(frame, 0, samples) if samples else None

    def _clock(self, first: "AudioFrame") -> Clock:
        rate = first.sample_rate
        if self._numbered:
            return Clock(Fraction(1, rate), rate, 0)
        if self._name not in _TIMED:
            tolerance = float("inf")
        elif self._context.name == "vorbis":
            tolerance = _VORBIS_TOLERANCE_SAMPLES
        else:
            tolerance = max(_TOLERANCE_SECONDS * rate, first.samples / 2, self._context.frame_size / 2)
        return Clock(self._stream.time_base or Fraction(1), rate, tolerance)

    def _packets(self) -> "Iterator[AudioFrame | int | None]":
        """The frames of each packet; ``None`` where it is damaged, or what that costs where no time tells."""
        if self._name in _STREAMS:
            yield from self._of_stream()
            return
        for packet, follows in self._with_blocks():
            if self._name == "mp4" and packet.has_sidedata("encryption_info"):
                raise UndecodableAudio(ENCRYPTED)
            try:
                frames = packet.decode()
            except av.FFmpegError:
                yield None
            else:
                for frame in frames if follows else ():
                    frame.pts = None
                if self._numbered:
                    self._set_time(packet, frames)
                elif self._plain is None and self._by_bytes:
                    self._note_plain(packet, frames)
                yield from self._checked(frames)

    def _with_blocks(self) -> "Iterator[tuple[Packet[AudioStream], bool]]":
        """The packets as FFmpeg finds them, and whether one follows another of the same block of Matroska.

        Such a block has one time, that of its first frame, and what is to be left out at its end is left out of its
        last (RFC 9559, 10.3 and 5.1.3.5.7). FFmpeg makes up times for the others and cuts from each.
        """
        packets = self._container.demux(self._stream)
        if self._name != "matroska":
            yield from ((packet, False) for packet in packets)
            return
        held: Packet[AudioStream] | None = None
        follows = False
        try:
            for packet in packets:
                same = held is not None and packet.pos is not None and packet.pos == held.pos
                if held is not None:
                    if same:
                        _keep_whole(held)
                    yield held, follows
                held, follows = packet, same
        except av.FFmpegError:
            if held is not None:
                yield held, follows
            raise
        if held is not None:
            yield held, follows

    def _set_time(self, packet: "Packet[Any]", frames: "list[AudioFrame]") -> None:
        """FLAC's own numbers are exact, the times of its containers are rounded or those of pages."""
        begin = first_sample(bytes(memoryview(packet)[:16]), self._usual_samples)
        for frame in frames:
            self._usual_samples = self._usual_samples or frame.samples
            frame.pts, begin = begin, None

    def _of_stream(self) -> "Iterator[AudioFrame | int]":
        """Of a stream that is nothing but frames: between them and behind them there may be what is none.

        What looks like a frame there is an accident; several of one kind in a row are none. Those of another kind than
        the stream's own are a change of format.
        """
        usual = kind = b""
        held: list[Packet[Any]] = []
        follows, room = True, 0.0
        for item, found in self._stream_packets():
            if held and (isinstance(item, float) or (found or usual) != kind):
                room += sum(packet.size for packet in held) / (self._usual_bytes or held[0].size)
                held, follows = [], False
            if isinstance(item, float):
                room += item
                follows = not usual
                continue
            kind = found or usual
            held.append(item)
            if len(held) < (_FRAMES_OF_A_CHANGE if usual and kind != usual else 1 if follows else _FRAMES_AGAIN):
                continue
            if room:
                yield round(room) * self._usual_samples
            for packet in held:
                yield from self._of_one(packet)
            usual, held, follows, room = kind, [], True, 0.0
        if kind == usual:
            for packet in held:
                yield from self._of_one(packet)

    def _stream_packets(self) -> "Iterator[tuple[Packet[Any] | float, bytes]]":
        """Packets of one frame and its kind, or for how many frames there is room in what is none."""
        if self._name == "aac":  # FFmpeg leaves out what is no frame, and does not say how much that was
            for part in mpeg.taken_apart(self._source):
                yield (part, b"") if isinstance(part, float) else (av.Packet(part), mpeg.kind_of(part))
            return
        known = {b"": mpeg.Frame("", 0, b"")}
        for packet in self._container.demux(self._stream):
            head = bytes(memoryview(packet)[:4]) if packet.size else b""
            frame = known.get(head) or mpeg.frame_at(head)
            if frame and frame.length in (0, packet.size):
                known[head] = frame
                yield packet, frame.kind
                continue
            first = True
            for part in mpeg.taken_apart(io.BytesIO(bytes(packet)), self._usual_bytes):
                if isinstance(part, float):
                    yield part, b""
                else:
                    yield _packet(part, packet if first else None), mpeg.kind_of(part)
                first = False

    def _of_one(self, packet: "Packet[Any]") -> "Iterator[AudioFrame | int]":
        try:
            frames = self._checked(self._context.decode(packet))
        except av.FFmpegError:
            yield self._usual_samples
        else:
            if frames:
                self._usual_samples = frames[-1].samples
                self._usual_bytes = mpeg.usual_length(self._usual_bytes, packet.size)
            yield from frames

    def of_flac(self, info: StreamInfo, place: FlacPlace | None = None) -> "Iterator[AudioFrame | int]":
        """Those of a FLAC stream, from ``place`` on: what is missing is told by their numbers."""
        self._source.seek(place.byte if place else info.head)
        # A frame is silence where its checksum is wrong, as for the reference decoder; FFmpeg would give noise.
        self._context.options = {"err_detect": "crccheck+explode"}
        position, longest = place.sample if place else 0, info.block
        for part in flac_frames(self._source, info.block, info.samples, place.sample if place else None):
            frames = self._frames_of(part)
            longest = max(longest, part.samples)
            if frames:
                if part.begin > position:
                    self.damaged = True
                    yield part.begin - position
                yield from frames
                position = part.begin + part.samples
        if 0 < info.samples - position <= longest:  # the last frame, of which not even its header may be left
            self.damaged = True
            yield info.samples - position
        self.ended = True

    def flac_before(self, info: StreamInfo, sample: int) -> FlacPlace | None:
        """Where ``of_flac`` can begin without leaving out ``sample``."""
        stands = self._source.tell()
        try:
            return place_before(self._source, info, sample)
        finally:
            self._source.seek(stands)

    def skip_plain(self, sample: int) -> int:
        """Goes on with ``sample`` where every sample takes as many bytes, or a second before the end of such; by how
        many samples that is from the beginning, 0 where it cannot be done. To be asked after the first frame.

        Not by time, which is reckoned from a rate of bytes that a header tells.
        """
        if self._plain is None:
            return 0
        first_byte, width = self._plain
        most = (self._source.size - first_byte) // width - self._context.sample_rate
        sample = min(sample, most)
        if sample <= 0:
            return 0
        self._container.seek(first_byte + sample * width, stream=self._stream, unsupported_byte_offset=True)
        return sample

    def _note_plain(self, packet: "Packet[Any]", frames: "list[AudioFrame]") -> None:
        """Where samples of PCM begin, and how many bytes one of all channels takes."""
        samples = sum(frame.samples for frame in frames)
        if packet.pos is not None and samples and not packet.size % samples:
            self._plain = packet.pos, packet.size // samples

    def _frames_of(self, part: FlacFrame) -> "list[AudioFrame]":
        """The frame that begins the bytes, whatever is behind it; none if it is damaged."""
        try:
            return self._decoded(part.data)
        except av.FFmpegError:
            pass
        left = max(0, _SEARCHED_BYTES - self._searched)
        self._searched += len(part.data)
        for end in islice(ends(part.data[:left]), left // _ATTEMPT_BYTES):
            self._searched += _ATTEMPT_BYTES
            try:
                return self._decoded(part.data[:end])
            except av.FFmpegError:
                continue
        return []

    def _decoded(self, data: bytes) -> "list[AudioFrame]":
        return self._checked(self._context.decode(av.Packet(data)))

    def _checked(self, frames: "list[AudioFrame]") -> "list[AudioFrame]":
        """Those that hold samples. Refuses an order of channels that the decoder has found; see ``AudioFile``."""
        for frame in frames:
            if frame.layout.name != self._layout:
                if in_an_order_of_its_own([channel.name for channel in frame.layout.channels]):
                    _NEVER_FREED.extend(frames)
                    raise UnsupportedChannels("The order of the audio's channels is not one that can be separated.")
                self._layout = frame.layout.name
        return [frame for frame in frames if frame.samples]
