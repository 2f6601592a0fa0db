"""Vorbis comments, as Ogg, Opus and FLAC have them."""

import struct

from separation.audio.containers.pictures import LARGEST_TEXT_BYTES, Picture, of_base64
from separation.audio.containers.texts import Texts, by_name, either_encoding, western
from separation.errors import AudioTooComplex

_MOST_COMMENTS = 2048
_LONGEST_NAME = 64
_PICTURE = b"METADATA_BLOCK_PICTURE"
_KEYS = by_name(
    title="TITLE",
    artist="ARTIST",
    album="ALBUM",
    album_artist="ALBUMARTIST ALBUM_ARTIST",
    composer="COMPOSER",
    date="DATE YEAR",
    genre="GENRE",
    track="TRACKNUMBER TRACK",
    disc="DISCNUMBER DISC",
)


def refuse_many(packet: bytes) -> None:
    """FFmpeg compares each comment with all before it. Raises ``AudioTooComplex`` where that would take long."""
    vendor = int.from_bytes(packet[:4], "little")
    count = int.from_bytes(packet[4 + vendor : 8 + vendor], "little")
    if count > _MOST_COMMENTS:
        raise AudioTooComplex(f"The file has more than {_MOST_COMMENTS} tags.")


def read_comments(packet: bytes) -> Texts:
    """The texts of a comment header without its magic (Vorbis I, 5.2.1), as far as it is whole."""
    texts = Texts()
    try:
        (vendor,) = struct.unpack_from("<I", packet)
        (count,) = struct.unpack_from("<I", packet, 4 + vendor)
        position = 8 + vendor
        for _ in range(min(count, _MOST_COMMENTS)):
            (size,) = struct.unpack_from("<I", packet, position)
            name, _, value = packet[position + 4 : position + 4 + min(size, 4096)].partition(b"=")
            if name.upper() == _PICTURE and size <= LARGEST_TEXT_BYTES and not texts.pictures:
                begin = position + 5 + len(name)
                texts.pictures.append(Picture(packet[begin : position + 4 + size], of_base64))
            key = _KEYS.get(western(name).upper().replace(" ", "_")) if len(name) <= _LONGEST_NAME else None
            if key:
                texts.add(key, either_encoding(value))
            position += 4 + size
    except struct.error:
        pass
    return texts
