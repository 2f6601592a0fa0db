"""The frames of a FLAC stream (RFC 9639, 9), each with its place in the song.

FFmpeg's own reader takes no note of the numbers that frames have: where one is damaged it closes the gap.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from separation.audio.containers.checksums import CRC_16, crc_8
from separation.audio.containers.view import Source

_SYNC = re.compile(rb"\xff[\xf8\xf9]")
_LONGEST_HEADER = 16
_READ_BYTES = 256 * 1024
# Eight channels of 32 bits in the longest block, and what its header takes.
_LONGEST_FRAME = 8 * 4 * 65536 + 64
_MOST_UNSURE = 64
# Of what is no frame, before nothing more is expected.
_MOST_PASSED_OVER = 8 * 1024 * 1024
_BLOCKS = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}
_SHORTEST_FRAME = 9
# Where the first frames are damaged; what was cut out of a longer stream begins where it begins.
_MOST_LOST_AT_FIRST = 1 << 19


@dataclass(frozen=True)
class Header:
    """Of a frame. ``number`` counts frames, or samples where blocks differ in length."""

    place: int
    number: int
    block: int
    variable: bool

    @property
    def next_number(self) -> int:
        return self.number + (self.block if self.variable else 1)


@dataclass(frozen=True)
class FlacFrame:
    """``begin`` is the place of its first sample. Behind it in ``data`` there may be what was damaged."""

    data: bytes
    begin: int
    samples: int


def flac_frames(source: Source, block: int, total: int, begin: int | None = None) -> Iterator[FlacFrame]:
    """The frames from where ``source`` stands. ``block``: samples in a frame, 0 where they differ; ``total``: in all;
    ``begin``: the place of the first of them where that is known.

    A header counts where the one before it announces it, or where two follow each other: the pattern that begins one
    is found in sound, too.
    """
    headers = _Headers(source)
    current: Header | None = None
    known, begin = begin, begin or 0
    unsure: list[Header] = []
    for header in headers:
        before = None
        if current is None and known is None:
            lost = header.number * (1 if header.variable else block or header.block)
            begin = lost if lost <= _MOST_LOST_AT_FIRST else 0
        elif current is not None and header.number != current.next_number:
            before = next((other for other in unsure if other.next_number == header.number), None)
            if before is None:
                unsure = [*unsure[1 - _MOST_UNSURE :], header]
                continue
        for accepted in (before, header):
            if accepted is None:
                continue
            if current is not None:
                yield FlacFrame(headers.taken(accepted.place), begin, current.block)
                begin += current.block + _missing(current, accepted, block)
            current = accepted
            headers.keep(current.place)
        unsure = []
    if current is None:
        return
    last = next((other for other in unsure if total and _end(current, other, begin, block) == total), None)
    if last is not None:
        yield FlacFrame(headers.taken(last.place), begin, current.block)
        begin += current.block + _missing(current, last, block)
        current = last
        headers.keep(last.place)
    yield FlacFrame(headers.taken(headers.end), begin, current.block)


def _missing(header: Header, follows: Header, block: int) -> int:
    """How many samples there were between the two; none where the numbers begin anew."""
    return max(0, follows.number - header.next_number) * (1 if header.variable else block or header.block)


def _end(header: Header, follows: Header, begin: int, block: int) -> int:
    return begin + header.block + _missing(header, follows, block) + follows.block


class _Headers:
    """All that looks like a header, in order. Holds the bytes from the last one that was kept on."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._data = b""
        self._begin = 0
        # The kept one, as far as a frame may reach, once what is held begins behind it.
        self._place = 0
        self._kept = b""

    @property
    def end(self) -> int:
        return self._begin + len(self._data)

    def __iter__(self) -> Iterator[Header]:
        place = 0
        whole = False
        while not whole:
            more = self._source.read(_READ_BYTES)
            whole = not more or self.end - self._place > _MOST_PASSED_OVER
            if len(self._data) > _LONGEST_FRAME:  # no frame goes on for so long
                self._kept = self._kept or self._data[self._place - self._begin :][:_LONGEST_FRAME]
                self._begin, self._data = self.end - _READ_BYTES, self._data[-_READ_BYTES:]
            self._data += more
            end = self.end if whole else self.end - _LONGEST_HEADER
            while place < end:
                match = _SYNC.search(self._data, place - self._begin, end - self._begin)
                if match is None:
                    place = max(place, end - 1)
                    break
                header = header_at(self._data, match.start(), self._begin)
                place = self._begin + match.start() + 1
                if header is not None:
                    place += _SHORTEST_FRAME - 1
                    yield header

    def keep(self, place: int) -> None:
        """Forgets all before the header that is there."""
        self._data = self._data[max(0, place - self._begin) :]
        self._begin = max(self._begin, place)
        self._place, self._kept = place, b""

    def taken(self, end: int) -> bytes:
        """What lies between the kept header and the place, no more than the longest frame."""
        return self._kept or self._data[: min(end - self._begin, _LONGEST_FRAME)]


def headers_of(data: bytes) -> Iterator[Header]:
    """All that looks like a header in the bytes, the patterns in the sound that do so among them."""
    for match in _SYNC.finditer(data):
        header = header_at(data, match.start())
        if header is not None:
            yield header


def header_at(data: bytes, place: int, offset: int = 0) -> Header | None:
    """RFC 9639, 9.1. ``offset``: where the bytes lie in the stream."""
    head = data[place : place + _LONGEST_HEADER]
    if len(head) < 6:
        return None
    block_code, rate_code = head[2] >> 4, head[2] & 15
    if not block_code or rate_code == 15 or head[3] >> 4 > 10 or head[3] & 1 or (head[3] >> 1) & 7 == 3:
        return None
    first = head[4]
    more = 0 if first < 0x80 else 7 - (first ^ 0xFF).bit_length()
    if first >= 0x80 and not 1 <= more <= 6:
        return None
    number = first if first < 0x80 else first & (0x3F >> more)
    for byte in head[5 : 5 + more]:
        if byte & 0xC0 != 0x80:
            return None
        number = number << 6 | byte & 0x3F
    end = 5 + more
    if block_code in (6, 7):
        width = block_code - 5
        block = int.from_bytes(head[end : end + width], "big") + 1
        end += width
    else:
        block = _BLOCKS[block_code]
    end += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if end >= len(head) or crc_8(head[:end]) != head[end]:
        return None
    return Header(offset + place, number, block, bool(head[1] & 1))


def first_sample(head: bytes, block: int) -> int | None:
    """Where the frame begins that begins with these bytes; ``block``: samples in the frames before it, 0 if none."""
    header = header_at(head, 0, 0)
    return None if header is None else header.number * (1 if header.variable else block or header.block)


def ends(data: bytes) -> Iterator[int]:
    """Where the frame that begins the bytes may end: there its checksum comes out right."""
    value = 0
    for place, byte in enumerate(data, 1):
        value = (value << 8 & 0xFFFF) ^ CRC_16[value >> 8 ^ byte]
        if not value and place > _SHORTEST_FRAME:
            yield place
