"""``--filename``: how files are called, by the tags of their song.

A pattern is a path below the output folder, without a suffix: text, fields in braces, and slashes between folders.
"""

import re
import string
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from separation.errors import did_you_mean
from separation.stems.set import STEM_NAMES

FIELDS = ("stem", "song", "title", "artist", "album", "album_artist", "composer", "genre", "track", "disc", "year")
# What stands for a tag that the song has not. A title is never missing: the file has a name.
_MISSING = {
    "artist": "Unknown artist",
    "album": "Unknown album",
    "album_artist": "Unknown artist",
    "composer": "Unknown composer",
    "genre": "Unknown genre",
    "track": "00",
    "disc": "1",
    "year": "0000",
}
_OTHERWISE = {"artist": "album_artist", "album_artist": "artist"}
_UNSAFE = re.compile(r'[<>:"/\\|?*]')
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")  # what Windows takes for a device
_LONGEST_NAME_BYTES = 230
"""File systems allow 255; a suffix and the longest word of ours have to fit, and a number behind them."""
_LONGEST_STEM = max(STEM_NAMES, key=len)

_Piece = tuple[str, str | None]
"""Text, and the field behind it."""


class BadPattern(ValueError):
    """A pattern that names no files; the message says what to write."""


@dataclass(frozen=True)
class Pattern:
    """A pattern, understood: a sequence of pieces for each folder and the last for the file."""

    text: str
    parts: tuple[tuple[_Piece, ...], ...]

    @property
    def tells_stems_apart(self) -> bool:
        return any(field == "stem" for _, field in self.parts[-1])

    def named(self, song: Path, tags: Mapping[str, str]) -> tuple[Path, Callable[[str], str]]:
        """The folder, relative, and what a file of ours is called in it, by ``vocals``, ``manifest`` and so on."""
        values = _values(song, tags)
        *folders, name = [_Name(part, values) for part in self.parts]
        return Path(*(str(folder) for folder in folders)), name


class _Name:
    """A name with everything but the stem filled in, cut to what file systems allow."""

    def __init__(self, pieces: Sequence[_Piece], values: Mapping[str, str]) -> None:
        self._pieces = pieces
        self._values = {field: values[field] for _, field in pieces if field not in (None, "stem")}
        while self._values and len(self(_LONGEST_STEM).encode()) > _LONGEST_NAME_BYTES:
            longest = max(self._values, key=lambda field: len(self._values[field].encode()))
            self._values[longest] = self._values[longest][:-1]

    def __call__(self, word: str) -> str:
        stem = [field for _, field in self._pieces if field == "stem"]
        name = "".join(
            text + (word if field == "stem" else self._values[field] if field else "") for text, field in self._pieces
        )
        # What belongs to no stem, where the name does not tell stems apart.
        return _safe_name(name) if stem or word in STEM_NAMES or not word else f"{_safe_name(name)}.{word}"

    def __str__(self) -> str:
        return self("")


def parse_pattern(text: str) -> Pattern:
    """Raises ``BadPattern``."""
    pieces: list[list[_Piece]] = [[]]
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError:
        raise BadPattern(f"a brace has no partner in {text!r}; write {{title}}, and {{{{ for a brace itself") from None
    for literal, field, form, conversion in parsed:
        *folders, last = literal.split("/")
        for folder in folders:
            pieces[-1].append((folder, None))
            pieces.append([])
        if field is not None and (field not in FIELDS or form or conversion):
            meant = did_you_mean(field, FIELDS)
            raise BadPattern(f"there is no field {{{field}}}.{meant} Choose from {', '.join(FIELDS)}")
        pieces[-1].append((last, field))
    parts = tuple(tuple(part) for part in pieces)
    for part in parts:
        fixed = "".join(text for text, _ in part)
        if not any(field for _, field in part) and not fixed.strip(". "):
            raise BadPattern("write a path below the output folder, such as {artist}/{title} ({stem}), without ..")
        if len(fixed.encode()) > _LONGEST_NAME_BYTES // 2:
            raise BadPattern("the text between the fields is too long for the name of a file")
    if any(field == "stem" for part in parts[:-1] for _, field in part):
        raise BadPattern("the files of a song share a folder: {stem} may stand behind the last slash only")
    if not any(field for part in parts for _, field in part):
        raise BadPattern("without a field every song would have the same name, such as {artist} - {title} ({stem})")
    return Pattern(text, parts)


def _values(song: Path, tags: Mapping[str, str]) -> dict[str, str]:
    """Of every field but the stem."""
    values = {"song": song.stem, "title": tags.get("title") or song.stem}
    for field, otherwise in _MISSING.items():
        tag = tags.get("date" if field == "year" else field, "")
        match field:
            case "track" | "disc":
                number = tag.partition("/")[0].strip()
                tag = number.zfill(2) if field == "track" and number.isdecimal() else number
            case "year":
                years = re.findall(r"\d{4}", tag)
                tag = years[0] if years else ""
        values[field] = tag or tags.get(_OTHERWISE.get(field, ""), "") or otherwise
    return {field: _safe(value) for field, value in values.items()}


def _safe(value: str) -> str:
    """Without what some file system refuses or takes for something else."""
    plain = unicodedata.normalize("NFC", "".join("_" if unicodedata.category(c)[0] == "C" else c for c in value))
    return _UNSAFE.sub("_", plain)


def _safe_name(name: str) -> str:
    """Neither hidden nor a place (``..``), nor with an end that Windows drops, nor one of its devices."""
    plain = _UNSAFE.sub("_", name).lstrip(". ").rstrip(". ")
    return f"_{plain}" if not plain or _DEVICES.match(plain) else plain
