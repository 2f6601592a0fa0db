"""Which songs a command line means, and the folder that each one's stems go to."""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from separation.audio.decode import open_audio
from separation.errors import EmptyFile, NoAudioStream, SeparationError, UnsupportedFormat
from separation.manifest import Manifest
from separation.stems.set import STEM_NAMES

# A file of such a name is meant as a song even where its content is broken or of a kind that is not known here: then
# that is said, not passed over.
_SONG_SUFFIXES = (
    *(".3ga", ".aa", ".aac", ".aax", ".ac3", ".adts", ".aif", ".aifc", ".aiff", ".alac", ".amr", ".ape", ".au"),
    *(".awb", ".bwf", ".caf", ".dff", ".dsf", ".dts", ".dtshd", ".eac3", ".ec3", ".flac", ".gsm", ".m4a", ".m4b"),
    *(".m4p", ".m4r", ".mka", ".mlp", ".mp1", ".mp2", ".mp3", ".mpa", ".mpc", ".oga", ".ofr", ".ogg", ".oma"),
    *(".opus", ".ra", ".rf64", ".shn", ".snd", ".spx", ".tak", ".thd", ".tta", ".voc", ".vqf", ".w64", ".wav"),
    *(".wave", ".weba", ".wma", ".wv"),
)
# What lies beside songs, and is not looked into.
_OTHER_SUFFIXES = (
    *(".avif", ".bmp", ".cue", ".db", ".doc", ".docx", ".gif", ".heic", ".htm", ".html", ".ini", ".jpeg", ".jpg"),
    *(".json", ".log", ".lrc", ".m3u", ".m3u8", ".md5", ".nfo", ".pdf", ".pls", ".png", ".rtf", ".sfv", ".svg"),
    *(".tif", ".tiff", ".torrent", ".txt", ".url", ".webp", ".xml", ".xspf", ".zip"),
)


_LONGEST_MANIFEST = 1 << 20  # bytes
# ``https://...``, of which a path would lose a slash.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class NoSongs(SeparationError):
    """A folder on the command line in which nothing can be separated."""

    code = "folder_without_songs"


class NotAFile(SeparationError):
    """An address on the command line: nothing is fetched from anywhere."""

    code = "song_is_an_address"


@dataclass(frozen=True)
class Song:
    """A file and the folder of its stems. ``error``: why what was named cannot be a song; reported at its turn.

    ``file_name`` is that of ``separate_file``; ``shown``: the argument, where a path would not be what was written.
    """

    path: Path
    target: Path
    error: SeparationError | OSError | None = None
    file_name: Callable[[str], str] = str
    shown: str | None = None

    def __str__(self) -> str:
        return self.shown or str(self.path)


def find_songs(arguments: Sequence[str], out: Path) -> list[Song]:
    """The songs that ``arguments`` mean, in their order, each with a folder below ``out``.

    The stems of a file ``song.mp3`` go to ``out/song``. Of a folder every audio file at any depth is taken, through
    links too, in the order of names, and its structure is mirrored: ``Album/cd1/song.mp3`` goes to
    ``out/Album/cd1/song``. A file that is named twice is taken once.
    """
    songs: list[Song] = []
    seen: set[str] = set()
    for argument in arguments:
        for song in _meant(argument, out):
            real = os.path.realpath(song.path)
            if real not in seen:
                seen.add(real)
                songs.append(song)
    return songs


def _meant(written: str, out: Path) -> Iterator[Song]:
    """What one argument means; its errors as songs that cannot be."""
    argument = Path(written)
    target = out / _folder_name(argument)
    if not written:  # of a shell's variable that is not set: the folder one is in was not meant
        yield Song(argument, out, OSError(errno.EINVAL, "its name is empty"), shown="''")
        return
    if _ADDRESS.match(written) and not argument.exists():
        error = NotAFile("This is an address, and songs are files on this machine: download it first.")
        yield Song(argument, target, error, shown=written)
        return
    try:
        mode = argument.stat().st_mode
    except OSError as error:
        yield Song(argument, target, error)
        return
    if stat.S_ISREG(mode):
        yield Song(argument, target)
    elif not stat.S_ISDIR(mode):  # a pipe or a device can be read once at best, and may never end
        yield Song(argument, target, _not_a_file(argument))
    else:
        yield from _in_folder(argument, out)


def _in_folder(folder: Path, out: Path) -> Iterator[Song]:
    named = folder.name not in ("", "..")
    base = out / (folder.name if named else Path(os.path.realpath(folder)).name)
    empty = True
    for song in _walk(folder, base, os.path.realpath(out)):
        empty = False
        yield song
    if empty:
        yield Song(folder, base, NoSongs("There is no audio in this folder."))


def _walk(top: Path, base: Path, own: str) -> Iterator[Song]:
    """What is meant as a song at any depth, without what is hidden and without the stems that we have written.

    The files of a folder come before its folders, each in the order of names. Links to folders are followed, each
    folder is taken once. What cannot be read is a song with an error: nothing is passed over without a word.
    """
    taken: set[str] = set()
    waiting = [(top, base)]
    while waiting:
        place, target = waiting.pop()
        real = os.path.realpath(place)
        if real in taken:
            continue
        taken.add(real)
        try:
            paths = sorted(path for path in place.iterdir() if not path.name.startswith("."))
        except OSError as error:
            yield Song(place, target, error)
            continue
        written = _stems_in(place)
        folders = []
        for path in paths:
            if path.is_symlink() and path.is_dir() and _comes_by_itself(path, top):
                continue
            if path.is_dir():
                folders += [path] if os.path.realpath(path) != own else []
            elif path.name not in written and path.stem not in written:
                yield from _if_song(path, target / _folder_name(path))
        waiting += [(path, target / path.name) for path in reversed(folders)]


def _comes_by_itself(link: Path, top: Path) -> bool:
    """Whether a link leads to a folder that is taken where it stands, or back to one that it lies in."""
    to, inside = Path(os.path.realpath(link)), Path(os.path.realpath(top))
    if to in Path(os.path.realpath(link.parent), link.name).parents:
        return True
    return to.is_relative_to(inside) and not any(part.startswith(".") for part in to.relative_to(inside).parts)


def _if_song(path: Path, target: Path) -> Iterator[Song]:
    """The song, if the file is meant as one; with an error where it cannot even be opened."""
    suffix = path.suffix.lower()
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            if suffix in _SONG_SUFFIXES or (suffix not in _OTHER_SUFFIXES and _is_audio(path)):
                yield Song(path, target)
        elif suffix in _SONG_SUFFIXES:
            yield Song(path, target, _not_a_file(path))
    except OSError as error:
        if suffix not in _OTHER_SUFFIXES:
            yield Song(path, target, error)


def _not_a_file(path: Path) -> OSError:
    return OSError(errno.EINVAL, "not a regular file", str(path))


def _stems_in(folder: Path) -> set[str]:
    """Names, with a suffix or without, of what separations have written into ``folder``."""
    names: set[str] = set()
    for path in folder.glob("*manifest*.json"):
        try:
            if path.stat().st_size > _LONGEST_MANIFEST:
                continue
            manifest = Manifest.from_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        # Beside stems that are called so lie those of former formats.
        names |= set(STEM_NAMES) if path.name == "manifest.json" else {stem.file for stem in manifest.stems}
    return names


def _is_audio(path: Path) -> bool:
    """By its content: whether something in it can be decoded, or could if it were whole. Raises ``OSError``."""
    try:
        with open_audio(path):
            return True
    except (EmptyFile, UnsupportedFormat, NoAudioStream):
        return False
    except SeparationError:
        return True


def _folder_name(song: Path) -> str:
    """The file's name without its suffix; never one that means another folder (``..mp3`` has the stem ``.``)."""
    return song.stem if song.stem.strip(". ") else "song"
