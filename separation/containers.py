"""Which container a file is, by its first bytes, and which demuxer may therefore open it.

FFmpeg left to itself decides by content too, but among some three hundred demuxers, of which several (HLS, concat,
DASH, SDP) go on to open other files and addresses. Here the list is short, and the demuxer is forced.
"""

import io
from dataclasses import dataclass, replace
from typing import BinaryIO

from separation.errors import EmptyFile, UnsupportedFormat

_HEAD_BYTES = 64
# An ID3v2 tag may precede MP3, AAC, FLAC, WAV or AIFF; its cover art can be megabytes long, and tags can be stacked.
_MAX_ID3_TAGS = 8
# FFmpeg holds a tag in memory, pictures and all. What a tag this large says is not worth that.
_LARGEST_TAG_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Container:
    """``name`` is ours, ``demuxer`` is FFmpeg's, which is to read from the byte ``begin`` on."""

    name: str
    demuxer: str
    begin: int = 0


class Tail(io.RawIOBase):
    """The rest of a file from the byte ``begin`` on, as if it were the whole."""

    def __init__(self, file: BinaryIO, begin: int) -> None:
        self._file, self._begin = file, begin
        file.seek(begin)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset + (self._begin if whence == io.SEEK_SET else 0), whence) - self._begin

    def tell(self) -> int:
        return self._file.tell() - self._begin

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


_WAV, _FLAC, _OGG = Container("wav", "wav"), Container("flac", "flac"), Container("ogg", "ogg")
_MP3, _AAC = Container("mp3", "mp3"), Container("aac", "aac")
_AIFF, _MP4 = Container("aiff", "aiff"), Container("mp4", "mov")
_MATROSKA = Container("matroska", "matroska")

_RIFF_KINDS = (b"RIFF", b"RF64", b"BW64", b"RIFX")
_BY_FOUR_BYTES = {b"fLaC": _FLAC, b"OggS": _OGG, b"\x1aE\xdf\xa3": _MATROSKA}


def identify(file: BinaryIO) -> Container:
    """The container of the seekable ``file``, which is left at its beginning.

    Reading begins behind ID3 tags only where they are so large that FFmpeg should not see them. Raises ``EmptyFile`` or
    ``UnsupportedFormat``. An MP3 is any file whose first bytes, after tags and padding, are a
    valid MPEG frame header.
    """
    try:
        head, audio = _head_after_tags(file)
    finally:
        file.seek(0)
    container = _by_magic(head)
    if container is None:
        raise UnsupportedFormat(
            "This is not an audio file that can be read: WAV, MP3, FLAC, OGG, Opus, M4A/MP4, AAC, AIFF, Matroska/WebM."
        )
    return replace(container, begin=audio) if audio > _LARGEST_TAG_BYTES else container


def _head_after_tags(file: BinaryIO) -> tuple[bytes, int]:
    """The first bytes behind the tags, and where the tags end."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if not head:
        raise EmptyFile("The file is empty.")
    position = 0
    for _ in range(_MAX_ID3_TAGS):
        if head[:3] != b"ID3" or len(head) < 10:
            break
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        position += 10 + size + (10 if head[5] & 0x10 else 0)
        file.seek(position)
        head = file.read(_HEAD_BYTES)
    if position or not head.strip(b"\0"):
        # Encoders pad tags with zeros beyond the size that they state.
        file.seek(position)
        padded = file.read(64 * 1024).lstrip(b"\0")
        head = padded[:_HEAD_BYTES]
    return head, position


def _by_magic(head: bytes) -> Container | None:
    form = head[8:12]
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return _MP4
    if head[:4] in _RIFF_KINDS:
        return _WAV if form == b"WAVE" else None
    if head[:4] == b"FORM":
        return _AIFF if form in (b"AIFF", b"AIFC") else None
    return _BY_FOUR_BYTES.get(head[:4]) or _mpeg_audio(head)


def _mpeg_audio(head: bytes) -> Container | None:
    """MPEG audio frames (ISO 11172-3, 2.4.2.3) or AAC in ADTS (ISO 13818-7, 6.2); both begin with eleven set bits."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer = (head[1] >> 1) & 3
    if layer == 0:
        return _AAC if head[1] & 0xF0 == 0xF0 and (head[2] >> 2) & 15 < 13 else None
    version, bitrate, rate = (head[1] >> 3) & 3, head[2] >> 4, (head[2] >> 2) & 3
    return _MP3 if version != 1 and bitrate != 15 and rate != 3 else None
