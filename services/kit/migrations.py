"""Schema migrations: one Alembic history per service, run by `stemwright migrate` and by tests.

A service's `migrations/env.py` calls `run_env()`; its first revision calls `create_kit_tables()`.
"""

import logging
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from alembic import command, context, op
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, text

from services.kit.database import NAMING, Database, DatabaseContended, UtcDateTime
from services.kit.tables import ERASED_ACCOUNTS, IDEMPOTENCY, KIT_METADATA, LEASES, OUTBOX, OUTBOX_REFUSED

log = logging.getLogger(__name__)

LOCK_SECONDS = 3.0
LOCK_TRIES = 20
LOCK_PAUSE_SECONDS = 1.0


_INBOX = Table(
    "inbox",
    MetaData(naming_convention=NAMING),
    Column("consumer", String(80), primary_key=True),
    Column("event_id", String(80), primary_key=True),
    Column("received_at", UtcDateTime, nullable=False, index=True),
)
"""Which event ids were seen: services began with it, and every effect turned out to be bound to something else."""
FIRST_TABLES = (OUTBOX, _INBOX, IDEMPOTENCY)


def alembic_config(service: str) -> Config:
    """Alembic's configuration for the history of one service."""
    config = Config()
    config.set_main_option("script_location", str(Path(str(files(f"services.{service}"))) / "migrations"))
    return config


def migrate(url: str, service: str, revision: str = "head", *, pooled: bool = False) -> None:
    """Brings the database of a service to `revision`. Blocks; safe to run twice and by two processes at once.

    On PostgreSQL each revision is a transaction of its own. None waits longer than `LOCK_SECONDS` for a table that is
    in use: behind a waiting migration every request would queue. It gives way and comes again, `LOCK_TRIES` times in
    all. Raises CommandError for a database of another version, SQLAlchemyError for one that cannot be used or stays
    busy.
    """
    database = Database(url, service, pooled=pooled)
    config = alembic_config(service)
    try:
        if database.is_sqlite:
            # One writer at a time anyway, and a migration that fails leaves nothing behind.
            with database.write_engine.begin() as connection:
                _upgrade(connection, config, revision)
        else:
            _migrate_postgres(database, config, revision)
    finally:
        database.close()


def pending(database: Database, revision: str = "head") -> list[str]:
    """Revisions that the database still has to come to, in their order. Raises CommandError, SQLAlchemyError."""
    with database.write_engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    script = ScriptDirectory.from_config(alembic_config(database.service))
    return [step.revision for step in script.iterate_revisions(revision, current or "base")][::-1]


def _migrate_postgres(database: Database, config: Config, revision: str) -> None:
    engine, service = database.write_engine, database.service
    # Replicas that start together must not migrate together. The lock's transaction stays open for it.
    with engine.begin() as lock:
        lock.execute(text("SET LOCAL statement_timeout = 0"))
        lock.execute(text("SET LOCAL lock_timeout = 0"))
        lock.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        lock.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"migrate:{service}"})
        with engine.begin() as connection:
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{service}"'))
        for step in pending(database, revision):
            _step(engine, config, step)


def _step(engine: Engine, config: Config, revision: str) -> None:
    for left in reversed(range(LOCK_TRIES)):
        try:
            with engine.begin() as connection:
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text(f"SET LOCAL lock_timeout = {int(LOCK_SECONDS * 1000)}"))
                _upgrade(connection, config, revision)
        except DatabaseContended as error:
            if not left:
                raise
            log.info("revision %s gives way and comes again: %s", revision, error.orig)
            time.sleep(LOCK_PAUSE_SECONDS)
        else:
            return


def _upgrade(connection: Connection, config: Config, revision: str) -> None:
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def run_env() -> None:
    """The body of every `migrations/env.py`: runs the revisions on the connection that `migrate` opened.

    They say themselves what they make. The models are compared with it by tests (`drift`) and not loaded here: those of
    four services bring a web framework along, and would take most of the time of a migration.
    """
    context.configure(
        connection=context.config.attributes["connection"],
        transaction_per_migration=False,
        render_as_batch=True,
    )
    # `migrate` owns the transactions.
    context.run_migrations()


def create_kit_tables() -> None:
    """First version of the kit's tables, for a service's first revision."""
    for table in FIRST_TABLES:
        table.create(op.get_bind())


def drop_kit_tables() -> None:
    """Undoes `create_kit_tables`."""
    for table in FIRST_TABLES:
        table.drop(op.get_bind())


def drop_inbox() -> None:
    """For a service's later revision."""
    _INBOX.drop(op.get_bind())


def create_inbox() -> None:
    """Undoes `drop_inbox`."""
    _INBOX.create(op.get_bind())


def create_refused_table() -> None:
    """The table of events that the brokers refuse, for a service's later revision."""
    OUTBOX_REFUSED.create(op.get_bind())


def drop_refused_table() -> None:
    """Undoes `create_refused_table`."""
    OUTBOX_REFUSED.drop(op.get_bind())


def create_leases() -> None:
    """The table of leases, for a service's later revision."""
    LEASES.create(op.get_bind())


def drop_leases() -> None:
    """Undoes `create_leases`."""
    LEASES.drop(op.get_bind())


def create_erased_table() -> None:
    """The table of accounts that were erased, for a later revision of a service that holds something of them."""
    ERASED_ACCOUNTS.create(op.get_bind())


def drop_erased_table() -> None:
    """Undoes `create_erased_table`."""
    ERASED_ACCOUNTS.drop(op.get_bind())


def drift(database: Database, metadata: MetaData) -> list[Any]:
    """Differences between the models and the migrated schema; empty when they agree."""
    with database.write_engine.connect() as connection:
        migration_context = MigrationContext.configure(connection, opts={"compare_type": True})
        whole: Any = [metadata, KIT_METADATA]
        return list(compare_metadata(migration_context, whole))
