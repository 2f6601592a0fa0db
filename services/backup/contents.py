"""What a backup says of itself, and what it holds file by file: a copy of it that broke off, or that time or a disk has
damaged, is known before anything is made of it.

```
<backup>/backup.json   the contents, with the SHA-256 of the listing
         files.jsonl   a line per file: path, size_bytes, sha256
         databases/ objects/ secrets/ mail/
```
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from services.backup.errors import BackupError
from services.backup.objects import files
from services.local.home import write_private

CONTENTS = "backup.json"
LISTING = "files.jsonl"
LISTED = ("databases", "objects", "secrets", "mail")


@dataclass(frozen=True)
class Contents:
    """What a backup says of itself."""

    version: str
    made_at: str
    services: list[str]
    objects: int
    secrets: bool
    """Whether the keys of the platform are in it. In a cluster they are where its secrets are kept."""
    bucket: bool | None = None
    """Whether its objects are of a bucket; else they are files of a home's own store. `None`: an older version made it,
    which does not say."""
    files_sha256: str | None = None
    """SHA-256 of the listing. `None`: an older version made it, whose files nothing can be compared with."""


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    size_bytes: int
    sha256: str


def seal(folder: Path, contents: Contents) -> Contents:
    """Lists all that was copied and writes the contents, without which a folder is no backup; the contents as written.

    Reads every file once more.
    """
    digest = hashlib.sha256()
    descriptor = os.open(folder / LISTING, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as listing:
        for path in _files(folder):
            name = path.relative_to(folder).as_posix()
            line = json.dumps(asdict(_File(name, path.stat().st_size, _sha256(path)))).encode() + b"\n"
            digest.update(line)
            listing.write(line)
    contents = replace(contents, files_sha256=digest.hexdigest())
    # Last: a backup that was broken off has none, and is none.
    write_private(folder / CONTENTS, json.dumps(asdict(contents), indent=2).encode())
    return contents


def read(folder: Path) -> Contents:
    """What a backup says of itself. Raises BackupError for a folder that is none, or was broken off."""
    try:
        return Contents(**json.loads((folder / CONTENTS).read_bytes()))
    except (OSError, ValueError, TypeError):
        raise BackupError(f"{folder} is no backup, or one that was broken off: it has no {CONTENTS}") from None


def check(folder: Path, contents: Contents) -> None:
    """Compares every file with the listing, and writes nothing. Raises BackupError where the backup is not whole.

    One of an older version has no listing: its databases and the number of its objects are compared.
    """
    if contents.files_sha256 is None:
        wrong = list(_missing_parts(folder, contents))
    else:
        wrong = _wrong_files(folder, contents.files_sha256)
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise BackupError(f"{folder} is not whole: {wrong[0]}{more}")


def _missing_parts(folder: Path, contents: Contents) -> Iterator[str]:
    kept = folder / "databases"
    if not any(kept.glob("*.dump")):
        for service in contents.services:
            if not (kept / f"{service}.db").is_file():
                yield f"databases/{service}.db is missing"
    count = sum(1 for _ in files(folder / "objects"))
    if count != contents.objects:
        yield f"it has {count} of {contents.objects} objects"


def _wrong_files(folder: Path, sha256: str) -> list[str]:
    """Sizes first: a copy that broke off is told without reading all of it."""
    listing = folder / LISTING
    if not listing.is_file() or _sha256(listing) != sha256:
        return [f"{LISTING} is missing or damaged"]
    wrong = [complaint for file in _listed(listing) if (complaint := _wrong_size(folder, file))]
    if not wrong:
        names = {file.path for file in _listed(listing)}
        there = (path.relative_to(folder).as_posix() for path in _files(folder))
        wrong = [f"{name} is not of it" for name in there if name not in names]
    return wrong or [
        f"{file.path} is damaged" for file in _listed(listing) if _sha256(folder / file.path) != file.sha256
    ]


def _wrong_size(folder: Path, file: _File) -> str | None:
    path = folder / file.path
    if not path.is_file():
        return f"{file.path} is missing"
    size = path.stat().st_size
    return None if size == file.size_bytes else f"{file.path} has {size} of {file.size_bytes} bytes"


def _listed(listing: Path) -> Iterator[_File]:
    with listing.open("rb") as lines:
        yield from (_File(**json.loads(line)) for line in lines)


def _files(folder: Path) -> Iterator[Path]:
    for name in LISTED:
        yield from files(folder / name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
