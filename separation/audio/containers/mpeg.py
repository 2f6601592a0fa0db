"""MPEG audio (ISO 11172-3, 13818-3) and AAC in ADTS (13818-7), which have no header but those of their frames."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from separation.audio.containers.silence import before_silence
from separation.audio.containers.view import Source

_KBITS = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)
_SYNC = re.compile(rb"\xff(?=[\xe0-\xff])")
# So many frames in a row are no accident; fewer will do where the file ends with the last.
_FRAMES_IN_A_ROW = 6
_FEWEST_FRAMES = 2
_MOST_LOST = 40
_LONGEST_JUNK = 64 * 1024
# Of what is no frame, before nothing more is expected: a cover between two songs that were joined is shorter.
_MOST_PASSED_OVER = 4 * 1024 * 1024
# By more than this part of the noted length a file may not be longer, or FFmpeg heeds nothing of the note.
_BELIEVED_SHARE = 16
# So much is searched for another song behind one that noted its length; more is likely to hold one.
_MOST_BEHIND = 512 * 1024
_LONGEST_MPEG_FRAME = 1500
_LONGEST_FRAME = 8192 + 16
_READ_BYTES = 64 * 1024
# Of the first frame of layer III, between its header and the note, by generation and whether it is mono.
_SIDE_BYTES = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
_NOTES = (b"Xing", b"Info")
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICS")


@dataclass(frozen=True)
class Frame:
    """``demuxer``: FFmpeg's name of who reads it; ``length`` in bytes, 0 where the header does not tell.

    ``kind`` is what does not change from frame to frame.
    """

    demuxer: str
    length: int
    kind: bytes


def frame_at(data: bytes, position: int = 0) -> Frame | None:
    """The frame whose header stands there."""
    head = data[position : position + 7]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer = 4 - ((head[1] >> 1) & 3)
    if layer == 4:
        if head[1] & 0xF0 != 0xF0 or (head[2] >> 2) & 15 > 12:
            return None
        length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5 if len(head) >= 6 else 0
        return Frame("aac", length if length > 7 else 0, bytes((head[1], head[2] & 0xFD, head[3] & 0xC0)))
    version, bitrate, rate = (head[1] >> 3) & 3, head[2] >> 4, (head[2] >> 2) & 3
    if version == 1 or bitrate == 15 or rate == 3:
        return None
    generation = 1 if version == 3 else 2
    hertz = _RATES[rate] // {3: 1, 2: 2, 0: 4}[version]
    words = _KBITS[generation, layer][bitrate] * 1000 * (12 if layer == 1 else 144 // (generation if layer == 3 else 1))
    length = words // hertz + (head[2] >> 1 & 1) if words else 0
    return Frame("mp3", length * (4 if layer == 1 else 1), bytes((head[1] & 0xFE, head[2] & 0x0C)))


def noted_samples(file: BinaryIO, begin: int) -> int:
    """How long a stream was when its encoder noted it in the first frame (Xing's header, LAME's); 0 without a note."""
    return _note(file, begin)[0]


def _note(file: BinaryIO, begin: int) -> tuple[int, int]:
    """The samples and the bytes that are noted of a stream, both 0 where they are not."""
    file.seek(begin)
    head = file.read(_LONGEST_MPEG_FRAME)
    if frame_at(head) is None or head[1] & 0x06 != 0x02:  # layer III
        return 0, 0
    first_generation, mono = head[1] & 0x18 == 0x18, head[3] >> 6 == 3
    note = head[4 + _SIDE_BYTES[first_generation, mono] :]
    if note[:4] not in _NOTES or len(note) < 16 or not note[7] & 1:
        return 0, 0
    size = int.from_bytes(note[12:16], "big") if note[7] & 2 else 0
    return int.from_bytes(note[8:12], "big") * (1152 if first_generation else 576), size


def kind_of(data: bytes) -> bytes:
    """The kind of the frame that begins the bytes; empty if none does."""
    frame = frame_at(data)
    return b"" if frame is None else frame.kind


def first_frame(data: bytes, whole: bool) -> tuple[int, Frame] | None:
    """Where the first of several frames in a row begins; ``whole``: the file ends where ``data`` does."""
    for match in _SYNC.finditer(data):
        frame = frame_at(data, match.start())
        if frame is not None and _goes_on(data, match.start(), frame, whole):
            return match.start(), frame
    return None


def usual_length(before: float, length: int) -> float:
    """What a frame of the stream takes in bytes, one more seen: where all differ a mean tells how many were lost."""
    return before + (length - before) / 8 if before else length


def taken_apart(source: Source, usual: float = 0) -> Iterator[bytes | float]:
    """The frames of a stream, and for how many there is room between them where something else is.

    ``usual``: what a frame takes in bytes before one has been found. Tags that were joined with the sound were no
    frames.
    """
    data, junk, kind = b"", b"", b""
    position, passed, whole = 0, 0, False
    while True:
        if not whole and len(data) - position < _LONGEST_FRAME:
            more = source.read(_READ_BYTES)
            whole = not more
            data, position = data[position:] + more, 0
            continue
        if position >= len(data):
            break
        frame = frame_at(data, position)
        end = position + frame.length if frame else 0
        if (
            frame
            and position < end <= len(data)
            and ((not junk and frame.kind == kind) or end == len(data) or frame_at(data, end))
        ):
            if junk:
                yield _room(junk, usual or frame.length)
            yield data[position:end]
            position, junk, kind, passed = end, b"", frame.kind, 0
            usual = usual_length(usual, frame.length)
        else:
            match = _SYNC.search(data, position + 1)
            end = match.start() if match else len(data)
            passed += end - position
            if passed > _MOST_PASSED_OVER:
                return
            junk = junk + data[position:end] if len(junk) < _LONGEST_JUNK else junk
            position = end
    if usual and junk:
        yield _room(junk, usual)


def end_of_sound(file: BinaryIO, begin: int, end: int) -> int:
    """Where a stream ends without most of what is behind it: by its length FFmpeg judges what an encoder noted.

    Zeros are no sound, nor is what follows the noted length and has no frames. So much of either as fits in a frame
    may be a part of the last.
    """
    end = min(end, before_silence(file, begin, end, _MOST_PASSED_OVER) + _LONGEST_MPEG_FRAME)
    size = _note(file, begin)[1]
    behind = end - begin - size
    if size and _LONGEST_MPEG_FRAME < behind <= _MOST_BEHIND:
        file.seek(begin + size)
        if first_frame(file.read(behind), whole=True) is None:
            return begin + size + min(_LONGEST_MPEG_FRAME, size // _BELIEVED_SHARE)
    return end


def _room(junk: bytes, length: float) -> float:
    frames = len(junk) / length
    return 0.0 if round(frames) > _MOST_LOST or junk.startswith(_TAGS) else frames


def _goes_on(data: bytes, position: int, first: Frame, whole: bool) -> bool:
    for number in range(_FRAMES_IN_A_ROW):
        frame = frame_at(data, position)
        if frame is None or frame.kind != first.kind or not frame.length:
            return number >= _FEWEST_FRAMES and whole and position == len(data)
        position += frame.length
    return True
