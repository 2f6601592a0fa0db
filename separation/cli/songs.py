"""Which songs a command line means, and the folder that each one's stems go to."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from separation.decode import open_audio
from separation.engine import MANIFEST_FILE
from separation.errors import SeparationError
from separation.manifest import Manifest
from separation.stems import STEM_NAMES

# A file of such a name is meant as a song even where its content is broken: then that is said, not passed over.
_SONG_SUFFIXES = (
    *(".aac", ".aif", ".aifc", ".aiff", ".alac", ".bwf", ".flac", ".m4a", ".m4b", ".mka", ".mp2", ".mp3"),
    *(".oga", ".ogg", ".opus", ".rf64", ".wav", ".wave", ".weba"),
)


class NoSongs(SeparationError):
    """A folder on the command line in which nothing can be separated."""

    code = "folder_without_songs"


@dataclass(frozen=True)
class Song:
    """A file and the folder of its stems. ``error``: why what was named cannot be a song; reported at its turn."""

    path: Path
    target: Path
    error: SeparationError | OSError | None = None


def find_songs(arguments: Sequence[Path], out: Path) -> list[Song]:
    """The songs that ``arguments`` mean, in their order, each with a folder of its own below ``out``.

    The stems of a file ``song.mp3`` go to ``out/song``. Of a folder every audio file at any depth is taken, in the
    order of names, and its structure is mirrored: ``Album/cd1/song.mp3`` goes to ``out/Album/cd1/song``. Where two
    songs would share a folder the second one's is numbered, ``song (2)``. A file that is named twice is taken once.
    """
    songs: list[Song] = []
    seen: set[str] = set()
    for argument in arguments:
        for song in _meant(argument, out):
            real = os.path.realpath(song.path)
            if real not in seen:
                seen.add(real)
                songs.append(song)
    return _apart(songs)


def _meant(argument: Path, out: Path) -> Iterator[Song]:
    """What one argument means; its errors as songs that cannot be."""
    target = out / _folder_name(argument)
    try:
        mode = argument.stat().st_mode
    except OSError as error:
        yield Song(argument, target, error)
        return
    if stat.S_ISREG(mode):
        yield Song(argument, target)
    elif not stat.S_ISDIR(mode):  # a pipe or a device can be read once at best, and may never end
        yield Song(argument, target, OSError(errno.EINVAL, "not a regular file", str(argument)))
    else:
        yield from _in_folder(argument, out)


def _in_folder(folder: Path, out: Path) -> Iterator[Song]:
    named = folder.name not in ("", "..")
    base = out / (folder.name if named else Path(os.path.realpath(folder)).name)
    unreadable: list[OSError] = []
    empty = True
    for path in _audio_files(folder, out, unreadable):
        empty = False
        yield Song(path, base / path.parent.relative_to(folder) / _folder_name(path))
    for error in unreadable:
        yield Song(Path(error.filename), base, error)
    if empty and not unreadable:
        yield Song(folder, base, NoSongs("There is no audio in this folder."))


def _audio_files(folder: Path, out: Path, unreadable: list[OSError]) -> Iterator[Path]:
    """Audio files at any depth in the order of names, without hidden ones and without stems that we have written."""
    own = os.path.realpath(out)
    for place, folders, names in os.walk(folder, onerror=unreadable.append):
        here = Path(place)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and os.path.realpath(here / name) != own
        )
        written = STEM_NAMES if _holds_stems(here) else ()
        for name in sorted(names):
            path = here / name
            if not name.startswith(".") and path.stem not in written and path.is_file() and _is_audio(path):
                yield path


def _holds_stems(folder: Path) -> bool:
    """Whether a separation was written into ``folder``."""
    try:
        Manifest.from_json((folder / MANIFEST_FILE).read_bytes())
    except (OSError, ValidationError):
        return False
    return True


def _is_audio(path: Path) -> bool:
    """By its name, else by whether something in it can be decoded."""
    if path.suffix.lower() in _SONG_SUFFIXES:
        return True
    try:
        with open_audio(path):
            return True
    except (SeparationError, OSError):
        return False


def _folder_name(song: Path) -> str:
    """The file's name without its suffix; never one that means another folder (``..mp3`` has the stem ``.``)."""
    return song.stem if song.stem.strip(". ") else "song"


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


def _key(folder: Path) -> str:
    return os.path.realpath(folder).casefold()
