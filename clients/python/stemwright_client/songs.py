"""Which files are songs, and what became of each of many."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stemwright_client.errors import StemwrightError
from stemwright_client.flows.songs import Separation
from stemwright_client.record import FILE, Place, places

SUFFIXES = frozenset(
    {
        *(".aac", ".aif", ".aiff", ".flac", ".m4a", ".mka", ".mkv", ".mov", ".mp3", ".mp4"),
        *(".oga", ".ogg", ".opus", ".wav", ".webm"),
    }
)
"""By these a file of a folder is taken for a song; the platform looks at what is in it."""


@dataclass(frozen=True)
class Outcome:
    """Of one song of many: the one or the other."""

    song: Path
    separation: Separation | None = None
    error: StemwrightError | OSError | None = None


def places_of(songs: Iterable[str | Path], output: str | Path) -> list[Place]:
    """Each song with the folder for its stems. A folder stands for its songs, at any depth, and keeps its structure.

    Raises FileNotFoundError: one is not there.
    """
    found: dict[Path, Path] = {}
    for named in map(Path, songs):
        if named.is_dir():
            found |= {song: song.parent.relative_to(named) for song in _songs_in(named)}
        elif named.exists():
            found[named] = Path()
        else:
            raise FileNotFoundError(2, "No such file or directory", str(named))
    return places(list(found.items()), Path(output))


def _songs_in(folder: Path) -> Iterable[Path]:
    """Without hidden files, and without stems that the client has written there."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not hidden and not (path.parent / FILE).exists():
            yield path
