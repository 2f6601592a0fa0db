"""Tags that were put before or behind a file of any kind, by programs that knew nothing of its container."""

import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from separation.audio.containers.id3 import (
    APE_HEADER,
    ID3V1_BYTES,
    ape_length,
    id3v2_length,
    read_ape,
    read_id3v1,
    read_id3v2,
)
from separation.audio.containers.texts import Texts

_MOST_TAGS = 16
# Encoders pad tags with zeros beyond the size that they state.
_LONGEST_PADDING = 64 * 1024
_LYRICS_FOOTER = 15
_LONGEST_LYRICS = 1 << 20


@dataclass(frozen=True)
class Marks:
    """``begin`` and ``end`` of what the tags enclose; what they say, the most trustworthy first."""

    begin: int
    end: int
    texts: list[Texts] = field(default_factory=list)


def read_marks(file: BinaryIO, size: int) -> Marks:
    """Looks at both ends of a file of ``size`` bytes."""
    begin, before = _leading(file, size)
    end, behind = _trailing(file, begin, size)
    return Marks(begin, end, before + behind)


def _leading(file: BinaryIO, size: int) -> tuple[int, list[Texts]]:
    position, texts = 0, list[Texts]()
    for _ in range(_MOST_TAGS):
        file.seek(position)
        head = file.read(APE_HEADER)
        if length := id3v2_length(head):
            texts.append(read_id3v2(file, position))
        elif length := ape_length(head):
            texts.append(read_ape(file, position + APE_HEADER, position + length))
        elif head[:3] == b"TAG" and position + ID3V1_BYTES < size:
            file.seek(position)
            texts.append(read_id3v1(file.read(ID3V1_BYTES)))
            length = ID3V1_BYTES
        elif not head.startswith(b"\0"):
            break
        else:
            file.seek(position)
            padding = file.read(_LONGEST_PADDING)
            length = len(padding) - len(padding.lstrip(b"\0"))
            if not padding[length:].startswith((b"ID3", b"APETAGEX", b"TAG")):
                break
        position += length
    return min(position, size), texts


def _trailing(file: BinaryIO, begin: int, end: int) -> tuple[int, list[Texts]]:
    texts = list[Texts]()
    for _ in range(_MOST_TAGS):
        file.seek(max(begin, end - ID3V1_BYTES))
        tail = file.read(end - file.tell())
        if len(tail) == ID3V1_BYTES and tail[:3] == b"TAG":
            texts.append(read_id3v1(tail))
            length = ID3V1_BYTES
        elif length := ape_length(tail[-APE_HEADER:]):
            (items,) = struct.unpack("<I", tail[-APE_HEADER:][12:16])
            if items <= end - begin:
                texts.insert(0, read_ape(file, end - items, end - APE_HEADER))
        elif tail[-9:] == b"LYRICS200" and tail[-_LYRICS_FOOTER:-9].isdigit():
            length = int(tail[-_LYRICS_FOOTER:-9]) + _LYRICS_FOOTER
        elif tail[-9:] == b"LYRICSEND":
            length = _lyrics(file, end)
        elif tail[-10:-7] == b"3DI":  # ID3v2.4 at the end has a footer
            length = id3v2_length(b"ID3" + tail[-7:])
            if length <= end - begin:
                texts.append(read_id3v2(file, end - length))
        else:
            break
        if not 0 < length <= end - begin:
            break
        end -= length
    return end, texts


def _lyrics(file: BinaryIO, end: int) -> int:
    """The length of lyrics of the first kind, which only their beginning tells."""
    file.seek(max(0, end - _LONGEST_LYRICS))
    data = file.read(end - file.tell())
    place = data.rfind(b"LYRICSBEGIN")
    return len(data) - place if place >= 0 else 0
