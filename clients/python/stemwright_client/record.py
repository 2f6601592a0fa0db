"""What the client remembers of a song, beside its stems: `separation.json`.

It is written before anything is paid and after each step, so that a run that was killed is gone on with by the next,
however much later that is.
"""

import errno
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from stemwright_client.orders import Order, key_of

FILE = "separation.json"


class Record(BaseModel):
    """Attributes:
    order: the job that is wanted, without its upload.
    tries: how often it was ordered and refused, or did not succeed: each time under another idempotency key.
    ordered_at: when it was first asked for, before the answer was known.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    song: str
    sha256: str
    size_bytes: int
    order: dict[str, Any]
    tries: int = 0
    upload_id: str | None = None
    ordered_at: datetime | None = None
    job_id: str | None = None
    job: dict[str, Any] | None = None
    """As the platform told it when it had ended."""

    def changed(self, **values: Any) -> Self:
        return self.model_copy(update=values)

    def again(self) -> Self:
        """For an order that came to nothing: another key, so that it is a new one."""
        return self.changed(tries=self.tries + 1, ordered_at=None, job_id=None, job=None)

    @property
    def key(self) -> str:
        """Of the order: the same for the same song's same order, also after the record was lost."""
        return key_of("job", self.sha256, self.upload_id, self.order, self.tries)


@dataclass(frozen=True)
class Place:
    """Where a song's stems go."""

    song: Path
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / FILE

    def record(self, sha256: str, size_bytes: int, order: Order) -> Record:
        """What is known of this very song and order; else a new record."""
        fresh = Record(song=self.song.name, sha256=sha256, size_bytes=size_bytes, order=order.body(""))
        known = read(self.path)
        if known is None or (known.sha256, known.order) != (fresh.sha256, fresh.order):
            return fresh
        return known

    def make_folder(self) -> None:
        """Raises OSError where nothing can be written in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not os.access(self.folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.folder))

    def leave_folder(self) -> None:
        """Removes it where nothing is in it."""
        with suppress(OSError):
            self.folder.rmdir()

    def write(self, record: Record) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f".{FILE}.{os.getpid()}")
        draft.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
        draft.replace(self.path)


def read(path: Path) -> Record | None:
    """None where there is none that can be read: the order's key is made of the song, so little is lost."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None


def places(songs: list[tuple[Path, Path]], output: Path) -> list[Place]:
    """A folder for each song: `output/<where it lay>/<its name without the suffix>`, numbered where that is another's.

    Whose a folder is stands in its record, so that songs that come later do not change the folders of others.

    Args:
        songs: each with the folder below `output` where it goes, relative.
    """
    taken: set[Path] = set()
    found = []
    for song, beneath in sorted(songs):
        place = Place(song, output / beneath / song.stem)
        number = 1
        while place.folder in taken or not _free_for(place):
            number += 1
            place = replace(place, folder=output / beneath / f"{song.stem} ({number})")
        taken.add(place.folder)
        found.append(place)
    return found


def _free_for(place: Place) -> bool:
    known = read(place.path)
    return known is None or known.song == place.song.name


def now() -> datetime:
    return datetime.now(UTC)
