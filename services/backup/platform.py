"""A platform's stores as a whole: what they are, into a folder, and back."""

import json
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from services.backup import databases, objects
from services.backup.errors import BackupError
from services.kit.s3 import S3Storage
from services.kit.settings import StorageSettings, sqlite_url
from services.local.home import Home, make_private, write_private
from services.local.settings import LocalSettings

CONTENTS = "backup.json"


@dataclass(frozen=True)
class Contents:
    """What a backup says of itself."""

    version: str
    made_at: str
    services: list[str]
    objects: int
    secrets: bool
    """Whether the keys of the platform are in it. In a cluster they are where its secrets are kept."""


class Stores:
    """The stores of the platform that the settings name: those in the home, or elsewhere."""

    def __init__(self, settings: LocalSettings, storage: StorageSettings) -> None:
        self.home = Home(settings.home)
        self.url = (
            settings.database_url.get_secret_value()
            if settings.database_url is not None
            else sqlite_url(self.home.data)
        )
        # Amazon's own store has no address: a home without objects is what tells.
        keeps_objects = settings.s3_endpoint_url is None and databases.is_sqlite(self.url)
        self.bucket = None if keeps_objects else S3Storage.from_settings(storage, connections=objects.AT_ONCE)

    def back_up(self, folder: Path) -> Contents:
        """Copies everything into a folder that is empty or not there. The platform may run. Raises BackupError."""
        new = not folder.exists()
        if not new and any(folder.iterdir()):
            raise BackupError(f"{folder} is not empty: name a folder that is, or that is not there")
        make_private(folder)
        try:
            return self._copy_all(folder)
        except BaseException:
            # All that is there is of this run, and would be in the way of the next.
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            if new:
                folder.rmdir()
            raise

    def _copy_all(self, folder: Path) -> Contents:
        services = databases.back_up(self.url, folder / "databases")
        # After the databases: what these know of is there, and what came later does no harm.
        if self.bucket is None:
            count = objects.back_up_files(self.home.objects, folder / "objects")
        else:
            count = objects.back_up_bucket(self.bucket, folder / "objects")
        secrets = self.home.secrets.is_dir()
        for name in (self.home.secrets, self.home.mail) if secrets else ():
            shutil.copytree(name, folder / name.name)
        contents = Contents(
            version("stemwright"), datetime.now(UTC).isoformat(timespec="seconds"), services, count, secrets
        )
        # Last: a backup that was broken off has none, and is none.
        write_private(folder / CONTENTS, json.dumps(asdict(contents), indent=2).encode())
        return contents

    def restore(self, folder: Path) -> Contents:
        """Puts a backup into stores that hold nothing. Raises BackupError."""
        contents = read(folder)
        if not databases.fits(self.url, folder / "databases"):
            raise BackupError("the backup is of another kind of database than DATABASE_URL names")
        self._refuse_what_is_in_the_way()
        if self.bucket is None or contents.secrets:
            self.home.make()
        if contents.secrets:
            for name in (self.home.secrets, self.home.mail):
                shutil.copytree(folder / name.name, name, dirs_exist_ok=True)
        # Before the databases: what these know of is there when they are.
        if self.bucket is None:
            shutil.copytree(folder / "objects", self.home.objects, dirs_exist_ok=True)
        else:
            objects.restore_bucket(self.bucket, folder / "objects")
        databases.restore(self.url, folder / "databases")
        return contents

    def _refuse_what_is_in_the_way(self) -> None:
        there = databases.in_the_way(self.url)
        if there is None and self.bucket is None:
            kept = self.home.objects.rglob("*") if self.home.objects.is_dir() else iter(())
            there = next((str(path) for path in kept if path.is_file()), None)
        elif there is None and self.bucket is not None:
            found = next(self.bucket.list_objects(""), None)
            there = None if found is None else f"the object {found.key}"
        if there is not None:
            raise BackupError(f"nothing is replaced: there is {there}")


def read(folder: Path) -> Contents:
    """What a backup says of itself. Raises BackupError for a folder that is none, or was broken off."""
    try:
        return Contents(**json.loads((folder / CONTENTS).read_bytes()))
    except (OSError, ValueError, TypeError):
        raise BackupError(f"{folder} is no backup, or one that was broken off: it has no {CONTENTS}") from None
