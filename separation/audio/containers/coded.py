"""Coded sound where samples of 16 bits should be: a digital output that was recorded, or the copy of a DTS CD.

The file says PCM, and played as such it is noise at full level. In WAV FFmpeg looks for it, in the first samples only:
such files often begin with silence, and of what a digital output carries it finds AC-3 alone.
"""

import re
from itertools import pairwise
from typing import BinaryIO

# IEC 61937: the two words before each burst. DTS (ETSI TS 102 114): words of 14 and of 16 bits, in either order.
_SYNCS = {
    "spdif": (b"\x72\xf8\x1f\x4e",),
    "dts": (b"\xff\x1f\x00\xe8", b"\x1f\xff\xe8\x00", b"\xfe\x7f\x01\x80", b"\x7f\xfe\x80\x01"),
}
# A frame takes the room of the samples that it codes: a multiple of 32 of two channels of 16 bits.
_GRID_BYTES = 32 * 2 * 2
_AC3_SYNC = b"\x0b\x77"
_AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_RATES = (48_000, 44_100, 32_000)
_AC3_SAMPLES = 1536
_LAST_AC3, _LAST_EAC3 = 10, 16
# So many frames in a row are no accident.
_FRAMES_IN_A_ROW = 4
SEARCHED_BYTES = 128 * 1024
_LONGEST_SILENCE_BYTES = 8 * 1024 * 1024
_READ_BYTES = 64 * 1024


def find_coded(file: BinaryIO, begin: int, end: int) -> tuple[str, int] | None:
    """By which demuxer of FFmpeg's the bytes between the positions are read, and from where on; ``None``: they are
    samples."""
    start = _behind_silence(file, begin, min(end, begin + _LONGEST_SILENCE_BYTES))
    file.seek(start)
    found = coded_as(file.read(min(SEARCHED_BYTES, end - start)))
    return found and (found[0], start + found[1])


def coded_as(data: bytes) -> tuple[str, int] | None:
    """By which demuxer of FFmpeg's the little-endian samples are read, and from which of their bytes on."""
    for demuxer, syncs in _SYNCS.items():
        if any(_on_a_grid(data, sync) for sync in syncs):
            return demuxer, 0
    for match in re.finditer(_AC3_SYNC, data):
        if demuxer := _ac3_frames(data, match.start()):
            return demuxer, match.start()
    return None


def _behind_silence(file: BinaryIO, begin: int, end: int) -> int:
    """The position of the first sample of two bytes that is not zero; ``end`` if there is none before."""
    file.seek(begin)
    for position in range(begin, end, _READ_BYTES):
        data = file.read(min(_READ_BYTES, end - position))
        if sound := data.lstrip(b"\0"):
            zeros = len(data) - len(sound)
            return position + zeros - zeros % 2
    return end


def _on_a_grid(data: bytes, sync: bytes) -> bool:
    """Whether it stands there again and again, at one distance that whole frames have."""
    places = [match.start() for match in re.finditer(re.escape(sync), data)]
    distances = [after - before for before, after in pairwise(places)]
    return any(one == other and one % _GRID_BYTES == 0 for one, other in pairwise(distances))


def _ac3_frames(data: bytes, position: int) -> str:
    """``ac3`` or ``eac3`` where frames of the one or the other follow each other from there; else nothing."""
    kind = ""
    for _ in range(_FRAMES_IN_A_ROW):
        kind, length = _ac3_frame(data[position : position + 6])
        if not length:
            return ""
        position += length
    return kind


def _ac3_frame(head: bytes) -> tuple[str, int]:
    """What begins with these six bytes, and its length; 0 if it is no frame (ETSI TS 102 366, 4.4.1 and E.1.2)."""
    if len(head) < 6 or head[:2] != _AC3_SYNC:
        return "", 0
    generation = head[5] >> 3
    if generation > _LAST_AC3:
        return "eac3", ((head[2] & 7) << 8 | head[3]) * 2 + 2 if generation <= _LAST_EAC3 else 0
    rate, size = head[4] >> 6, head[4] & 63
    if rate >= len(_AC3_RATES) or size // 2 >= len(_AC3_KBITS):
        return "", 0
    words = _AC3_KBITS[size // 2] * 1000 * _AC3_SAMPLES // (_AC3_RATES[rate] * 16)
    return "ac3", 2 * (words + (size % 2 if _AC3_RATES[rate] == 44_100 else 0))
