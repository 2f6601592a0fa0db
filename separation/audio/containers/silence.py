"""Where sound begins behind bytes that are zero, and where it ends before such."""

from typing import BinaryIO

_READ_BYTES = 64 * 1024


def behind_silence(file: BinaryIO, begin: int, end: int) -> int:
    """The position of the first sample of two bytes that is not zero; ``end`` if there is none before."""
    file.seek(begin)
    for position in range(begin, end, _READ_BYTES):
        data = file.read(min(_READ_BYTES, end - position))
        if sound := data.lstrip(b"\0"):
            zeros = len(data) - len(sound)
            return position + zeros - zeros % 2
    return end


def before_silence(file: BinaryIO, begin: int, end: int, most: int) -> int:
    """The position behind the last byte that is not zero; ``end`` if the last ``most`` bytes hold none."""
    for position in range(end, max(begin, end - most), -_READ_BYTES):
        first = max(begin, position - _READ_BYTES)
        file.seek(first)
        if sound := file.read(position - first).rstrip(b"\0"):
            return first + len(sound)
    return end
