"""Matroska and WebM (RFC 9559): what FFmpeg sees of them, which is the sound and few words about it.

What it does not need is called ``Void``: attached files, chapters, indexes, and tags that are longer than any song's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from separation.audio.containers.view import Piece, patched
from separation.errors import AudioTooComplex

_SEGMENT, _TRACKS, _TRACK, _TAGS = 0x18538067, 0x1654AE6B, 0xAE, 0x1254C367
_SEEK_HEAD, _ATTACHMENTS, _CHAPTERS, _CUES = 0x114D9B74, 0x1941A469, 0x1043A770, 0x1C53BB6B
_CLUSTER = 0x1F43B675
_HIDDEN = (_SEEK_HEAD, _ATTACHMENTS, _CHAPTERS, _CUES)
_VOID = b"\xec"
# Clusters last a second or more; a film of a day has fewer.
_MOST_ELEMENTS = 200_000
_MOST_TRACKS = 128
# FFmpeg compares each tag with all before it.
_LONGEST_TAGS = 64 * 1024


@dataclass(frozen=True)
class _Element:
    """``place`` of its first byte, ``begin`` and ``end`` of its content; ``None``: nobody knows where it ends."""

    kind: int
    place: int
    begin: int
    end: int | None


@dataclass(frozen=True)
class Matroska:
    """``shown``: what FFmpeg is to see. ``cut``: the file ends before it says so."""

    shown: tuple[Piece, ...]
    cut: bool


def read_matroska(file: BinaryIO, begin: int, end: int) -> Matroska:
    """What is in the file between the two positions. Raises ``AudioTooComplex``."""
    patches: list[tuple[int, bytes]] = []
    tagged, tracks, cut = False, 0, False
    for element in _top(file, begin, end):
        cut |= element.kind == _CLUSTER and (element.end or 0) > end
        size = (element.end or end) - element.begin
        if element.kind in _HIDDEN or (element.kind == _TAGS and (tagged or size > _LONGEST_TAGS)):
            patches.append((element.place, _void(element.begin - element.place, size)))
        elif element.kind == _TAGS:
            tagged = True
        elif element.kind == _TRACKS:
            tracks += sum(inner.kind == _TRACK for inner in _inside(element, file, end))
            if tracks > _MOST_TRACKS:
                raise AudioTooComplex(f"The file has more than {_MOST_TRACKS} tracks.")
    return Matroska(patched(end, patches, begin), cut)


def _top(file: BinaryIO, begin: int, end: int) -> Iterator[_Element]:
    """What is in the segments, as far as it is known where one thing ends and the next begins."""
    for element in _elements(file, begin, end):
        if element.kind == _SEGMENT:
            yield from _inside(element, file, end)


def _inside(element: _Element, file: BinaryIO, end: int) -> Iterator[_Element]:
    """What is in the element, as far as the file goes: it may claim to end where no disk has room."""
    return _elements(file, element.begin, min(element.end or end, end))


def _elements(file: BinaryIO, begin: int, end: int) -> Iterator[_Element]:
    for _ in range(_MOST_ELEMENTS):
        if begin >= end:
            return
        file.seek(begin)
        head = file.read(12)
        if not head or not head[0]:
            return
        width = 9 - head[0].bit_length()
        if width > 4 or len(head) < width + 1 or not head[width]:
            return
        length = 9 - head[width].bit_length()
        size = int.from_bytes(head[width : width + length], "big") & ((1 << 7 * length) - 1)
        content = begin + width + length
        unknown = size == (1 << 7 * length) - 1
        yield _Element(int.from_bytes(head[:width], "big"), begin, content, None if unknown else content + size)
        if unknown:
            return
        begin = content + size
    raise AudioTooComplex(f"The file has more than {_MOST_ELEMENTS} parts.")


def _void(header: int, size: int) -> bytes:
    """The header, of at most as many bytes, of an empty element of the same size."""
    length = min(8, header - 1)
    size += header - 1 - length
    return _VOID + (size | 1 << 7 * length).to_bytes(length, "big")
