"""Data sets: which songs there are and in which files their parts lie.

==============  ====================================================================================================
``musdb18``     ``{train,test}/<song>.stem.mp4`` (Z. Rafii et al., "The MUSDB18 corpus", 2017): five AAC streams
``musdb18-hq``  ``{train,test}/<song>/{mixture,drums,bass,other,vocals}.wav``
``stems``       ``<song>/<part>.<wav|flac|ogg|m4a>``, any parts
``solo``        ``<song>.<wav|flac|ogg|m4a>``, each the same one part: voices alone, music without a singer
==============  ====================================================================================================

Without a ``split`` the songs of the MUSDB18 kinds lie in the folder itself. A file ``tracklist.csv`` beside the songs
with the columns ``Track Name`` and ``Genre``, as published with MUSDB18, gives their genres.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import yaml

from training.config import SourceConfig, Split
from training.errors import DataInvalid
from training.recordings import Reader, Recording, Samples, recordings_in

ACCOMPANIMENT = "accompaniment"
MIXTURE = "mixture"
_MUSDB_STREAMS = (MIXTURE, "drums", "bass", "other", "vocals")
_SUFFIXES = {".wav", ".flac", ".ogg", ".m4a"}


@dataclass(frozen=True)
class Song:
    """A song and its parts, which begin together. The mixture is the sum of the parts."""

    name: str
    parts: Mapping[str, Recording]
    genre: str | None = None

    @property
    def samples(self) -> int:
        return max(part.samples for part in self.parts.values())

    def recordings_of(self, stem: str, stems: Sequence[str]) -> list[Recording]:
        """What sums to ``stem`` where a network estimates ``stems``; empty where the song does not have it.

        A stem is the part of its name; ``accompaniment``, where it is no part, is every part that is not another stem.
        """
        if stem in self.parts:
            return [self.parts[stem]]
        if stem == ACCOMPANIMENT:
            return [part for name, part in self.parts.items() if name not in stems]
        return []

    def read(self, reader: Reader, stem: str, stems: Sequence[str], begin: int, count: int) -> Samples:
        """``(2, count)`` of a stem; silence outside the song and where it does not have the stem."""
        total: Samples = np.zeros((2, count), np.float32)
        for recording in self.recordings_of(stem, stems):
            total += reader.read(recording, begin, count)
        return total


def songs_of(source: SourceConfig, root: Path) -> list[Song]:
    """The songs of a data set below ``root``, by name. Raises ``DataInvalid`` where there are none."""
    folder = root / source.path
    if not folder.is_dir():
        raise DataInvalid(f"There is no folder {folder}.")
    genres = _genres(folder)
    chosen = [Song(name, parts, genres.get(name)) for name, parts in _named_parts(source, folder) if parts]
    if not chosen:
        raise DataInvalid(f"There is no song of the kind {source.kind} in {folder}.")
    return chosen[: source.limit]


def _named_parts(source: SourceConfig, folder: Path) -> list[tuple[str, dict[str, Recording]]]:
    match source.kind:
        case "musdb18":
            found = _musdb(folder, source.split, "*.stem.mp4")
            return [(_song_name(path), _streams(path)) for path in found]
        case "musdb18-hq":
            found = _musdb(folder, source.split, "*/vocals.wav")
            return [(_song_name(path), _files(path.parent)) for path in found]
        case "stems":
            return [(path.name, _files(path)) for path in sorted(folder.iterdir()) if path.is_dir()]
        case "solo":
            if source.part is None:
                raise DataInvalid(f"The source {folder} must say which part its files are.")
            audio = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
            return [(path.stem, {source.part: recordings_in(path)[0]}) for path in audio]


def _musdb(folder: Path, split: Split | None, pattern: str) -> list[Path]:
    if split is None:
        return sorted(folder.glob(pattern))
    found = sorted((folder / ("test" if split == "test" else "train")).glob(pattern))
    if split == "test":
        return found
    held_back = _validation_songs()
    return [path for path in found if (_song_name(path) in held_back) == (split == "validation")]


def _song_name(path: Path) -> str:
    return path.name.removesuffix(".stem.mp4") if path.name.endswith(".mp4") else path.parent.name


def _validation_songs() -> set[str]:
    """The songs of MUSDB18's train split that the field holds back for validation, as the package musdb lists them.

    Its file is read without importing it, because it looks for an FFmpeg program when it is imported.
    """
    text = Path(str(distribution("musdb").locate_file("musdb/configs/mus.yaml"))).read_text(encoding="utf-8")
    return set(yaml.safe_load(text)["validation_tracks"])


def _streams(path: Path) -> dict[str, Recording]:
    streams = recordings_in(path)
    if len(streams) != len(_MUSDB_STREAMS):
        raise DataInvalid(f"{path} has {len(streams)} audio streams where MUSDB18 has {len(_MUSDB_STREAMS)}.")
    return {name: stream for name, stream in zip(_MUSDB_STREAMS, streams, strict=True) if name != MIXTURE}


def _files(folder: Path) -> dict[str, Recording]:
    audio = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES and path.stem != MIXTURE)
    return {path.stem: recordings_in(path)[0] for path in audio}


def _genres(folder: Path) -> dict[str, str]:
    path = folder / "tracklist.csv"
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["Track Name"]: row["Genre"] for row in csv.DictReader(file)}
