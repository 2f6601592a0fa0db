"""Coded sound where samples of 16 bits should be: a digital output that was recorded, or the copy of a DTS CD.

The file says PCM, and played as such it is noise at full level. In WAV FFmpeg looks for it, in the first samples only:
such files often begin with silence, and of what a digital output carries it finds AC-3 alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from separation.audio.containers.checksums import crc_16
from separation.audio.containers.silence import before_silence, behind_silence

# IEC 61937: the two words before each burst, and which kinds of data follow them; of pauses there is nothing to decode.
_BURST = b"\x72\xf8\x1f\x4e"
_KINDS_OF_DATA = frozenset({1, *range(4, 14), 17, 18, 21, 22})
# DTS (ETSI TS 102 114): words of 14 and of 16 bits, in either order.
_DTS: tuple[tuple[bytes, Literal["big", "little"], int], ...] = (
    (b"\xff\x1f\x00\xe8", "little", 14),
    (b"\x1f\xff\xe8\x00", "big", 14),
    (b"\xfe\x7f\x01\x80", "little", 16),
    (b"\x7f\xfe\x80\x01", "big", 16),
)
# A burst, as a frame of DTS, takes the room of the samples that it codes: blocks of 32 of two channels of 16 bits.
_BLOCK_BYTES = 32 * 2 * 2
_AC3_SYNC = b"\x0b\x77"
_AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_RATES = (48_000, 44_100, 32_000)
_AC3_SAMPLES = 1536
_LAST_AC3, _EAC3 = 8, 16
# So many frames in a row are no accident.
_FRAMES_IN_A_ROW = 4
# Whose checksums are worked out; of a stream the first is right.
_MOST_TRIED = 32
_LAST_ZEROS = 4
SEARCHED_BYTES = 128 * 1024
LONGEST_SILENCE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Coded:
    """By which demuxer of FFmpeg's bytes are read, and from where to where."""

    demuxer: str
    begin: int
    end: int


def find_coded(file: BinaryIO, begin: int, end: int) -> Coded | None:
    """What is coded between the positions; ``None``: they are samples."""
    start = behind_silence(file, begin, min(end, begin + LONGEST_SILENCE_BYTES))
    file.seek(start)
    found = coded_as(file.read(min(SEARCHED_BYTES, end - start)))
    if found is None:
        return None
    demuxer, place = found
    # FFmpeg takes zeros behind the last frame for a part of it, which is then none; bursts say how long they are.
    last = end
    if demuxer != "spdif":  # the last bytes of a frame may be zeros
        last = min(end, before_silence(file, start + place, end, LONGEST_SILENCE_BYTES) + _LAST_ZEROS)
    return Coded(demuxer, start + place, last)


def coded_as(data: bytes) -> tuple[str, int] | None:
    """By which demuxer of FFmpeg's the little-endian samples are read, and from which of their bytes on."""
    for place, _ in _again_and_again(data, _BURST):
        if data[place + 4] & 31 in _KINDS_OF_DATA:
            return "spdif", place
    for sync, order, bits in _DTS:
        for place, distance in _again_and_again(data, sync):
            if distance == _dts_frame(data[place : place + 16], order, bits):
                return "dts", place
    tried = 0
    for match in re.finditer(_AC3_SYNC, data):
        demuxer, length = _ac3_frames(data, match.start())
        if demuxer:
            # A tone whose period divides a frame repeats one accident as often as it is looked for.
            if not crc_16(data[match.start() + len(_AC3_SYNC) : match.start() + length]):
                return demuxer, match.start()
            tried += 1
            if tried == _MOST_TRIED:
                break
    return None


def _again_and_again(data: bytes, sync: bytes) -> Iterator[tuple[int, int]]:
    """Where it stands three times among the samples at one distance, of whole blocks, and that distance."""
    places = [match.start() for match in re.finditer(re.escape(sync), data) if match.start() % 2 == 0]
    for first, second, third in zip(places, places[1:], places[2:], strict=False):
        distance = second - first
        if distance == third - second and distance % _BLOCK_BYTES == 0:
            yield first, distance


def _dts_frame(head: bytes, order: Literal["big", "little"], bits: int) -> int:
    """How many bytes of samples the frame stands for that begins with these sixteen; 0 if it is none (5.3.1)."""
    stream = 0
    for place in range(0, 16, 2):
        stream = stream << bits | int.from_bytes(head[place : place + 2], order) & ((1 << bits) - 1)
    fields = stream >> (8 * bits - 60)  # the sync, and 28 bits behind it
    normal, blocks, length = fields >> 22 & 63, (fields >> 14 & 127) + 1, (fields & 0x3FFF) + 1
    room = blocks * _BLOCK_BYTES
    return room if normal == 63 and length * 16 <= room * bits else 0


def _ac3_frames(data: bytes, position: int) -> tuple[str, int]:
    """``ac3`` or ``eac3`` where frames of the one or the other follow each other from there, and the length of the
    first; else nothing."""
    kind, first = _ac3_frame(data[position : position + 6])
    length = first
    for _ in range(_FRAMES_IN_A_ROW - 1):
        position += length
        kind, length = _ac3_frame(data[position : position + 6])
        if not length:
            return "", 0
    return kind, first


def _ac3_frame(head: bytes) -> tuple[str, int]:
    """What begins with these six bytes, and its length; 0 if it is no frame (ETSI TS 102 366, 4.4.1 and E.1.2)."""
    if len(head) < 6 or head[:2] != _AC3_SYNC:
        return "", 0
    generation = head[5] >> 3
    if generation > _LAST_AC3:
        return "eac3", ((head[2] & 7) << 8 | head[3]) * 2 + 2 if generation == _EAC3 else 0
    rate, size = head[4] >> 6, head[4] & 63
    if rate >= len(_AC3_RATES) or size // 2 >= len(_AC3_KBITS):
        return "", 0
    words = _AC3_KBITS[size // 2] * 1000 * _AC3_SAMPLES // (_AC3_RATES[rate] * 16)
    return "ac3", 2 * (words + (size % 2 if _AC3_RATES[rate] == 44_100 else 0))
