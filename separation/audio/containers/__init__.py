"""Which container a file is, by its bytes, what FFmpeg is shown of it, and what its tags say.

FFmpeg left to itself decides by content too, but among some three hundred demuxers, of which several (HLS, concat,
DASH, SDP) go on to open other files and addresses. Here the list is short, and the demuxer is forced. It sees the sound
and what describes it; tags and what else a file may carry are read here, within bounds, or not at all.
"""

import re
from dataclasses import dataclass, replace
from typing import BinaryIO

from separation.audio.containers import mpeg
from separation.audio.containers.aiff import read_aiff
from separation.audio.containers.flac import StreamInfo, read_flac
from separation.audio.containers.id3 import read_id3v2
from separation.audio.containers.marks import Marks, read_marks
from separation.audio.containers.matroska import read_matroska
from separation.audio.containers.mp4 import read_mp4
from separation.audio.containers.ogg import read_ogg
from separation.audio.containers.pictures import Picture
from separation.audio.containers.plain import Plain
from separation.audio.containers.texts import Texts
from separation.audio.containers.tracks import Track
from separation.audio.containers.view import Piece
from separation.audio.containers.wav import read_info, read_wav
from separation.errors import EmptyFile, UnsupportedFormat

_HEAD_BYTES = 64
# How far into a file the first frame is looked for; so much of another stream or page may precede it.
_SEARCHED_BYTES = 128 * 1024


@dataclass(frozen=True)
class Container:
    """``name`` is ours, ``demuxer`` is FFmpeg's. ``tracks``: the one to be decoded first; none where there is no sound.
    ``links``: songs that follow it in the same file. ``cut``: it ends before it says so, which FFmpeg does not tell.
    ``noted``: so many samples long it was when it was encoded; 0 where that is not noted.

    ``texts``: what the song says about itself, by FFmpeg's names of tags, the most trustworthy first. ``pictures``:
    where its covers lie.
    """

    name: str
    demuxer: str
    tracks: tuple[Track, ...] = ()
    texts: tuple[dict[str, str], ...] = ()
    pictures: tuple[Picture, ...] = ()
    flac: StreamInfo | None = None
    links: tuple[Track, ...] = ()
    cut: bool = False
    noted: int = 0


_WAV, _FLAC, _OGG = Container("wav", "wav"), Container("flac", "flac"), Container("ogg", "ogg")
_MP3, _AAC = Container("mp3", "mp3"), Container("aac", "aac")
_AIFF, _MP4 = Container("aiff", "aiff"), Container("mp4", "mov")
_MATROSKA = Container("matroska", "matroska")

# How many bytes FFmpeg may read of a stream before its first frame. Of AAC it holds each thing that looks like one.
_OPTIONS = {"aac": (("probesize", "65536"),)}
_RIFF_KINDS = (b"RIFF", b"RF64", b"BW64", b"RIFX")
_BY_FOUR_BYTES = {b"fLaC": _FLAC, b"OggS": _OGG, b"\x1aE\xdf\xa3": _MATROSKA}
_MP4_BOXES = (
    *(b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"uuid", b"moof", b"sidx", b"udta"),
    *(b"meta", b"PICT", b"junk"),
)
# Beginnings that are found behind other bytes, too: each as much of it as is no accident.
_ANYWHERE = re.compile(
    rb"fLaC[\x00\x80]\x00\x00\x22|OggS\x00\x02|(?:RIFF|RF64|BW64|RIFX)....WAVE|FORM....AIF[FC]|\x00\x00\x00.ftyp"
    rb"|\x1aE\xdf\xa3.{1,8}?B[\x82\x86\xf2\xf3\xf7]",
    re.DOTALL,
)
# What begins so is another kind of file, even where something in it looks like sound.
_FOREIGN = (
    *(b"RIFF", b"RIFX", b"FORM", b"0&\xb2u", b"caff", b".snd", b"MThd", b"FLV", b"\x89PNG", b"\xff\xd8\xff", b"GIF8"),
    *(b"PK\x03\x04", b"%PDF", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b", b"\x7fELF", b"MZ", b"<", b"#", b"BM", b"wvpk"),
    *(b"MAC ", b"TTA1", b"\0\0\x01\xba", b".RMF", b"MPCK", b"MP+", b"DSD ", b"FRM8"),
)


def identify(file: BinaryIO) -> Container:
    """The container of the seekable ``file``, which is left at its beginning.

    Tags before and behind it do not matter, nor does what else precedes the first frame of a stream. Raises
    ``EmptyFile``, ``UnsupportedFormat``, ``UndecodableAudio`` or ``AudioTooComplex``.
    """
    try:
        size = file.seek(0, 2)
        if not size:
            raise EmptyFile("The file is empty.")
        marks = read_marks(file, size)
        container, begin = _found(file, marks)
        return _with_content(file, container, replace(marks, begin=begin))
    finally:
        file.seek(0)


def _found(file: BinaryIO, marks: Marks) -> tuple[Container, int]:
    """The container, and where it begins."""
    file.seek(marks.begin)
    head = file.read(_HEAD_BYTES)
    container = _by_magic(head)
    if container is not None:
        return container, marks.begin
    if not head.startswith(_FOREIGN):
        data = head + file.read(_SEARCHED_BYTES - len(head))
        data = data[: marks.end - marks.begin]
        frame = mpeg.first_frame(data, whole=marks.begin + len(data) == marks.end)
        other = _ANYWHERE.search(data)
        if other and (frame is None or other.start() < frame[0]):
            container = _by_magic(data[other.start() : other.start() + _HEAD_BYTES])
            if container is not None:
                return container, marks.begin + other.start()
        if frame is not None:
            return _by_frame(frame[1]), marks.begin + frame[0]
    single = mpeg.frame_at(head)
    if single is not None:
        return _by_frame(single), marks.begin
    raise UnsupportedFormat(
        "This is not an audio file that can be read: WAV, MP3, FLAC, OGG, Opus, M4A/MP4, AAC, AIFF, Matroska/WebM."
    )


def _by_magic(head: bytes) -> Container | None:
    form = head[8:12]
    if head[4:8] in _MP4_BOXES:
        return _MP4
    if head[:4] in _RIFF_KINDS:
        return _WAV if form == b"WAVE" else None
    if head[:4] == b"FORM":
        return _AIFF if form in (b"AIFF", b"AIFC") else None
    return _BY_FOUR_BYTES.get(head[:4])


def _by_frame(frame: mpeg.Frame) -> Container:
    return _AAC if frame.demuxer == "aac" else _MP3


def _with_content(file: BinaryIO, container: Container, marks: Marks) -> Container:
    """The same container with what is to be seen of it, and its texts."""
    begin, end = marks.begin, marks.end
    texts: list[Texts] = []
    shown: tuple[Piece, ...] = ((begin, end),)
    tracks: tuple[Track, ...] | None = None
    plain: Plain | None = None
    info = None
    cut = False
    links: tuple[Track, ...] = ()
    match container.name:
        case "wav":
            wav = read_wav(file, begin, end)
            shown, plain, cut = wav.shown, wav.plain, wav.cut
            if wav.coded:
                container = Container("wav", wav.coded)
            if wav.mpeg is not None:
                container, begin = _MP3, wav.mpeg[0]
                shown = ((begin, mpeg.end_of_sound(file, *wav.mpeg)),)
            texts = [read_id3v2(file, chunk.begin) for chunk in wav.id3] + [read_info(file, wav.info)]
        case "aiff":
            aiff = read_aiff(file, begin, end)
            shown, plain, cut = aiff.shown, aiff.plain, aiff.cut
            texts = [read_id3v2(file, chunk.begin) for chunk in aiff.id3] + [aiff.texts]
        case "flac":
            flac = read_flac(file, begin, end)
            shown, texts, info = flac.shown, [flac.texts], flac.info
        case "mp4":
            mp4 = read_mp4(file, begin, end)
            tracks, texts, cut = mp4.tracks, [mp4.texts], mp4.cut
        case "ogg":
            ogg = read_ogg(file, begin, end)
            songs = tuple(Track((place,), samples=most) for place, most in zip(ogg.links, ogg.samples, strict=True))
            tracks, links, texts, cut = songs[:1], songs[1:], [ogg.texts], ogg.cut
        case "matroska":
            matroska = read_matroska(file, begin, end)
            shown, cut = matroska.shown, matroska.cut
        case "mp3":
            shown = ((begin, mpeg.end_of_sound(file, begin, end)),)
    noted = mpeg.noted_samples(file, begin) if container.name == "mp3" else 0
    options = _OPTIONS.get(container.name, ()) if plain is None else plain.options
    return replace(
        container,
        demuxer=container.demuxer if plain is None else plain.demuxer,
        tracks=(Track(shown, options=options),) if tracks is None else tracks,
        texts=tuple(part.joined() for part in [*texts, *marks.texts]),
        pictures=tuple(picture for part in [*texts, *marks.texts] for picture in part.pictures),
        flac=info,
        links=links,
        cut=cut,
        noted=noted,
    )
