"""Restores that end in the middle, backups that are not whole, and disks that are full."""

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from services.backup import databases, objects, room
from services.backup.contents import read
from services.backup.databases import ORDER
from services.backup.errors import BackupError
from services.backup.platform import Stores
from services.kit.s3 import S3Storage
from services.kit.settings import StorageSettings
from services.kit.storage import ObjectInfo
from services.local.errors import HalfRestored, HomeInUse
from services.local.home import Home
from services.local.platform import Platform
from services.local.settings import LocalSettings
from tests.services.backup.test_backup import local, rows, run

SONG = Path("objects", "stemwright", "sources", "upl_1", "original")
NO_ROOM = OSError(errno.ENOSPC, "No space left on device", "a-file")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a little of everything, and a backup of it."""
    made = tmp_path_factory.mktemp("made")
    home = Home(made / "home")
    home.make()
    home.sealing_key()
    for service in ORDER:
        with closing(sqlite3.connect(home.data / f"{service}.db")) as database:
            database.executescript("PRAGMA journal_mode=WAL; CREATE TABLE kept (what); INSERT INTO kept VALUES (1)")
    for number in (1, 2):
        song = home.root / SONG.parents[1] / f"upl_{number}" / SONG.name
        song.parent.mkdir(parents=True)
        song.write_bytes(b"a song" * 1000)
    local(home.root).back_up(made / "copy")
    return made


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("DATABASE_URL", "S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    return Home(shutil.copytree(made / "home", tmp_path / "home"))


@pytest.fixture
def copy(made: Path, home: Home) -> Path:
    """The backup, of the home at hand or one like it."""
    return shutil.copytree(made / "copy", home.root.parent / "copy")


@pytest.fixture
def anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home that the commands restore into."""
    monkeypatch.setenv("STEMWRIGHT_HOME", str(tmp_path / "anew"))
    return tmp_path / "anew"


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def assert_whole(anew: Path, home: Home) -> None:
    for kept in ("objects", "secrets", "mail"):
        assert files(anew / kept) == files(home.root / kept)
    assert sorted(path.name for path in (anew / "data").iterdir()) == sorted(f"{service}.db" for service in ORDER)
    for service in ORDER:
        assert rows(anew / "data" / f"{service}.db") == rows(home.data / f"{service}.db")
    assert not Home(anew).is_half_restored()


KILLED = """
import os, signal, sys
from pathlib import Path
from services.backup import databases
def killed(url, folder):
    data = Path(os.environ["STEMWRIGHT_HOME"], "data")
    (data / "accounts.db").touch()
    (data / ".accounts.db.restoring").touch()
    os.kill(os.getpid(), signal.SIGKILL)
databases.restore = killed
from services.cli import main
main(["restore", sys.argv[1]])
"""


def test_a_restore_that_was_killed_starts_as_no_platform_and_is_begun_anew(home: Home, copy: Path, anew: Path) -> None:
    environment = {**os.environ, "STEMWRIGHT_HOME": str(anew)}
    killed = subprocess.run([sys.executable, "-c", KILLED, copy], env=environment, check=False)
    assert (killed.returncode, (anew / SONG).exists()) == (-signal.SIGKILL, True)

    nothing_elsewhere: dict[str, Any] = {"database_url": None, "s3_endpoint_url": None}
    with pytest.raises(HalfRestored, match=f"`stemwright restore {copy}` removes that half"):
        Platform(LocalSettings(home=anew, **nothing_elsewhere)).__enter__()
    assert "its restore was broken off" in run("backup", anew.parent / "half").output
    # A backup that is none changes nothing, and the next that is one begins anew.
    damaged = shutil.copytree(copy, anew.parent / "damaged")
    (damaged / SONG).unlink()
    assert "is not whole" in run("restore", damaged).output
    assert Home(anew).is_half_restored()
    again = run("restore", copy)
    assert again.exit_code == 0, again.output
    assert_whole(anew, home)


@pytest.mark.parametrize("existing", [False, True])
def test_a_restore_that_fails_removes_what_it_made(
    home: Home, copy: Path, anew: Path, existing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if existing:
        Home(anew).make()
        (anew / "mail" / "another.eml").write_text("a mail")
        (anew / "run" / "lock").unlink()
    before = files(anew)
    put = databases._put

    def full(copy: Path, target: Path) -> None:
        put(copy, target)
        raise NO_ROOM

    with monkeypatch.context() as disk:
        disk.setattr(databases, "_put", full)
        failed = run("restore", copy)
    assert (failed.exit_code, failed.output) == (1, "Error: a-file: No space left on device\n")
    (anew / "run" / "lock").unlink(missing_ok=True)
    assert (anew.exists(), files(anew)) == (existing, before)
    assert run("restore", copy).exit_code == 0
    (anew / "mail" / "another.eml").unlink(missing_ok=True)
    assert_whole(anew, home)


def test_a_restore_that_is_asked_to_end_removes_what_it_made_too(
    copy: Path, anew: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(databases, "restore", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    assert run("restore", copy).exit_code == 128 + signal.SIGTERM
    assert not anew.exists()
    assert signal.getsignal(signal.SIGTERM) == before


def test_under_nohup_a_restore_goes_on_when_its_terminal_is_closed(
    copy: Path, anew: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore, before = databases.restore, signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def meanwhile(url: str, folder: Path) -> list[str]:
        os.kill(os.getpid(), signal.SIGHUP)
        return restore(url, folder)

    monkeypatch.setattr(databases, "restore", meanwhile)
    try:
        assert run("restore", copy).exit_code == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert_whole(anew, home)


def test_a_home_belongs_to_its_restore_while_it_lasts(copy: Path, anew: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.local.home.LOCK_SECONDS", 0.0)
    restore = databases.restore

    def meanwhile(url: str, folder: Path) -> list[str]:
        with (
            pytest.raises(HomeInUse, match=rf"is being restored into .*\(process {os.getpid()}\)"),
            Home(anew).locked(),
        ):
            pass
        assert "A backup is being restored" in run("status").output
        return restore(url, folder)

    monkeypatch.setattr(databases, "restore", meanwhile)
    assert run("restore", copy).exit_code == 0


def test_keys_are_not_replaced_either(copy: Path, anew: Path) -> None:
    there = Home(anew)
    there.make()
    key = there.sealing_key()
    refused = run("restore", copy)
    assert (refused.exit_code, "nothing is replaced: there is" in refused.output) == (1, True)
    assert there.sealing_key() == key


def remove(name: str | Path) -> Callable[[Path], None]:
    return lambda copy: (copy / name).unlink()


def flip(name: str | Path) -> Callable[[Path], None]:
    def change(copy: Path) -> None:
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(content)

    return change


def break_off(copy: Path) -> None:
    """As scp does it, in the order of names."""
    shutil.rmtree(copy / "objects")
    (copy / "files.jsonl").unlink()


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a database is missing": (remove("databases/upload.db"), "databases/upload.db is missing"),
    "an object is missing": (remove(SONG), f"{SONG} is missing"),
    "a key is missing": (remove("secrets/notifier-sealing-key"), "secrets/notifier-sealing-key is missing"),
    "a byte of a song": (flip(SONG), f"{SONG} is damaged"),
    "a byte of a database": (flip("databases/accounts.db"), "databases/accounts.db is damaged"),
    "a byte of the listing": (flip("files.jsonl"), "files.jsonl is missing or damaged"),
    "a song is cut": (lambda copy: os.truncate(copy / SONG, 100), f"{SONG} has 100 of 6000 bytes"),
    "a file too many": (lambda copy: (copy / "objects" / "x").touch(), "objects/x is not of it"),
    "broken off": (break_off, "files.jsonl is missing or damaged"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_backup_that_is_not_whole_is_not_restored(copy: Path, anew: Path, damage: str) -> None:
    change, said = DAMAGE[damage]
    change(copy)
    for arguments in (("restore", "--check"), ("restore",)):
        refused = run(*arguments, copy)
        assert (refused.exit_code, refused.output) == (1, f"Error: {copy} is not whole: {said}\n")
    assert not anew.exists()


def test_a_backup_is_checked_without_a_place_for_it(copy: Path, anew: Path) -> None:
    whole = run("restore", "--check", copy)
    assert (whole.exit_code, whole.output.startswith(f"{copy} is whole, as of 2")) == (0, True)
    assert not anew.exists()


def test_what_an_older_version_made_is_restored_by_what_it_says(home: Home, copy: Path, anew: Path) -> None:
    (copy / "files.jsonl").unlink()
    said = json.loads((copy / "backup.json").read_text())
    fields = ("version", "made_at", "services", "objects", "secrets")
    (copy / "backup.json").write_text(json.dumps({name: said[name] for name in fields}))
    for name, complaint in ((SONG, "it has 1 of 2 objects"), ("databases/upload.db", "databases/upload.db is missing")):
        part = shutil.copytree(copy, copy.parent / Path(name).name)
        (part / name).unlink()
        assert run("restore", part).output == f"Error: {part} is not whole: {complaint}\n"
    assert not anew.exists()
    restored = run("restore", copy)
    assert (restored.exit_code, "could not be checked" in restored.output) == (0, True)
    assert_whole(anew, home)


def test_a_disk_that_is_too_small_is_told_in_one_line_before_anything_is_written(
    home: Home, copy: Path, anew: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "free_for_us", lambda _folder: 10_000)
    said = "Error: there is no room on the disk of {}: 0.1 MB are needed, and 0.0 MB are left\n"
    refused = run("restore", copy)
    assert (refused.exit_code, refused.output) == (1, said.format(anew))
    assert not anew.exists()
    monkeypatch.setenv("STEMWRIGHT_HOME", str(home.root))
    refused = run("backup", copy.parent / "another")
    assert (refused.exit_code, refused.output) == (1, said.format(copy.parent))
    assert not (copy.parent / "another").exists()


def test_the_first_of_many_complaints_about_a_copy_is_told(
    home: Home, anew: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: Any) -> None:
        raise shutil.Error([(f"from-{name}", f"to-{name}", f"[Errno 28] No space left: 'to-{name}'") for name in "ab"])

    monkeypatch.setenv("STEMWRIGHT_HOME", str(home.root))
    monkeypatch.setattr(shutil, "copytree", full)
    assert run("backup", anew).output == "Error: [Errno 28] No space left: 'to-a'\n"


def on_postgres(home: Path, endpoint: str | None = None) -> Stores:
    return Stores(
        LocalSettings(home=home, database_url=SecretStr("postgresql://127.0.0.1:1/x"), s3_endpoint_url=endpoint),
        StorageSettings(),
    )


def test_a_home_keeps_its_objects_where_only_its_databases_are_elsewhere(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dump(_url: str, folder: Path) -> list[str]:
        folder.mkdir()
        (folder / "postgres-0.dump").write_bytes(b"a dump")
        return ["accounts"]

    monkeypatch.setattr(databases, "back_up", dump)
    monkeypatch.setattr(databases, "restore", lambda _url, _folder: ["accounts"])
    monkeypatch.setattr(databases, "in_the_way", lambda _url: None)
    monkeypatch.setattr(objects, "back_up_bucket", None)
    contents = on_postgres(home.root).back_up(tmp_path / "copy")
    assert (contents.objects, contents.bucket, read(tmp_path / "copy")) == (2, False, contents)

    on_postgres(tmp_path / "anew").restore(tmp_path / "copy")
    assert files(tmp_path / "anew" / "objects") == files(home.objects)
    with pytest.raises(BackupError, match="restore it without S3_ENDPOINT_URL"):
        on_postgres(tmp_path / "other", "http://127.0.0.1:1").restore(tmp_path / "copy")
    assert not (tmp_path / "other").exists()


def test_objects_of_a_bucket_are_not_put_into_a_home(copy: Path, anew: Path) -> None:
    said = json.loads((copy / "backup.json").read_text())
    (copy / "backup.json").write_text(json.dumps({**said, "bucket": True}))
    assert "S3_ENDPOINT_URL says where" in run("restore", copy).output
    assert not anew.exists()


class Bucket:
    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def list_objects(self, _prefix: str) -> Iterator[ObjectInfo]:
        return (ObjectInfo(key, 1, "") for key in self.keys)


def test_what_a_restore_that_was_killed_made_elsewhere_is_not_removed(
    copy: Path, anew: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = on_postgres(anew, "http://127.0.0.1:1")
    own, another = (cast("S3Storage", Bucket(key)) for key in ("stemwright/sources/upl_1/original", "another"))
    monkeypatch.setattr(databases, "in_the_way", lambda _url: None)
    stores._refuse_what_is_in_the_way(copy, own, again=True)
    for bucket, again, key in ((own, False, "stemwright/sources"), (another, True, "another")):
        with pytest.raises(BackupError, match=f"nothing is replaced: there is the object {key}"):
            stores._refuse_what_is_in_the_way(copy, bucket, again=again)
    monkeypatch.setattr(databases, "in_the_way", lambda _url: "the schema accounts")
    with pytest.raises(BackupError, match="has made the schema accounts: DROP it"):
        stores._refuse_what_is_in_the_way(copy, own, again=True)


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o700)


def test_all_that_a_program_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "pg_dump: error: aborting because of server version mismatch\npg_dump: detail: server version: 18"
    program(tmp_path, "pg_dump", f"echo '{said}' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(BackupError) as failed:
        databases._run("pg_dump", connection="postgresql://127.0.0.1:1/x")
    told = "pg_dump failed: error: aborting because of server version mismatch; detail: server version: 18"
    assert str(failed.value) == told


@pytest.mark.postgres
def test_a_client_that_is_older_than_the_server_is_named_with_the_one_that_fits(
    postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "pg_dump", "echo 'pg_dump (PostgreSQL) 9.6 (Debian 9.6-1)'")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(BackupError, match=r"of PostgreSQL 9 and the server of 1\d.*postgresql-client-1\d"):
        databases._refuse_another_version("pg_dump", postgres_server.replace("{database}", "postgres"))
