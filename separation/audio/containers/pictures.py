"""Where the pictures of a song lie, and its cover among them. None is decoded here; what is too large is not read."""

import base64
import binascii
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import BinaryIO, Literal

from separation.audio.containers.view import Piece

LARGEST_COVER_BYTES = 8 * 1024 * 1024
LARGEST_BLOCK_BYTES = LARGEST_COVER_BYTES + 64 * 1024
"""Of a picture with what describes it."""
LARGEST_TEXT_BYTES = -(-LARGEST_BLOCK_BYTES // 3) * 4
"""Of the same in base64."""
_MOST_PIXELS = 10_000  # each way: what is meant to burst a player has more
_MOST_PICTURES = 8
_MOST_SEGMENTS = 1024  # of a JPEG before its frame, bytes of fill among them: eight megabytes of fill take seconds
_FRONT = 3
"""The front cover among the kinds of pictures, in ID3v2 (APIC) as in FLAC."""


@dataclass(frozen=True)
class Cover:
    """A picture as it stood in the song; ``codec`` by FFmpeg's name, size in pixels."""

    data: bytes
    codec: Literal["mjpeg", "png"]
    width: int
    height: int

    @property
    def mime(self) -> str:
        return "image/png" if self.codec == "png" else "image/jpeg"


@dataclass(frozen=True)
class Picture:
    """``place``: what describes a picture, and holds it; ``read`` makes of that its kind and its bytes."""

    place: Piece
    read: Callable[[bytes], tuple[int, bytes]]


def read_cover(file: BinaryIO, pictures: Iterable[Picture]) -> Cover | None:
    """The front cover, else the first picture. JPEG and PNG of at most 8 MB and 10,000 pixels each way."""
    first = None
    for picture in [*pictures][:_MOST_PICTURES]:
        content = _content(file, picture.place)
        kind, data = picture.read(content) if content else (0, b"")
        cover = _cover(data)
        if cover is not None and kind == _FRONT:
            return cover
        first = first or cover
    return first


def front(content: bytes) -> tuple[int, bytes]:
    """A picture that nothing describes."""
    return _FRONT, content


def of_flac(block: bytes) -> tuple[int, bytes]:
    """FLAC's block of type 6 (RFC 9639, 8.8)."""
    try:
        kind, mime = struct.unpack_from(">II", block)
        (text,) = struct.unpack_from(">I", block, 8 + mime)
        (size,) = struct.unpack_from(">I", block, 12 + mime + text + 16)
    except struct.error:
        return 0, b""
    begin = 16 + mime + text + 16
    return kind, block[begin : begin + size] if begin + size <= len(block) else b""


def of_base64(text: bytes) -> tuple[int, bytes]:
    """The same block in a Vorbis comment."""
    try:
        return of_flac(base64.b64decode(text))
    except (binascii.Error, ValueError):
        return 0, b""


def to_base64(cover: Cover) -> str:
    """A front cover as a Vorbis comment has it."""
    mime = cover.mime.encode()
    head = struct.pack(">II", _FRONT, len(mime)) + mime + struct.pack(">I", 0)
    numbers = struct.pack(">5I", cover.width, cover.height, 24, 0, len(cover.data))
    return base64.b64encode(head + numbers + cover.data).decode()


def _content(file: BinaryIO, place: Piece) -> bytes:
    if isinstance(place, bytes):
        return place
    begin, end = place
    if not 0 < end - begin <= LARGEST_BLOCK_BYTES:
        return b""
    file.seek(begin)
    return file.read(end - begin)


def _cover(data: bytes) -> Cover | None:
    if len(data) > LARGEST_COVER_BYTES:
        return None
    codec: Literal["mjpeg", "png"] = "png" if data.startswith(b"\x89PNG\r\n\x1a\n") else "mjpeg"
    size = _png_size(data) if codec == "png" else _jpeg_size(data)
    if size is None or not all(0 < pixels <= _MOST_PIXELS for pixels in size):
        return None
    return Cover(data, codec, *size)


def _png_size(data: bytes) -> tuple[int, int] | None:
    if len(data) < 33 or data[12:16] != b"IHDR":
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """What its frame header says (ITU-T T.81, B.2.2)."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    position = 2
    for _ in range(_MOST_SEGMENTS):
        if position + 9 > len(data) or data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker == 0xFF:  # fill
            position += 1
        elif marker in range(0xC0, 0xD0) and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, position + 5)
            return width, height
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None
