"""FLAC (RFC 9639): FFmpeg sees the description of the stream and the frames, of the metadata nothing else."""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from separation.audio.containers.comments import read_comments
from separation.audio.containers.pictures import Picture, of_flac
from separation.audio.containers.texts import Texts
from separation.audio.containers.view import Piece
from separation.errors import AudioTooComplex, UndecodableAudio

_STREAM_INFO, _COMMENTS, _PICTURE = 0, 4, 6
_LAST = 0x80
_MOST_BLOCKS = 1024
_LONGEST_COMMENTS = 16 * 1024 * 1024


@dataclass(frozen=True)
class StreamInfo:
    """``head``: bytes before the first frame as FFmpeg sees them; ``block``: samples in a frame, 0 where they differ.

    ``samples`` per channel as the header says, 0 where it does not.
    """

    head: int
    block: int
    samples: int


@dataclass(frozen=True)
class Flac:
    """``shown``: what FFmpeg is to see."""

    shown: tuple[Piece, ...]
    texts: Texts
    info: StreamInfo


def read_flac(file: BinaryIO, begin: int, end: int) -> Flac:
    """What is in the file between the two positions. Raises ``UndecodableAudio`` where the header is no header."""
    position = begin + 4
    info, texts, pictures = b"", Texts(), []
    for _ in range(_MOST_BLOCKS):
        file.seek(position)
        head = file.read(4)
        if len(head) < 4:
            break
        size = int.from_bytes(head[1:], "big")
        if head[0] & ~_LAST == _STREAM_INFO and not info:
            info = file.read(size) if size < 1024 else b""
        elif head[0] & ~_LAST == _COMMENTS and size < _LONGEST_COMMENTS:
            texts = read_comments(file.read(size))
        elif head[0] & ~_LAST == _PICTURE:
            pictures.append(Picture((position + 4, position + 4 + size), of_flac))
        position += 4 + size
        if head[0] & _LAST:
            break
    else:
        raise AudioTooComplex(f"The file has more than {_MOST_BLOCKS} blocks of metadata.")
    texts.pictures[:0] = pictures
    if len(info) < 34:
        raise UndecodableAudio("The flac file is damaged or cut off: it does not say what its samples are.")
    head = b"fLaC" + struct.pack(">I", (_LAST | _STREAM_INFO) << 24 | len(info)) + info
    shortest, longest = struct.unpack(">HH", info[:4])
    samples = int.from_bytes(info[13:18], "big") & ((1 << 36) - 1)
    described = StreamInfo(len(head), longest if shortest == longest else 0, samples)
    return Flac((head, (min(position, end), end)), texts, described)
