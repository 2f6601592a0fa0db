"""Where the files of each song go: folders of their own, or by a pattern, and previews apart from whole songs."""

import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from separation.audio.decode import open_audio
from separation.cli.names import Pattern
from separation.cli.songs import Song
from separation.errors import OutputNamesClash, SeparationError
from separation.machine.console import printable
from separation.settings import END_OF_SONG, OutputFormat, Window
from separation.stems.set import STEM_NAMES


@dataclass(frozen=True)
class Wanted:
    """What decides about names beside the song."""

    stems: tuple[str, ...]
    output: OutputFormat
    window: Window | None = None
    pattern: Pattern | None = None


def place(songs: Sequence[Song], wanted: Wanted) -> list[Song]:
    """The songs with the folder and the names of their files.

    Without a pattern each has a folder of its own; where two would share one the second one's is numbered,
    ``song (2)``. With one, what would share a name is refused: ``OutputNamesClash``, before any work.
    """
    placed = _apart(songs) if wanted.pattern is None else [_named(song, wanted.pattern) for song in songs]
    if wanted.window is not None:
        folder = preview_folder(wanted.window)
        placed = [replace(song, target=song.target / folder) for song in placed]
    if wanted.pattern is not None:
        _refuse_clashes(placed, wanted)
    return placed


def preview_folder(window: Window) -> str:
    """``preview 1m00s-1m30s``: without the colons that some file systems refuse."""
    end = "end" if window.end_seconds >= END_OF_SONG else _time(window.end_seconds)
    return f"preview {_time(window.start_seconds)}-{end}"


def _time(seconds: float) -> str:
    whole, fraction = divmod(round(seconds * 1000), 1000)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes:02}m{rest:02}" if hours else f"{minutes}m{rest:02}" if minutes else f"{rest}"
    return head + (f".{fraction:03}".rstrip("0") if fraction else "") + "s"


def _named(song: Song, pattern: Pattern) -> Song:
    """Its tags are read for that; a song of which they cannot be has the error."""
    if song.error is not None:
        return song
    try:
        with open_audio(song.path) as audio:
            folder, name = pattern.named(song.path, audio.tags)
    except (SeparationError, OSError) as error:
        return replace(song, error=error)
    return replace(song, target=song.target.parent / folder, file_name=name)


def _apart(songs: Sequence[Song]) -> list[Song]:
    """Numbers folders that would be shared, also by file systems that do not tell ``Song`` from ``song``."""
    # Stems written beside a song that is itself called vocals.flac would replace it.
    taken = {_key(song.path.parent) for song in songs if song.path.stem in STEM_NAMES}
    apart = []
    for song in songs:
        target, number = song.target, 1
        while song.error is None and _key(target) in taken:
            number += 1
            target = song.target.with_name(f"{song.target.name} ({number})")
        if song.error is None:
            taken.add(_key(target))
        apart.append(replace(song, target=target))
    return apart


def _refuse_clashes(songs: Sequence[Song], wanted: Wanted) -> None:
    sources = {_key(song.path) for song in songs}
    owners: dict[str, Song] = {}
    suffixes = dict.fromkeys(wanted.stems, wanted.output.name) | {"manifest": "json"}
    for song in songs:
        if song.error is not None:
            continue
        for word, suffix in suffixes.items():
            path = song.target / f"{song.file_name(word)}.{suffix}"
            key = _key(path)
            other = owners.setdefault(key, song)
            if other is not song:
                raise OutputNamesClash(
                    f"{printable(str(other.path))} and {printable(str(song.path))} would both become "
                    f"{printable(str(path))}. Tell them apart, by {{song}} or {{track}}; nothing was done."
                )
            if key in sources:
                raise OutputNamesClash(
                    f"{printable(str(path))} is one of the songs itself. Choose other names or another folder; "
                    "nothing was done."
                )


def _key(path: Path) -> str:
    return unicodedata.normalize("NFC", os.path.realpath(path)).casefold()
