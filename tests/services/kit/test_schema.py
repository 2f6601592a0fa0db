"""Schemas: whether one is there and new enough, who waits for it, and migrations that get in nobody's way."""

import threading
from pathlib import Path

import psycopg
import pytest
from alembic.script import ScriptDirectory
from click.testing import CliRunner
from fastapi.testclient import TestClient
from sqlalchemy import text

from services.cli import main
from services.kit import migrations, process
from services.kit.app import create_app
from services.kit.database import Database, DatabaseContended
from services.kit.health import NotReady
from services.kit.ids import new_id
from services.kit.migrations import alembic_config, migrate, pending
from services.kit.schema import SERVICES_WITH_DATABASE, SchemaMissing, check_schema, newest, revision_of
from tests.databases import MakeDatabase, on_sqlite


@pytest.mark.parametrize("service", SERVICES_WITH_DATABASE)
def test_the_newest_revision_is_the_one_that_migrations_lead_to(service: str) -> None:
    assert newest(service) == ScriptDirectory.from_config(alembic_config(service)).get_current_head()


def set_revision(database: Database, revision: str) -> None:
    with database.write_engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


@on_sqlite
def test_an_older_schema_is_not_enough_and_a_newer_one_is(make_database: MakeDatabase) -> None:
    database = make_database("upload")
    check_schema(database)
    set_revision(database, "0001")
    with pytest.raises(SchemaMissing, match="upload is at revision 0001, not yet at 00"):
        check_schema(database)
    set_revision(database, "9999")
    check_schema(database)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_database_that_was_never_migrated_is_told_from_one_that_is_away(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/{{service}}.db" if kind == "sqlite" else empty_database(request)
    database = Database(url, "notifier")
    with pytest.raises(SchemaMissing, match="no schema: run `stemwright migrate`"):
        check_schema(database)
    database.close()


class Task:
    name = "task"

    def __init__(self) -> None:
        self.begun = threading.Event()

    def run(self, stop: threading.Event) -> None:
        self.begun.set()
        stop.wait()


def test_tasks_begin_when_what_they_need_is_there_and_until_then_the_service_is_not_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "PREREQUISITE_SECONDS", 0.01)
    monkeypatch.setattr("services.kit.health.READINESS_CACHE_SECONDS", 0.0)
    there, looked = threading.Event(), threading.Semaphore(0)

    def check() -> None:
        looked.release()
        if not there.is_set():
            raise NotReady("no schema")

    task = Task()
    with TestClient(create_app(name="test", title="Test", tasks=[task], prerequisites={"database": check})) as client:
        for _ in range(3):
            assert looked.acquire(timeout=60)
        assert client.get("/readyz").json()["problems"] == {"database": "no schema"}
        assert not task.begun.is_set()
        there.set()
        assert task.begun.wait(60)
        assert client.get("/readyz").status_code == 200


def test_a_process_that_waits_for_what_its_tasks_need_can_be_stopped() -> None:
    def never() -> None:
        raise NotReady("no schema")

    task = Task()
    with TestClient(create_app(name="test", title="Test", tasks=[task], prerequisites={"database": never})):
        pass
    assert not task.begun.is_set()


def test_the_command_says_whether_every_schema_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/{{service}}.db")
    command = CliRunner()
    missing = command.invoke(main, ["migrate", "notifier", "--check"])
    assert (missing.exit_code, missing.output) == (
        1,
        "Error: the database of notifier has no schema: run `stemwright migrate`\n",
    )
    assert list(tmp_path.iterdir()) == []  # it has made no file either
    assert command.invoke(main, ["migrate", "notifier"]).exit_code == 0
    there = command.invoke(main, ["migrate", "notifier", "--check"])
    assert (there.exit_code, there.output) == (0, "notifier: schema is up to date\n")


def empty_database(request: pytest.FixtureRequest) -> str:
    template: str = request.getfixturevalue("postgres_server")
    name = f"empty_{new_id('job').lower()}"
    with psycopg.connect(template.replace("{database}", "postgres"), autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return template.replace("{database}", name)


@pytest.mark.postgres
def test_a_migration_gives_way_to_whoever_uses_its_table_and_goes_on_where_it_was(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_SECONDS", 0.05)
    monkeypatch.setattr(migrations, "LOCK_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(migrations, "LOCK_TRIES", 2)
    url = empty_database(request)
    migrate(url, "upload", "0002")
    database = Database(url, "upload")
    try:
        with psycopg.connect(url) as reader:
            reader.execute("LOCK TABLE upload.inbox IN ACCESS SHARE MODE")  # which revision 0004 drops
            with pytest.raises(DatabaseContended):
                migrate(url, "upload", "0004")
            assert revision_of(database) == "0003"  # what came before is there to stay
        migrate(url, "upload", "0004")
        assert revision_of(database) == "0004"
        assert "0004" not in pending(database)
    finally:
        database.close()
