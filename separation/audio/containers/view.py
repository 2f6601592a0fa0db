"""What FFmpeg is shown of a file: pieces of it one after the other, some of them ours."""

import io
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import BinaryIO, Protocol

Piece = bytes | tuple[int, int]
"""Bytes that stand for themselves, or the file's own from one position up to another."""


class Source(Protocol):
    """What bytes are read from, one after the other; none at its end."""

    def read(self, size: int, /) -> bytes: ...


class View(io.RawIOBase):
    """The pieces as one file that can be read and sought in; no copy of them is held."""

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece]) -> None:
        self._file = file
        self._pieces = [piece for piece in pieces if _length(piece) > 0]
        self._begins = [0, *accumulate(map(_length, self._pieces))]
        self._position = 0

    @property
    def size(self) -> int:
        """Bytes of all pieces."""
        return self._begins[-1]

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes of one piece, and none only at the end."""
        number = bisect_right(self._begins, self._position) - 1
        if number >= len(self._pieces):
            return b""
        within, piece = self._position - self._begins[number], self._pieces[number]
        size = _length(piece) - within if size < 0 else min(size, _length(piece) - within)
        if isinstance(piece, bytes):
            data = piece[within : within + size]
        else:
            self._file.seek(piece[0] + within)
            data = self._file.read(size)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def patched(size: int, patches: Sequence[tuple[int, bytes]], begin: int = 0) -> tuple[Piece, ...]:
    """The file from ``begin`` to ``size`` with other bytes at some positions, which come in order."""
    pieces: list[Piece] = []
    for position, data in patches:
        pieces += [(begin, position), data]
        begin = position + len(data)
    return (*pieces, (begin, size))


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
