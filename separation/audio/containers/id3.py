"""ID3 and APE tags, which stand before or behind audio of any kind: where they end, and what they say.

ID3v2.2 to 2.4 and ID3v1 (id3.org), APEv2 (Hydrogenaudio). Only texts are read; of pictures it is noted where they lie.
"""

import io
import struct
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from separation.audio.containers.pictures import LARGEST_BLOCK_BYTES, Picture, front
from separation.audio.containers.texts import Texts, by_name, either_encoding, western

_HEADER = 10
_FOOTER = 10
APE_HEADER = 32
ID3V1_BYTES = 128
_APE_IS_HEADER = 1 << 29
_APE_HAS_HEADER = 1 << 31
# More than any song has; a text is cut where it is longer than what is carried over of it.
_MOST_FRAMES = 2048
_LONGEST_TEXT = 4096
_APE_COVER = b"cover art (front)"
_LONGEST_UNSYNCHRONISED = 4 * 1024 * 1024
_KEYS = by_name(
    title="TIT2 TT2",
    artist="TPE1 TP1",
    album="TALB TAL",
    album_artist="TPE2 TP2",
    composer="TCOM TCM",
    date="TDRC TYER TYE",
    genre="TCON TCO",
    track="TRCK TRK",
    disc="TPOS TPA",
)
_APE_KEYS = by_name(
    title="title",
    artist="artist",
    album="album",
    album_artist="album_artist albumartist",
    composer="composer",
    date="year",
    genre="genre",
    track="track",
    disc="disc",
)
_Frame = tuple[str, tuple[int, int], int]
"""Its name, from where to where its content lies, and its flags."""
_ENCODINGS = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}


def id3v2_length(head: bytes) -> int:
    """How long the tag is that begins with these ten bytes or more; 0 if none does."""
    if len(head) < _HEADER or head[:3] != b"ID3" or head[3] == 0xFF:
        return 0
    return _HEADER + _sevens(head[6:10]) + (_FOOTER if head[5] & 0x10 else 0)


def ape_length(head: bytes) -> int:
    """How long the tag is whose header or footer these 32 bytes are, with both; 0 if they are none."""
    if len(head) < APE_HEADER or head[:8] != b"APETAGEX":
        return 0
    size: int
    _, size, _, flags = struct.unpack("<4I", head[8:24])
    return size + (APE_HEADER if flags & (_APE_IS_HEADER | _APE_HAS_HEADER) else 0)


def read_id3v2(file: BinaryIO, begin: int) -> Texts:
    """The texts of the tag that begins there, several values of one kind as several texts."""
    file.seek(begin)
    head = file.read(_HEADER)
    version, flags = head[3], head[5]
    end = begin + _HEADER + _sevens(head[6:10])
    begin += _HEADER
    if flags & 0x80 and version < 4:  # as a whole: every FF is followed by a 0 that does not count
        content = file.read(min(end - begin, _LONGEST_UNSYNCHRONISED)).replace(b"\xff\0", b"\xff")
        file, begin, end = io.BytesIO(content), 0, len(content)
    texts, day = Texts(), ""
    for name, place, marks in _frames(file, begin, end, version, extended=bool(flags & 0x40)):
        if name in ("APIC", "PIC"):
            # Of a tag that was read as a whole its own copy is small.
            where = file.getvalue()[slice(*place)] if isinstance(file, io.BytesIO) else place
            texts.pictures.append(Picture(where, partial(_picture, marks=marks, version=version)))
            continue
        file.seek(place[0])
        content = _plain(file.read(min(place[1] - place[0], _LONGEST_TEXT)), marks, version)
        if name in ("TDAT", "TDA"):
            day = _values(content)[0] if content else ""
        elif name in _KEYS and content:
            for value in _values(content):
                texts.add(_KEYS[name], _genre(value) if _KEYS[name] == "genre" else value)
    year = texts.joined().get("date", "")
    if len(year) == len(day) == 4 and (year + day).isdecimal():  # day and month apart from the year, before 2.4
        texts.replace("date", f"{year}-{day[2:]}-{day[:2]}")
    return texts


def _frames(file: BinaryIO, position: int, end: int, version: int, *, extended: bool) -> "Iterator[_Frame]":
    """Those of texts and pictures."""
    short = version == 2
    if extended and not short:
        file.seek(position)
        extension = file.read(4)
        position += _sevens(extension) if version == 4 else 4 + int.from_bytes(extension, "big")
    header = 6 if short else 10
    for _ in range(_MOST_FRAMES):
        file.seek(position)
        head = file.read(header)
        if position + header > end or len(head) < header or not head[0]:
            return
        name = head[: 3 if short else 4].decode("latin-1")
        size = int.from_bytes(head[3:6], "big") if short else _frame_size(file, position, end, version, head)
        position += header
        if name.startswith(("T", "APIC", "PIC")) and size:
            there = min(size, max(0, end - position))
            if there == size or name[0] == "T":  # half a picture is none
                yield name, (position, position + there), 0 if short else head[9]
        position += size


def _frame_size(file: BinaryIO, position: int, end: int, version: int, head: bytes) -> int:
    """Of 2.4 in sevens, which some writers did not know: then the next frame tells which it is."""
    plain = int.from_bytes(head[4:8], "big")
    if version < 4 or plain < 0x80:
        return plain
    sevens = _sevens(head[4:8])
    if any(byte & 0x80 for byte in head[4:8]):
        return plain
    file.seek(position + 10 + plain)
    follows = file.read(4)
    if position + 10 + plain < end and follows.isalnum() and follows.isupper():
        file.seek(position + 10 + sevens)
        other = file.read(4)
        return sevens if other.isalnum() or not other.strip(b"\0") else plain
    return sevens


def _plain(content: bytes, flags: int, version: int) -> bytes:
    """The frame's content without what its flags put before it; nothing if it is compressed or encrypted."""
    if version == 3:
        return b"" if flags & 0xC0 else content[1:] if flags & 0x20 else content
    if version == 4:
        if flags & 0x0C:
            return b""
        content = content[(1 if flags & 0x40 else 0) + (4 if flags & 1 else 0) :]
        return content.replace(b"\xff\0", b"\xff") if flags & 2 else content
    return content


def _picture(content: bytes, marks: int, version: int) -> tuple[int, bytes]:
    """Its kind and its bytes (ID3v2.4, 4.14): behind them stand its type, by name, and what is said of it."""
    content = _plain(content, marks, version)
    begin = 4 if version == 2 else content.find(b"\0", 1) + 1
    kind = content[begin : begin + 1]
    if begin < 2 or not kind:
        return 0, b""
    wide = content[0] in (1, 2)
    end = content.find(b"\0\0" if wide else b"\0", begin + 1)
    while wide and end >= 0 and (end - begin - 1) % 2:  # half of one letter and half of the next
        end = content.find(b"\0\0", end + 1)
    return kind[0], content[end + (2 if wide else 1) :] if end >= 0 else b""


def _values(content: bytes) -> list[str]:
    """Texts that a zero divides (ID3v2.4, 4.2)."""
    encoding = _ENCODINGS.get(content[0])
    if encoding is None:
        return [either_encoding(content)]
    raw = content[1:]
    if encoding.startswith("utf-16"):
        text = _utf_16(raw[: len(raw) // 2 * 2], encoding)
    elif encoding == "utf-8":
        text = either_encoding(raw)
    else:
        text = western(raw)
    return text.split("\0")


def _utf_16(raw: bytes, encoding: str) -> str:
    """Each value may have a mark of its order; where the first has none it is the little end first."""
    if encoding == "utf-16":
        encoding = "utf-16-be" if raw[:2] == b"\xfe\xff" else "utf-16-le"
    return raw.decode(encoding, "ignore").replace("\ufeff", "")


def _genre(value: str) -> str:
    """ID3v1's numbers, bare or in brackets, by their names."""
    number, _, rest = value.removeprefix("(").partition(")") if value.startswith("(") else (value, "", "")
    if not number.isdecimal() or not number.isascii():
        return value
    return rest or (GENRES[int(number)] if int(number) < len(GENRES) else value)


def read_id3v1(tag: bytes) -> Texts:
    """The texts of the last 128 bytes of a file; none if they are no tag."""
    texts = Texts()
    if len(tag) != ID3V1_BYTES or tag[:3] != b"TAG":
        return texts
    for key, begin, end in (("title", 3, 33), ("artist", 33, 63), ("album", 63, 93), ("date", 93, 97)):
        texts.add(key, either_encoding(tag[begin:end].partition(b"\0")[0].rstrip()))
    if not tag[125] and tag[126]:
        texts.add("track", str(tag[126]))
    if tag[127] < len(GENRES):
        texts.add("genre", GENRES[tag[127]])
    return texts


def read_ape(file: BinaryIO, items: int, end: int) -> Texts:
    """The texts of the items between the two positions."""
    texts = Texts()
    for _ in range(_MOST_FRAMES):
        file.seek(items)
        head = file.read(8 + 256)
        if items + 8 > end or len(head) < 8:
            break
        size, flags = struct.unpack("<II", head[:8])
        name, zero, _ = head[8:].partition(b"\0")
        if not zero:
            break
        content = items + 8 + len(name) + 1
        key = _APE_KEYS.get(western(name).lower().replace(" ", "_"))
        if key is not None and not flags & 6:  # 2 is binary, 4 is an address
            file.seek(content)
            for value in either_encoding(file.read(min(size, _LONGEST_TEXT))).split("\0"):
                texts.add(key, value)
        elif name.lower() == _APE_COVER and flags & 6 == 2 and size <= LARGEST_BLOCK_BYTES:
            texts.pictures.append(Picture((content, content + size), _ape_picture))
        items = content + size
    return texts


def _ape_picture(content: bytes) -> tuple[int, bytes]:
    """Behind the name of a file."""
    return front(content.partition(b"\0")[2])


def _sevens(four: bytes) -> int:
    return sum((byte & 0x7F) << shift for byte, shift in zip(four, (21, 14, 7, 0), strict=False))


GENRES = (
    *("Blues", "Classic Rock", "Country", "Dance", "Disco", "Funk", "Grunge", "Hip-Hop", "Jazz", "Metal", "New Age"),
    *("Oldies", "Other", "Pop", "R&B", "Rap", "Reggae", "Rock", "Techno", "Industrial", "Alternative", "Ska"),
    *("Death Metal", "Pranks", "Soundtrack", "Euro-Techno", "Ambient", "Trip-Hop", "Vocal", "Jazz+Funk", "Fusion"),
    *("Trance", "Classical", "Instrumental", "Acid", "House", "Game", "Sound Clip", "Gospel", "Noise", "AlternRock"),
    *("Bass", "Soul", "Punk", "Space", "Meditative", "Instrumental Pop", "Instrumental Rock", "Ethnic", "Gothic"),
    *("Darkwave", "Techno-Industrial", "Electronic", "Pop-Folk", "Eurodance", "Dream", "Southern Rock", "Comedy"),
    *("Cult", "Gangsta", "Top 40", "Christian Rap", "Pop/Funk", "Jungle", "Native American", "Cabaret", "New Wave"),
    *("Psychedelic", "Rave", "Showtunes", "Trailer", "Lo-Fi", "Tribal", "Acid Punk", "Acid Jazz", "Polka", "Retro"),
    *("Musical", "Rock & Roll", "Hard Rock", "Folk", "Folk-Rock", "National Folk", "Swing", "Fast Fusion", "Bebop"),
    *("Latin", "Revival", "Celtic", "Bluegrass", "Avantgarde", "Gothic Rock", "Progressive Rock", "Psychedelic Rock"),
    *("Symphonic Rock", "Slow Rock", "Big Band", "Chorus", "Easy Listening", "Acoustic", "Humour", "Speech", "Chanson"),
    *("Opera", "Chamber Music", "Sonata", "Symphony", "Booty Bass", "Primus", "Porn Groove", "Satire", "Slow Jam"),
    *("Club", "Tango", "Samba", "Folklore", "Ballad", "Power Ballad", "Rhythmic Soul", "Freestyle", "Duet"),
    *("Punk Rock", "Drum Solo", "A Cappella", "Euro-House", "Dance Hall"),
)
