"""AIFF and AIFF-C: of its chunks FFmpeg sees those that say how the samples lie, and the samples."""

from dataclasses import dataclass
from typing import BinaryIO

from separation.audio.containers.texts import Texts, either_encoding
from separation.audio.containers.view import Piece
from separation.audio.containers.wav import Chunk, chunks
from separation.errors import UndecodableAudio

# ``wave`` is what compressed kinds keep their parameters in.
_NEEDED = (b"FVER", b"COMM", b"CHAN", b"wave", b"SSND")
_KEYS = {b"NAME": "title", b"AUTH": "artist"}
_LONGEST = 4096


@dataclass(frozen=True)
class Aiff:
    """``shown``: what FFmpeg is to see; the places of ID3 tags."""

    shown: tuple[Piece, ...]
    texts: Texts
    id3: tuple[Chunk, ...]


def read_aiff(file: BinaryIO, begin: int, end: int) -> Aiff:
    """What is in the file between the two positions. Raises ``UndecodableAudio`` where no samples are."""
    file.seek(begin)
    head = file.read(12)
    kept: dict[bytes, Piece] = {}
    texts, id3 = Texts(), []
    for chunk in chunks(file, begin + 12, end, ">"):
        if chunk.name in _NEEDED:
            kept[chunk.name] = (chunk.begin - 8, min(end, chunk.begin + chunk.size + chunk.size % 2))
        elif chunk.name in _KEYS:
            file.seek(chunk.begin)
            texts.add(_KEYS[chunk.name], either_encoding(file.read(min(chunk.size, _LONGEST))))
        elif chunk.name == b"ID3 ":
            id3.append(chunk)
    if b"COMM" not in kept or b"SSND" not in kept:
        raise UndecodableAudio("The aiff file is damaged or cut off: it does not say where or what its samples are.")
    return Aiff((head, *(kept[name] for name in _NEEDED if name in kept)), texts, tuple(id3))
