"""A platform's stores as a whole: what they are, into a folder, and back."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from services.backup import databases, objects
from services.backup.contents import Contents, check, read, seal
from services.backup.errors import BackupError
from services.backup.room import ask_for_room, bytes_on_disk
from services.kit.s3 import S3Storage
from services.kit.settings import StorageSettings, sqlite_url
from services.local.home import Home, make_private
from services.local.settings import LocalSettings


@dataclass(frozen=True)
class Restored:
    """What a restore has put into the stores."""

    services: list[str]
    objects: int
    contents: Contents
    """What the backup says of itself."""


class Stores:
    """The stores of the platform that the settings name: those in the home, or elsewhere."""

    def __init__(self, settings: LocalSettings, storage: StorageSettings) -> None:
        self.home = Home(settings.home)
        self.url = (
            settings.database_url.get_secret_value()
            if settings.database_url is not None
            else sqlite_url(self.home.data)
        )
        self._files = databases.is_sqlite(self.url)
        self._store_elsewhere = settings.s3_endpoint_url is not None
        self._storage = storage

    def back_up(self, folder: Path) -> Contents:
        """Copies everything into a folder that is empty or not there. The platform may run.

        Raises:
            BackupError: the folder holds something or has no room, or a store cannot be copied.
            LocalError: the home holds half of a restore.
        """
        self.home.refuse_half_a_restore()
        new = not folder.exists()
        if not new and any(folder.iterdir()):
            raise BackupError(f"{folder} is not empty: name a folder that is, or that is not there")
        # Amazon's own store has no address, and neither has the one of a home, whose files tell.
        keeps_objects = not self._store_elsewhere and (self._files or self.home.objects.is_dir())
        bucket = None if keeps_objects else self._bucket()
        ask_for_room([(folder, self._bytes_here(bucket))])
        make_private(folder)
        try:
            return self._copy_all(folder, bucket)
        except BaseException:
            # All that is there is of this run, and would be in the way of the next.
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if new:
                folder.rmdir()
            raise

    def _copy_all(self, folder: Path, bucket: S3Storage | None) -> Contents:
        services = databases.back_up(self.url, folder / "databases")
        # After the databases: what these know of is there, and what came later does no harm.
        if bucket is None:
            count = objects.back_up_files(self.home.objects, folder / "objects")
        else:
            count = objects.back_up_bucket(bucket, folder / "objects")
        secrets = self.home.secrets.is_dir()
        for name in (self.home.secrets, self.home.mail) if secrets else ():
            shutil.copytree(name, folder / name.name)
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        return seal(folder, Contents(version("stemwright"), made_at, services, count, secrets, bucket is not None))

    def restore(self, folder: Path) -> Restored:
        """Puts a backup into stores that hold nothing and that nobody uses, after all of it was compared.

        Where it fails it removes what it made. Where it is killed, the note that it leaves in the home keeps a platform
        from starting there, and the next restore begins anew.

        Raises:
            BackupError: the folder is no backup or not a whole one, or something is in the way.
            LocalError: a platform runs in the home, or the home cannot be made.
        """
        contents = read(folder)
        if not databases.fits(self.url, folder / "databases"):
            raise BackupError("the backup is of another kind of database than DATABASE_URL names")
        bucket = self._bucket_for(contents)
        kept = False
        new = self.home.make()
        with self.home.locked():
            try:
                restored = self._restore(folder, contents, bucket)
                kept = bucket is None or contents.secrets or self._files
            finally:
                # Of a home in which nothing is kept only the lock was needed.
                if new and not kept and not self.home.is_half_restored():
                    self.home.remove()
        return restored

    def _restore(self, folder: Path, contents: Contents, bucket: S3Storage | None) -> Restored:
        again = self.home.is_half_restored()
        if not again:
            self._refuse_what_is_in_the_way(folder, bucket, again=False)
        check(folder, contents)
        if again:  # and only now: where this backup is none, nothing has changed
            self._take_back(bucket)
            self._refuse_what_is_in_the_way(folder, bucket, again=True)
        self.home.note_restore(folder, [target for _, target in self._keys(folder) if not target.exists()])
        os.sync()  # a power cut leaves nothing without the note
        try:
            restored = self._put_all(folder, contents, bucket)
        except BaseException:
            self._take_back(bucket)
            if bucket is None and self._files:
                self.home.forget_restore()
            raise
        os.sync()  # nor a part without it
        self.home.forget_restore()
        return restored

    def _put_all(self, folder: Path, contents: Contents, bucket: S3Storage | None) -> Restored:
        for source, target in self._keys(folder):
            if not target.exists():
                make_private(target.parent)
                shutil.copy2(source, target)
        # Before the databases: what these know of is there when they are.
        if bucket is None:
            count = objects.restore_files(folder / "objects", self.home.objects)
        else:
            count = objects.restore_bucket(bucket, folder / "objects")
        return Restored(databases.restore(self.url, folder / "databases"), count, contents)

    def _take_back(self, bucket: S3Storage | None) -> None:
        """Removes what a restore has made in this home, which held nothing of the kind. What it made elsewhere stays:
        somebody else may have gone on with it since."""
        for path in self.home.made_by_restore():
            path.unlink(missing_ok=True)
        if bucket is None:
            for path in objects.files(self.home.objects):
                path.unlink(missing_ok=True)
        databases.take_back(self.url)

    def _refuse_what_is_in_the_way(self, folder: Path, bucket: S3Storage | None, *, again: bool) -> None:
        """`again`: after a restore that was killed, whose files are gone. What it has put elsewhere is there."""
        there = databases.in_the_way(self.url)
        if there is not None and again:
            raise BackupError(f"the restore that was broken off has made {there}: DROP it, and restore again")
        if there is None and bucket is None:
            there = next((str(path) for path in objects.files(self.home.objects)), None)
        elif there is None and bucket is not None:
            found = (one.key for one in bucket.list_objects(""))
            key = next((key for key in found if not (again and (folder / "objects" / key).is_file())), None)
            there = None if key is None else f"the object {key}"
        if there is None:
            differing = (str(target) for source, target in self._keys(folder) if _is_another(source, target))
            there = next(differing, None)
        if there is not None:
            raise BackupError(f"nothing is replaced: there is {there}")
        ask_for_room(self._bytes_to_put(folder, bucket))

    def _keys(self, folder: Path) -> Iterator[tuple[Path, Path]]:
        """Each file of keys and mails in a backup, and its place in the home. In a cluster's there is none."""
        for name in (self.home.secrets, self.home.mail):
            copied = folder / name.name
            yield from ((path, name / path.relative_to(copied)) for path in objects.files(copied))

    def _bytes_to_put(self, folder: Path, bucket: S3Storage | None) -> Iterator[tuple[Path, int]]:
        yield self.home.root, _bytes_of(source for source, _ in self._keys(folder))
        if bucket is None:
            yield self.home.objects, _bytes_of(objects.files(folder / "objects"))
        if self._files:
            yield databases.folder_of(self.url), _bytes_of(objects.files(folder / "databases"))

    def _bytes_here(self, bucket: S3Storage | None) -> int:
        """What is to be copied; of a dump of PostgreSQL nobody knows before."""
        copied = _bytes_of(databases.files(self.url))
        copied += sum(_bytes_of(objects.files(kept)) for kept in (self.home.secrets, self.home.mail))
        if bucket is None:
            return copied + _bytes_of(objects.files(self.home.objects))
        return copied + bytes_on_disk(found.size_bytes for found in bucket.list_objects(""))

    def _bucket_for(self, contents: Contents) -> S3Storage | None:
        """Where the objects of a backup belong; `None` for the home's own store. Raises BackupError where the settings
        name none of the kind: below the home they are below the name of their bucket."""
        if contents.bucket is None:
            return None if self._files and not self._store_elsewhere else self._bucket()
        if contents.bucket and not self._store_elsewhere and (self._files or contents.secrets):
            raise BackupError("the backup is of a platform with a bucket elsewhere: S3_ENDPOINT_URL says where")
        if not contents.bucket and self._store_elsewhere:
            raise BackupError("the backup is of a platform with a store of its own: restore it without S3_ENDPOINT_URL")
        return self._bucket() if contents.bucket else None

    def _bucket(self) -> S3Storage:
        return S3Storage.from_settings(self._storage, connections=objects.AT_ONCE)


def _bytes_of(files: Iterable[Path]) -> int:
    return bytes_on_disk(_sizes(files))


def _sizes(files: Iterable[Path]) -> Iterator[int]:
    for path in files:
        with suppress(FileNotFoundError):  # deleted meanwhile
            yield path.stat().st_size


def _is_another(source: Path, target: Path) -> bool:
    return target.exists() and target.read_bytes() != source.read_bytes()
