"""AIFF and AIFF-C: of its chunks FFmpeg sees those that say how the samples lie, and the samples."""

import math
import struct
from dataclasses import dataclass
from typing import BinaryIO

from separation.audio.containers.plain import Plain, plain
from separation.audio.containers.texts import Texts, either_encoding
from separation.audio.containers.view import Piece
from separation.audio.containers.wav import Chunk, chunks, ends_within
from separation.errors import UndecodableAudio

# ``wave`` is what compressed kinds keep their parameters in.
_NEEDED = (b"FVER", b"COMM", b"CHAN", b"wave", b"SSND")
_KEYS = {b"NAME": "title", b"AUTH": "artist"}
_LONGEST = 4096
# Samples with the low byte first: 16 bits by Apple's list, of any width by what its own programs write; 24 and 32 bits.
_LITTLE_ENDIAN = (b"sowt", b"42ni", b"23ni")


@dataclass(frozen=True)
class Aiff:
    """``shown``: what FFmpeg is to see; ``plain``: where that is nothing but samples; the places of ID3 tags. ``cut``:
    the file ends among its samples."""

    shown: tuple[Piece, ...]
    plain: Plain | None
    texts: Texts
    id3: tuple[Chunk, ...]
    cut: bool


def read_aiff(file: BinaryIO, begin: int, end: int) -> Aiff:
    """What is in the file between the two positions. Raises ``UndecodableAudio`` where no samples are."""
    file.seek(begin)
    head = file.read(12)
    kept: dict[bytes, tuple[int, int]] = {}
    texts, id3, cut, sound = Texts(), [], False, (0, 0)
    for chunk in chunks(file, begin + 12, end, ">"):
        if chunk.name in _NEEDED:
            if chunk.name == b"SSND":
                cut = ends_within(chunk, end)
                sound = chunk.begin, min(end, chunk.begin + chunk.size)
            kept[chunk.name] = (chunk.begin - 8, min(end, chunk.begin + chunk.size + chunk.size % 2))
        elif chunk.name in _KEYS:
            file.seek(chunk.begin)
            texts.add(_KEYS[chunk.name], either_encoding(file.read(min(chunk.size, _LONGEST))))
        elif chunk.name == b"ID3 ":
            id3.append(chunk)
    if b"COMM" not in kept or b"SSND" not in kept:
        raise UndecodableAudio("The aiff file is damaged or cut off: it does not say where or what its samples are.")
    begin, end = kept[b"COMM"]
    file.seek(begin + 8)
    little_endian = _little_endian(file.read(min(end - begin - 8, _LONGEST)))
    if little_endian is not None:
        file.seek(sound[0])
        offset = int.from_bytes(file.read(4), "big")
        return Aiff(((sound[0] + 8 + offset, sound[1]),), little_endian, texts, tuple(id3), cut)
    return Aiff((head, *(kept[name] for name in _NEEDED if name in kept)), None, texts, tuple(id3), cut)


def _little_endian(common: bytes) -> Plain | None:
    """The samples of an AIFF-C file with that ``COMM`` chunk, where they are such and of other than 16 bits."""
    if common[18:22] not in _LITTLE_ENDIAN:
        return None
    channels, _, bits, exponent, mantissa = struct.unpack_from(">hIhHQ", common)
    if 8 < bits <= 16:
        return None
    rate = round(math.ldexp(mantissa, exponent - 16383 - 63)) if exponent < 16383 + 32 else 0
    return plain("s", -(-bits // 8), "<", rate, channels)
