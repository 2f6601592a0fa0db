"""Where in a FLAC stream a sample lies, without reading what precedes it.

Frames say which they are, and their numbers grow with the bytes: the place is closed in from both sides. It has to be
the one that reading from the beginning gives; so there is none where the stream is not seen to be what its description
says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from separation.audio.containers.flac import StreamInfo
from separation.audio.containers.flac_frames import Header, header_at, headers_of
from separation.audio.containers.view import View

_WINDOW_BYTES = 64 * 1024
_LONGEST_WINDOW_BYTES = 4 * 1024 * 1024
_NEAR_SAMPLES = 1 << 18
# Where one song follows another in a file and is as long, numbers begin anew between two of these.
_FIRST_LOOKS = (0.2, 0.4, 0.6, 0.8)
_MOST_LOOKS = 8


@dataclass(frozen=True)
class FlacPlace:
    """A frame that begins at ``byte`` of the stream with ``sample`` of the song."""

    byte: int
    sample: int


def place_before(source: View, info: StreamInfo, sample: int) -> FlacPlace | None:
    """A frame not far before ``sample``, which lies where decoding from the beginning would have it.

    ``None`` where frames differ in length or the stream does not say how long it is, does not begin with its first
    frame or end with its last, or where numbers do not grow.
    """
    if not info.block or sample >= info.samples:
        return None
    search = _Search(source, info)
    places = search.survey()
    if places is None:
        return None
    low = max((place for place in places if place.sample <= sample), key=lambda place: place.sample)
    high = min((place for place in places if place.sample > sample), key=lambda place: place.sample, default=None)
    for _ in range(_MOST_LOOKS):
        if high is None or sample - low.sample <= _NEAR_SAMPLES or high.byte - low.byte <= _WINDOW_BYTES:
            break
        share = (sample - low.sample) / (high.sample - low.sample)
        guess = low.byte + int((high.byte - low.byte) * share) - _WINDOW_BYTES
        found = search.first_pair(max(guess, low.byte + 1), high.byte)
        if found is None or not low.sample < found.sample < high.sample:
            return None
        low, high = (found, high) if found.sample <= sample else (low, found)
    return low


class _Search:
    def __init__(self, source: View, info: StreamInfo) -> None:
        self._source, self._info = source, info
        self._end = source.size

    def survey(self) -> list[FlacPlace] | None:
        """The first frame, some between and the last one, in order."""
        begin, size = self._info.head, self._end - self._info.head
        first, last = header_at(self._read(begin, _WINDOW_BYTES), 0), self._last()
        if first is None or first.number or first.variable or last is None:
            return None
        looks = [begin + int(size * share) for share in _FIRST_LOOKS]
        between = [self.first_pair(look, self._end) for look in looks if look < last.byte - _WINDOW_BYTES]
        places = [FlacPlace(begin, 0), *(place for place in between if place is not None), last]
        numbers = [place.sample for place in places]
        grows = all(before < after for before, after in pairwise(numbers))
        return places if grows and None not in between else None

    def first_pair(self, begin: int, end: int) -> FlacPlace | None:
        """The first frame from ``begin`` on that another follows: one header alone may be a pattern in the sound."""
        for size in _windows(end - begin):
            headers = self._numbered(self._read(begin, size))
            numbers = {header.number for header in headers}
            for header in headers:
                if header.number + 1 in numbers and header.block == self._info.block:
                    return FlacPlace(begin + header.place, header.number * self._info.block)
        return None

    def _last(self) -> FlacPlace | None:
        """The last frame behind one that announces it, where it ends as the description says."""
        for size in _windows(self._end - self._info.head):
            headers = self._numbered(self._read(self._end - size, size))
            numbers = {header.number for header in headers if header.block == self._info.block}
            for header in reversed(headers):
                if header.number - 1 in numbers:
                    begin = header.number * self._info.block
                    ends = begin + header.block == self._info.samples
                    return FlacPlace(self._end - size + header.place, begin) if ends else None
        return None

    @staticmethod
    def _numbered(data: bytes) -> list[Header]:
        return [header for header in headers_of(data) if not header.variable]

    def _read(self, begin: int, size: int) -> bytes:
        """So many bytes, fewer only at the end; a read of the source ends where one of its pieces does."""
        self._source.seek(begin)
        parts = []
        while size > 0 and (part := self._source.read(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def _windows(most: int) -> Iterator[int]:
    """How many bytes to look at, more each time."""
    most = min(most, _LONGEST_WINDOW_BYTES)
    size = _WINDOW_BYTES
    while size < most:
        yield size
        size *= 4
    yield most
