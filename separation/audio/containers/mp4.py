"""MP4 and QuickTime: the tracks with sound, what of them is presented, and what their tags say.

FFmpeg sees one track at a time and of the others nothing: every box that it does not need for it is called ``free``.
Whatever a table claims to hold was weighed before FFmpeg makes room for it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO

from separation.audio.containers.boxes import Box, Boxes
from separation.audio.containers.ilst import Song, read_song
from separation.audio.containers.texts import Texts
from separation.audio.containers.tracks import Edit, Track
from separation.audio.containers.view import patched
from separation.errors import AudioChangesFormat, AudioTooComplex, UndecodableAudio

# FFmpeg keeps some 60 bytes for each sample, which is a frame of sound but for PCM. 12 hours of AAC have as many.
_MOST_SAMPLES = 1_900_000
_MOST_TRACKS = 256
_MOST_EDITS = 4096
_PCM_SAMPLES = 1024
_ALIGNED_HIGH = 1 << 4
_LONGEST_SILENCE_SECONDS = 3600
# FFmpeg heeds the beginning of a list of edits and not its end: it is told to leave the list to us.
_AS_IT_LIES = (("ignore_editlist", "1"), ("advanced_editlist", "0"))

_SHOWN_ON_TOP = (b"ftyp", b"styp", b"moov", b"moof", b"mdat")
_SHOWN = {
    b"moov": (b"mvhd", b"trak", b"mvex"),
    b"trak": (b"tkhd", b"mdia"),
    b"mdia": (b"mdhd", b"hdlr", b"minf"),
    b"minf": (b"smhd", b"gmhd", b"nmhd", b"hdlr", b"dinf", b"stbl"),
    b"stbl": (b"stsd", b"stts", b"stsc", b"stsz", b"stz2", b"stco", b"co64"),
    b"mvex": (b"trex",),
    b"moof": (b"mfhd", b"traf"),
    b"traf": (b"tfhd", b"tfdt", b"trun"),
}
_BYTES_PER_ENTRY = {b"stts": 8, b"stsc": 12, b"stco": 4, b"co64": 8}
"""Behind eight bytes, the last four of which are the number of entries."""


@dataclass
class _Found:
    """A track as it is being read."""

    box: Box
    number: int = 0
    enabled: bool = True
    sound: bool = False
    codec: bytes = b""
    formats: tuple[Box, int] | None = None
    width: tuple[int, bytes] | None = None
    timescale: int = 0
    ticks: int = 0
    samples: int = 0
    uniform: bool = False
    chunks: int = 0
    runs: tuple[Box, int] | None = None
    excessive: bool = False
    edits: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Mp4:
    """``tracks``: those with sound, the one that players would take first. ``cut``: the file ends within its sound."""

    tracks: tuple[Track, ...]
    texts: Texts
    cut: bool


def read_mp4(file: BinaryIO, begin: int, end: int) -> Mp4:
    """What is in the file between the two positions. Raises ``UndecodableAudio`` or ``AudioTooComplex``."""
    return _Reader(file, begin, end).read()


class _Reader:
    def __init__(self, file: BinaryIO, begin: int, end: int) -> None:
        self._file, self._begin, self._end = file, begin, end
        self._boxes = Boxes(file)
        self._hidden: list[int] = []
        self._tracks: list[_Found] = []
        self._timescale = 0
        self._usual_ticks: dict[int, int] = {}
        # By the track's number: samples in fragments, and where the latest of them ends.
        self._fragments: dict[int, tuple[int, int]] = {}
        self._song = Song()

    def read(self) -> Mp4:
        found = headless = cut = False
        for box in self._boxes.within(self._begin, self._end):
            cut |= box.cut and box.kind in (b"mdat", b"moof")
            if box.kind not in _SHOWN_ON_TOP or (box.kind == b"moov" and found):
                self._hide(box)
            elif box.kind == b"moov":
                found, headless = True, box.cut
                self._header(box)
            elif box.kind == b"moof":
                self._fragment(box)
        if not found:
            raise UndecodableAudio("The mp4 file is damaged or cut off: it has no index of its sound.")
        tracks = sorted((track for track in self._tracks if track.sound), key=_order)
        light = [track for track in tracks if not self._too_much(track)]
        if headless and not light:
            raise UndecodableAudio("The mp4 file is cut off: it ends in the middle of the index of its sound.")
        if tracks and not light:
            raise AudioTooComplex("The file's index claims more than the file has room for, or than any song needs.")
        steady = [track for track in light if self._is_of_one_format(track)]
        if light and not steady:
            raise AudioChangesFormat("The sample rate or the number of channels changes in the middle of the file.")
        return Mp4(tuple(self._track(track) for track in steady), self._song.texts, cut)

    def _hide(self, box: Box) -> None:
        self._hidden.append(box.place + 4)

    def _shown(self, parent: Box) -> Iterator[Box]:
        """The boxes within that FFmpeg needs; the others are hidden."""
        for box in self._boxes.within(parent.begin, parent.end):
            if box.kind in _SHOWN[parent.kind]:
                yield box
            elif box.kind in (b"udta", b"meta"):
                read_song(self._file, self._boxes, box, self._song)
                self._hide(box)
            elif box.kind == b"edts":
                self._edits(box)
                self._hide(box)
            else:
                self._hide(box)

    def _header(self, moov: Box) -> None:
        for box in self._shown(moov):
            if box.kind == b"mvhd":
                content = self._boxes.content(box)
                self._timescale = int.from_bytes(content[20:24] if content[:1] == b"\1" else content[12:16], "big")
            elif box.kind == b"mvex":
                for trex in self._shown(box):
                    number, _, ticks = struct.unpack(">III", self._boxes.content(trex)[4:16].ljust(12, b"\0"))
                    self._usual_ticks[number] = ticks
            elif box.kind == b"trak":
                if len(self._tracks) >= _MOST_TRACKS:
                    raise AudioTooComplex(f"The file has more than {_MOST_TRACKS} tracks.")
                self._tracks.append(_Found(box))
                self._in_track(box)

    def _in_track(self, parent: Box) -> None:
        track = self._tracks[-1]
        for box in self._shown(parent):
            if box.kind in (b"mdia", b"minf", b"stbl"):
                self._in_track(box)
                continue
            content = self._boxes.content(box)
            long = content[:1] == b"\1"
            if box.kind == b"stsd":
                track.codec = content[12:16]
                track.width = _width(box, self._boxes.content(box, 80))
                track.formats = (box, int.from_bytes(content[4:8], "big"))
            elif box.kind == b"tkhd":
                track.enabled = bool(content[3:4] and content[3] & 1)
                track.number = int.from_bytes(content[20:24] if long else content[12:16], "big")
            elif box.kind == b"mdhd":
                track.timescale = int.from_bytes(content[20:24] if long else content[12:16], "big")
            elif box.kind == b"hdlr" and parent.kind == b"mdia":
                track.sound = content[8:12] == b"soun"
            elif parent.kind == b"stbl":
                self._table(track, box, content)

    def _table(self, track: _Found, box: Box, content: bytes) -> None:
        """Weighs what a table claims."""
        if box.kind in (b"stsz", b"stz2"):
            each, track.samples = struct.unpack(">II", content[4:12].ljust(8, b"\0"))
            track.uniform = bool(each) and box.kind == b"stsz"
            claimed = 0 if track.uniform else track.samples * (each if box.kind == b"stz2" else 32) // 8
        else:
            count = int.from_bytes(content[4:8], "big")
            claimed = count * _BYTES_PER_ENTRY[box.kind]
            track.excessive |= count > _MOST_SAMPLES
            if box.kind in (b"stco", b"co64"):
                track.chunks = count
            elif box.kind == b"stts":
                track.ticks = sum(samples * ticks for samples, ticks in self._entries(box, count, ">II"))
            elif box.kind == b"stsc":
                track.runs = (box, count)
        track.excessive |= claimed > box.end - box.begin - 8

    def _entries(self, box: Box, count: int, form: str) -> Iterator[tuple[int, ...]]:
        self._file.seek(box.begin + 8)
        size = struct.calcsize(form)
        left = min(count, _MOST_SAMPLES, (box.end - box.begin - 8) // size)
        while left > 0:
            data = self._file.read(min(left, 4096) * size)
            yield from struct.iter_unpack(form, data[: len(data) // size * size])
            left = left - 4096 if len(data) >= size else 0

    def _edits(self, edts: Box) -> None:
        for box in self._boxes.within(edts.begin, edts.end):
            if box.kind != b"elst" or not self._tracks:
                continue
            content = self._boxes.content(box, 8 + 20 * (_MOST_EDITS + 1))
            form = ">QqI" if content[:1] == b"\1" else ">IiI"
            count = min(int.from_bytes(content[4:8], "big"), (len(content) - 8) // struct.calcsize(form))
            self._tracks[-1].excessive |= count > _MOST_EDITS
            entries = struct.iter_unpack(form, content[8 : 8 + count * struct.calcsize(form)])
            self._tracks[-1].edits = [(length, begin) for length, begin, _ in entries]

    def _fragment(self, moof: Box) -> None:
        for traf in self._shown(moof):
            if traf.kind != b"traf":
                continue
            number, ticks, each = 0, 0, 0
            for box in self._shown(traf):
                content = self._boxes.content(box)
                if box.kind == b"tfhd":
                    number, each = _defaults(content)
                    each = each or self._usual_ticks.get(number, 0)
                    ticks = self._fragments.get(number, (0, 0))[1]
                elif box.kind == b"tfdt":
                    ticks = int.from_bytes(content[4:12] if content[:1] == b"\1" else content[4:8], "big")
                else:
                    count = int.from_bytes(content[4:8], "big")
                    ticks += self._ticks_of_run(box, content, count, each)
                    samples, latest = self._fragments.get(number, (0, 0))
                    self._fragments[number] = samples + count, max(latest, ticks)

    def _ticks_of_run(self, trun: Box, content: bytes, count: int, each: int) -> int:
        """How long its samples last together (ISO 14496-12, 8.8.8)."""
        flags = int.from_bytes(content[1:4], "big")
        if not flags & 0x100:
            return count * each
        fields = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
        self._file.seek(trun.begin + 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0))
        size = 4 * len(fields)
        data = self._file.read(max(0, min(count * size, trun.end - self._file.tell())))
        return sum(entry[0] for entry in struct.iter_unpack(f">{len(fields)}I", data[: len(data) // size * size]))

    def _track(self, track: _Found) -> Track:
        others = [other.box.place + 4 for other in self._tracks if other is not track]
        patches = dict.fromkeys([*self._hidden, *others], b"free")
        if track.formats is not None and track.formats[1] > 1 and self._formats_used(track) == {1}:
            patches[track.formats[0].begin + 4] = (1).to_bytes(4, "big")
        if track.width is not None:
            patches.update([track.width])
        shown = patched(self._end, sorted(patches.items()), self._begin)
        return Track(shown, self._presented(track), _AS_IT_LIES, encrypted=track.codec == b"enca")

    def _formats_used(self, track: _Found) -> set[int]:
        """Which of its formats the chunks of a track are in, counted from 1; none where only fragments tell."""
        box, count = track.runs or (track.box, 0)
        return {number for _, _, number in self._entries(box, count, ">III")}

    def _is_of_one_format(self, track: _Found) -> bool:
        """Whether FFmpeg, which takes the last of several formats for all, reads the track as it is."""
        box, count = track.formats or (track.box, 0)
        if count < 2 or self._formats_used(track) in ({1}, {count}, set()):
            return True
        formats = {self._boxes.content(entry, 28)[16:] for entry in self._boxes.within(box.begin + 8, box.end)}
        return len(formats) == 1

    def _too_much(self, track: _Found) -> bool:
        """Whether its tables would take more memory than the song."""
        samples = track.samples + self._fragments.get(track.number, (0, 0))[0]
        if track.uniform and track.ticks == track.samples:  # PCM, of which FFmpeg keeps pieces of 1024 samples
            samples, first, before = 0, 1, 0
            box, count = track.runs or (track.box, 0)
            for begin, length, _ in self._entries(box, count, ">III"):
                samples += max(0, begin - first) * before
                first, before = begin, -(-length // _PCM_SAMPLES)
            samples += max(0, track.chunks + 1 - first) * before
        elif samples > self._end - self._begin:
            return True
        return track.excessive or samples > _MOST_SAMPLES

    def _presented(self, track: _Found) -> tuple[Edit, ...]:
        """The track's edits; where it has none the length that its tags or its table tell."""
        clock = track.timescale
        if not clock:
            return ()
        ticks = max(track.ticks, self._fragments.get(track.number, (0, 0))[1])
        media_end = Fraction(ticks, clock) if ticks else None
        gapless = self._song.gapless
        if not track.edits or not self._timescale:
            if gapless is not None and (media_end is None or Fraction(gapless[0], clock) < media_end):
                return (Edit(Fraction(gapless[0], clock), Fraction(sum(gapless), clock)),)
            return (Edit(None, media_end),)
        edits: list[Edit] = []
        position, silence = Fraction(0), Fraction(0)
        for length, media in track.edits:
            seconds = Fraction(length, self._timescale)
            if media < 0:
                silence += seconds
                continue
            begin = Fraction(media, clock)
            # A way back, or silence for hours: then the sound as it lies is what can be had.
            if begin < position or silence > _LONGEST_SILENCE_SECONDS:
                return (Edit(None, media_end),)
            position = begin + seconds
            end = self._exact(position, begin, media_end, clock) if length else media_end
            edits.append(Edit(begin, end, silence))
            silence = Fraction(0)
        return tuple(edits)

    def _exact(self, end: Fraction, begin: Fraction, media_end: Fraction | None, clock: int) -> Fraction:
        """Where an edit ends that the film's coarser clock puts at ``end``: as iTunes noted it, or with the media."""
        tick = Fraction(1, self._timescale)
        noted = None if self._song.gapless is None else begin + Fraction(self._song.gapless[1], clock)
        for exact in (noted, media_end):
            if exact is not None and abs(exact - end) < tick:
                return exact
        return end if media_end is None else min(end, media_end)


def _order(track: _Found) -> tuple[bool, bool]:
    return track.codec == b"enca", not track.enabled


def _width(stsd: Box, content: bytes) -> tuple[int, bytes] | None:
    """Where QuickTime's second description of sound says how many bits of a sample are valid, and how many it takes.

    FFmpeg reads samples of the former. They lie in the upper bits of the latter (AudioStreamBasicDescription).
    """
    if content[12:16] != b"lpcm" or content[24:26] != b"\0\2" or len(content) < 80:
        return None
    channels, _, bits, flags, size, frames = struct.unpack_from(">IIIIII", content, 56)
    width, rest = divmod(8 * size, channels) if channels else (0, 1)
    if rest or frames != 1 or not flags & _ALIGNED_HIGH or not bits < width <= 32:
        return None
    return stsd.begin + 64, width.to_bytes(4, "big")


def _defaults(tfhd: bytes) -> tuple[int, int]:
    """The number of a fragment's track, and how long its samples are, 0 where that is not said (8.8.7)."""
    flags = int.from_bytes(tfhd[1:4], "big")
    place = 8 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0)
    return int.from_bytes(tfhd[4:8], "big"), int.from_bytes(tfhd[place : place + 4], "big") if flags & 8 else 0
