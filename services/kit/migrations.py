"""Schema migrations: one Alembic history per service, run by `stemwright migrate` and by tests.

A service's `migrations/env.py` calls `run_env(Base.metadata)`; its first revision calls `create_kit_tables()`.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

from alembic import command, context, op
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Column, MetaData, String, Table, text

from services.kit.database import NAMING, Database, UtcDateTime
from services.kit.tables import ERASED_ACCOUNTS, IDEMPOTENCY, KIT_METADATA, OUTBOX, OUTBOX_REFUSED

SERVICES_WITH_DATABASE = ("accounts", "upload", "orchestrator", "notifier")

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


def migrate(url: str, service: str, revision: str = "head") -> None:
    """Brings the database of a service to `revision`. Blocks; safe to run twice and by two processes at once."""
    database = Database(url, service)
    try:
        with database.write_engine.begin() as connection:
            if not database.is_sqlite:
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("SET LOCAL lock_timeout = 0"))
                # Replicas that start together must not migrate together.
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"migrate:{service}"}
                )
                connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{service}"'))
            config = alembic_config(service)
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    finally:
        database.close()


def run_env(metadata: MetaData) -> None:
    """The body of every `migrations/env.py`: runs the revisions on the connection that `migrate` opened."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=[metadata, KIT_METADATA],
        transaction_per_migration=False,
        render_as_batch=True,
    )
    # `migrate` owns the transaction, so that a migration that fails leaves nothing behind.
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
