"""Boxes of MP4 and QuickTime files (ISO 14496-12, 4.2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from separation.errors import AudioTooComplex

# A film of five hours in fragments of a fifth of a second has fewer; a header has some hundreds.
_MOST_BOXES = 200_000


@dataclass(frozen=True)
class Box:
    """``place``: of its first byte; ``begin`` and ``end`` of its content. ``cut``: it says that it goes on."""

    kind: bytes
    place: int
    begin: int
    end: int
    cut: bool = False


class Boxes:
    """The boxes of one file, of which no more are read than any song has."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MOST_BOXES

    def within(self, begin: int, end: int) -> Iterator[Box]:
        """Those from ``begin`` on, as far as they are whole; the last may reach beyond ``end`` and is cut there."""
        while begin + 8 <= end:
            self._left -= 1
            if not self._left:
                raise AudioTooComplex(f"The file has more than {_MOST_BOXES} parts.")
            self._file.seek(begin)
            head = self._file.read(16)
            size, content = int.from_bytes(head[:4], "big"), begin + 8
            if size == 1:
                size, content = int.from_bytes(head[8:16], "big"), begin + 16
            elif size == 0:
                size = end - begin
            if len(head) < 8 or begin + size < content:
                return
            yield Box(head[4:8], begin, content, min(end, begin + size), begin + size > end)
            begin += size

    def content(self, box: Box, most: int = 64) -> bytes:
        """The first bytes of what is in it."""
        self._file.seek(box.begin)
        return self._file.read(min(most, box.end - box.begin))
