"""Ogg (RFC 3533): the songs that follow each other in a file, and what the first one's tags say."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from operator import gt
from typing import BinaryIO

from separation.audio.containers.comments import read_comments, refuse_many
from separation.audio.containers.texts import Texts
from separation.errors import AudioTooComplex

# A page on which a stream begins. The same bytes may stand in sound: there no page follows where the first would end.
_FIRST_PAGE = re.compile(rb"OggS\x00[\x02\x03\x06\x07]")
_MAGIC = b"OggS\x00"
_HEADER = 27
_LONGEST_HEAD = _HEADER + 255
_READ_BYTES = 1 << 20
# The recording of a station has a link for each song.
_MOST_STREAMS = 256
_MOST_PAGES_OF_COMMENTS = 2048
_LONGEST_COMMENTS = 24 * 1024 * 1024
_COMMENT_MAGICS = (b"\x03vorbis", b"OpusTags")
_FLAC_HEADER = 4
_VORBIS_MAGIC = b"\x01vorbis"
_VORBIS_HEADERS = 3
_LAST_PAGE = 4


@dataclass(frozen=True)
class _Page:
    """``begin`` and ``end`` of its content, which is in packets as ``lacing`` says.

    ``granule``: by how many samples the stream has gone on where the last packet ends that ends here.
    """

    flags: int
    granule: int
    serial: bytes
    lacing: bytes
    begin: int

    @property
    def end(self) -> int:
        return self.begin + sum(self.lacing)


@dataclass(frozen=True)
class Ogg:
    """``links``: from where to where each of the songs lies that follow each other. ``cut``: one ends within a page.

    ``samples``: how many each of them has at most; ``None`` where FFmpeg heeds what the last page says of it.
    """

    links: tuple[tuple[int, int], ...]
    samples: tuple[int | None, ...]
    texts: Texts
    cut: bool


def read_ogg(file: BinaryIO, begin: int, end: int) -> Ogg:
    """What is in the file between the two positions. Raises ``AudioTooComplex``."""
    texts = Texts()
    begins = [begin]
    # Streams that lie side by side begin together, before anything else. One that begins later follows them.
    together = begin
    for number, (place, page) in enumerate(_first_pages(file, begin, end)):
        if number >= _MOST_STREAMS:
            raise AudioTooComplex(f"The file has more than {_MOST_STREAMS} streams.")
        if place != together:
            begins.append(place)
        together = page.end
        comments = _comments(file, page, end)
        refuse_many(comments)
        if len(begins) == 1 and not texts.joined():
            texts = read_comments(comments)
    most = [*begins[1:], end]
    ends = [_end_of_pages(file, *bounds) for bounds in zip(begins, most, strict=True)]
    links = tuple(zip(begins, map(min, ends, most), strict=True))
    samples = tuple(_on_one_page(file, *link) for link in links)
    return Ogg(links, samples, texts, cut=any(map(gt, ends, most)))


def _first_pages(file: BinaryIO, begin: int, end: int) -> Iterator[tuple[int, _Page]]:
    position, before = begin, b""
    while position < end:
        file.seek(position)
        data = before + file.read(min(_READ_BYTES, end - position))
        start = position - len(before)
        for match in _FIRST_PAGE.finditer(data):
            place = start + match.start()
            # What looks like a first page may stand there a hundred thousand times: it is not read again each time.
            head = data[match.start() : match.start() + _LONGEST_HEAD]
            page = _page(head, place) if len(head) == _LONGEST_HEAD else _page_at(file, place)
            if page is None:
                continue
            behind = page.end - start
            if behind + _HEADER <= len(data):
                followed = data.startswith(_MAGIC, behind)
            else:
                followed = page.end >= end or _page_at(file, page.end) is not None
            if followed:
                yield place, page
        position += _READ_BYTES
        before = data[-5:]


def _end_of_pages(file: BinaryIO, begin: int, end: int) -> int:
    """Where the last page between the two ends, or would: in what may follow it FFmpeg looks for another, and not for
    long."""
    position, behind = end, b""
    while position > begin:
        size = min(_READ_BYTES, position - begin)
        position -= size
        file.seek(position)
        data = file.read(size) + behind
        found = data.rfind(_MAGIC)
        if found >= 0:
            page = _page_at(file, position + found)
            return max(end, position + found + _HEADER) if page is None else page.end
        behind = data[: len(_MAGIC) - 1]
    return end


def _on_one_page(file: BinaryIO, begin: int, end: int) -> int | None:
    """How many samples a song of Vorbis has that lies on a single page: of such FFmpeg takes the end for the beginning.

    ``None`` for all others.
    """
    first = page = _page_at(file, begin)
    if first is None or _content(file, first, len(_VORBIS_MAGIC)) != _VORBIS_MAGIC:
        return None
    headers = 0
    for _ in range(_MOST_PAGES_OF_COMMENTS):
        if page is None:
            break
        if page.serial == first.serial:
            if headers >= _VORBIS_HEADERS:
                return page.granule if page.flags & _LAST_PAGE and page.granule > 0 else None
            headers += sum(lace < 255 for lace in page.lacing)
        page = _page_at(file, page.end) if page.end < end else None
    return None


def _content(file: BinaryIO, page: _Page, most: int) -> bytes:
    file.seek(page.begin)
    return file.read(most)


def _page_at(file: BinaryIO, place: int) -> _Page | None:
    file.seek(place)
    return _page(file.read(_LONGEST_HEAD), place)


def _page(head: bytes, place: int) -> _Page | None:
    if len(head) < _HEADER or not head.startswith(_MAGIC):
        return None
    (granule,) = struct.unpack_from("<q", head, 6)
    return _Page(head[5], granule, head[14:18], head[_HEADER : _HEADER + head[26]], place + _HEADER + head[26])


def _comments(file: BinaryIO, first: _Page, end: int) -> bytes:
    """The second packet of a stream, without what precedes the comments in it; empty where it has none."""
    parts: list[bytes] = []
    size = 0
    page: _Page | None = first
    for _ in range(_MOST_PAGES_OF_COMMENTS):
        place = page.end if page is not None else end
        page = _page_at(file, place) if place < end else None
        if page is None:
            break
        if page.serial != first.serial:
            continue
        length = 0
        for lace in page.lacing:
            length += lace
            if lace < 255:
                break
        file.seek(page.begin)
        parts.append(file.read(length))
        size += length
        if size > _LONGEST_COMMENTS:
            raise AudioTooComplex("The tags of the file are larger than any song's.")
        if not page.lacing or length < page.end - page.begin or page.lacing[-1] < 255:
            break
    packet = b"".join(parts)
    for magic in _COMMENT_MAGICS:
        if packet.startswith(magic):
            return packet[len(magic) :]
    return packet[_FLAC_HEADER:] if packet[:1] in (b"\x04", b"\x84") else b""
