"""AIFF and AIFF-C: of its chunks FFmpeg sees those that say how the samples lie, and the samples."""

import math
import struct
from dataclasses import dataclass
from typing import BinaryIO

from separation.audio.containers.plain import Plain, plain
from separation.audio.containers.texts import Texts, either_encoding
from separation.audio.containers.view import Piece, View
from separation.audio.containers.wav import Chunk, chunks, ends_within
from separation.errors import UndecodableAudio

# ``wave`` is what compressed kinds keep their parameters in.
_NEEDED = (b"FVER", b"COMM", b"CHAN", b"wave", b"SSND")
_KEYS = {b"NAME": "title", b"AUTH": "artist"}
_LONGEST = 4096
_MOST_BYTES = 0x7FFFFFFF  # FFmpeg reads lengths and numbers of AIFF with a sign
# Samples with the low byte first: 16 bits by Apple's list, of any width by what its own programs write; 24 and 32 bits.
_LITTLE_ENDIAN = (b"sowt", b"42ni", b"23ni")
# Which say themselves how wide they are; some writers have 16 beside them, for what it would be without.
_BITS = {b"42ni": 24, b"23ni": 32}


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
    kept: dict[bytes, tuple[Piece, ...]] = {}
    common, texts, id3, cut, sound = b"", Texts(), [], False, (0, 0)
    for chunk in chunks(file, begin + 12, end, ">"):
        if chunk.name == b"SSND" and not chunk.size:  # FFmpeg to a pipe: nobody came back to fill it in
            sound = chunk.begin, end
            kept[chunk.name] = (struct.pack(">4sI", b"SSND", min(end - chunk.begin, _MOST_BYTES)), sound)
            break
        if chunk.name in _NEEDED:
            if chunk.name == b"SSND":
                cut = ends_within(chunk, end)
                sound = chunk.begin, min(end, chunk.begin + chunk.size)
            elif chunk.name == b"COMM":
                file.seek(chunk.begin)
                common = file.read(min(chunk.size, _LONGEST))
            bounds = chunk.begin - 8, min(end, chunk.begin + chunk.size + chunk.size % 2)
            kept[chunk.name] = _of_common(bounds, common) if chunk.name == b"COMM" else (bounds,)
        elif chunk.name in _KEYS:
            file.seek(chunk.begin)
            texts.add(_KEYS[chunk.name], either_encoding(file.read(min(chunk.size, _LONGEST))))
        elif chunk.name == b"ID3 ":
            id3.append(chunk)
    if b"COMM" not in kept or b"SSND" not in kept:
        raise UndecodableAudio("The aiff file is damaged or cut off: it does not say where or what its samples are.")
    little_endian = _little_endian(common)
    if little_endian is not None:
        file.seek(sound[0])
        offset = int.from_bytes(file.read(4), "big")
        return Aiff(((sound[0] + 8 + offset, sound[1]),), little_endian, texts, tuple(id3), cut)
    shown = [piece for name in _NEEDED for piece in kept.get(name, ())]
    # How long the whole is writers to a pipe do not say, and FFmpeg would look no further than they do.
    size = min(View(file, shown).size + 4, _MOST_BYTES)
    return Aiff((struct.pack(">4sI4s", head[:4], size, head[8:]), *shown), None, texts, tuple(id3), cut)


def _of_common(bounds: tuple[int, int], common: bytes) -> tuple[Piece, ...]:
    """The chunk between the bounds, which says no more samples than FFmpeg takes."""
    if len(common) < 6 or int.from_bytes(common[2:6], "big") <= _MOST_BYTES:
        return (bounds,)
    begin, end = bounds
    return (begin, begin + 10), _MOST_BYTES.to_bytes(4, "big"), (begin + 14, end)


def _little_endian(common: bytes) -> Plain | None:
    """The samples of an AIFF-C file with that ``COMM`` chunk, where they are such and of other than 16 bits."""
    if common[18:22] not in _LITTLE_ENDIAN:
        return None
    channels, _, bits, exponent, mantissa = struct.unpack_from(">hIhHQ", common)
    bits = _BITS.get(common[18:22], bits)
    if 8 < bits <= 16:
        return None
    rate = round(math.ldexp(mantissa, exponent - 16383 - 63)) if exponent < 16383 + 32 else 0
    return plain("s", -(-bits // 8), "<", rate, channels)
