"""Songs and stems into a folder and back: files of the local store, or objects of a bucket."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from services.backup.errors import BackupError
from services.kit.s3 import S3Storage
from services.kit.storage import ObjectNotFound
from services.local.home import make_private

AT_ONCE = 8
CONTENT_TYPES = {".json": "application/json", ".flac": "audio/flac", ".wav": "audio/wav", ".mp3": "audio/mpeg"}


def back_up_files(objects: Path, folder: Path) -> int:
    """Copies all that the local store holds; how many files. What is deleted meanwhile is left out."""
    count = 0
    for source, target in _pairs(objects, folder):
        try:
            shutil.copy2(source, target)
        except FileNotFoundError:
            continue
        count += 1
    return count


def restore_files(folder: Path, objects: Path) -> int:
    """Puts what was copied where the local store keeps it; how many files."""
    count = 0
    for source, target in _pairs(folder, objects):
        shutil.copy2(source, target)
        count += 1
    return count


def _pairs(root: Path, other: Path) -> Iterator[tuple[Path, Path]]:
    """Each file below a folder, and its place below another one, where the folders are made."""
    for where, names in _folders(root):
        there = other / where.relative_to(root)
        make_private(there)
        yield from ((where / name, there / name) for name in names)


def back_up_bucket(storage: S3Storage, folder: Path) -> int:
    """Copies all objects of a bucket; how many. What is deleted meanwhile is left out."""

    def copy(key: str) -> int:
        target = _inside(folder, key)
        make_private(target.parent)
        try:
            storage.download(key, target)
        except ObjectNotFound:
            target.unlink(missing_ok=True)
            return 0
        return 1

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sum(pool.map(copy, [found.key for found in storage.list_objects("")]))


def restore_bucket(storage: S3Storage, folder: Path) -> int:
    """Puts what was copied into the bucket; how many objects."""

    def put(source: Path) -> None:
        kind = CONTENT_TYPES.get(source.suffix, "application/octet-stream")
        storage.put_file(source.relative_to(folder).as_posix(), source, kind)

    copied = list(files(folder))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(put, copied))
    return len(copied)


def files(root: Path) -> Iterator[Path]:
    """Each file from `root` down. Raises OSError where a folder cannot be read."""
    for where, names in _folders(root):
        yield from (where / name for name in names)


def _folders(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each folder from `root` down, with the names of its files. Raises OSError where one cannot be read, which pathlib
    would pass over: nobody would know that something is missing."""

    def told(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for where, folders, files in os.walk(root, onerror=told):
        folders.sort()
        yield Path(where), sorted(files)


def _inside(folder: Path, key: str) -> Path:
    """Where an object is kept. Keys are ours, and yet none may lead out of the folder."""
    target = folder / key
    if not target.resolve().is_relative_to(folder.resolve()):
        raise BackupError(f"the object {key} has a name that leads out of the backup")
    return target
