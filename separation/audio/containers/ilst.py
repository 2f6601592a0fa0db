"""What MP4 and QuickTime files say about their song, in iTunes' list or in QuickTime's own texts."""

import re
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from separation.audio.containers.boxes import Box, Boxes
from separation.audio.containers.id3 import GENRES
from separation.audio.containers.pictures import Picture, front
from separation.audio.containers.texts import Texts, either_encoding

_KEYS = {
    b"\xa9nam": "title",
    b"\xa9ART": "artist",
    b"\xa9alb": "album",
    b"aART": "album_artist",
    b"\xa9wrt": "composer",
    b"\xa9day": "date",
    b"\xa9gen": "genre",
}
_NUMBERS = {b"trkn": "track", b"disk": "disc"}
_GAPLESS = re.compile(r"\s*[0-9A-F]{8} ([0-9A-F]{8}) ([0-9A-F]{8}) ([0-9A-F]{16})", re.IGNORECASE)
_LONGEST_TEXT = 4096
_MOST_ITEMS = 2048
_MOST_PICTURES = 8
_UTF_16 = 2


@dataclass
class Song:
    """``gapless``: how many samples of the encoder's precede the song, and the song's own, as iTunes notes it."""

    texts: Texts = field(default_factory=Texts)
    gapless: tuple[int, int] | None = None


def read_song(file: BinaryIO, boxes: Boxes, parent: Box, song: Song) -> None:
    """Adds what a ``udta`` or ``meta`` box says."""
    begin = parent.begin
    if parent.kind == b"meta" and boxes.content(parent, 8)[4:] not in (b"hdlr", b"ilst", b"keys"):
        begin += 4  # a version and flags, which QuickTime's own has not
    for number, box in enumerate(boxes.within(begin, parent.end)):
        if number >= _MOST_ITEMS:
            break
        if box.kind == b"meta":
            read_song(file, boxes, box, song)
        elif box.kind == b"ilst":
            _read_list(boxes, box, song)
        elif box.kind in _KEYS:
            content = boxes.content(box, _LONGEST_TEXT)
            size = int.from_bytes(content[:2], "big")
            song.texts.add(_KEYS[box.kind], either_encoding(content[4 : 4 + size]))


def _read_list(boxes: Boxes, parent: Box, song: Song) -> None:
    for number, item in enumerate(boxes.within(parent.begin, parent.end)):
        if number >= _MOST_ITEMS:
            break
        if item.kind == b"----":
            _read_freeform(boxes, item, song)
        elif item.kind == b"covr":
            places = [box for box in boxes.within(item.begin, item.end) if box.kind == b"data"]
            song.texts.pictures += [Picture((box.begin + 8, box.end), front) for box in places[:_MOST_PICTURES]]
        elif item.kind in _KEYS or item.kind in _NUMBERS or item.kind == b"gnre":
            for box in boxes.within(item.begin, item.end):
                if box.kind == b"data":
                    _read_data(item.kind, boxes.content(box, 8 + _LONGEST_TEXT), song)


def _read_data(kind: bytes, data: bytes, song: Song) -> None:
    value = data[8:]
    if kind in _KEYS:
        coding = int.from_bytes(data[1:4], "big")
        text = value.decode("utf-16-be", "ignore") if coding == _UTF_16 else either_encoding(value)
        song.texts.add(_KEYS[kind], text)
    elif kind == b"gnre" and len(value) >= 2:
        (number,) = struct.unpack(">H", value[:2])
        if 1 <= number <= len(GENRES):
            song.texts.add("genre", GENRES[number - 1])
    elif kind in _NUMBERS and len(value) >= 6:
        number, total = struct.unpack(">HH", value[2:6])
        if number:
            song.texts.add(_NUMBERS[kind], f"{number}/{total}" if total else str(number))


def _read_freeform(boxes: Boxes, item: Box, song: Song) -> None:
    name = b""
    for box in boxes.within(item.begin, item.end):
        if box.kind == b"name":
            name = boxes.content(box)[4:]
        elif box.kind == b"data" and name == b"iTunSMPB":
            match = _GAPLESS.match(boxes.content(box, 256)[8:].decode("ascii", "ignore"))
            if match:
                before, _, length = (int(part, 16) for part in match.groups())
                song.gapless = (before, length) if length else None
