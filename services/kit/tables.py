"""The tables that the kit keeps in every database: outbox (and what of it was refused), idempotency, leases; and those
accounts that were erased, where a service holds something of accounts."""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, text

from services.kit.database import NAMING, JsonDocument, RowNumber, UtcDateTime

KIT_METADATA = MetaData(naming_convention=NAMING)


def _record() -> list[Column[Any]]:
    """What the outbox keeps of an event, in the order of its records."""
    return [
        Column("id", RowNumber, primary_key=True, autoincrement=True),
        Column("topic", String(120), nullable=False),
        Column("partition", Integer, nullable=True),
        Column("key", LargeBinary, nullable=False),
        Column("value", LargeBinary, nullable=False),
        Column("headers", JsonDocument, nullable=False),
        Column("created_at", UtcDateTime, nullable=False),
    ]


OUTBOX = Table(
    "outbox",
    KIT_METADATA,
    *_record(),
    Column("published_at", UtcDateTime, nullable=True),
)
Index(
    "ix_outbox_unpublished",
    OUTBOX.c.id,
    sqlite_where=text("published_at IS NULL"),
    postgresql_where=text("published_at IS NULL"),
)

OUTBOX_REFUSED = Table(
    "outbox_refused",
    KIT_METADATA,
    *_record(),
    Column("refused_at", UtcDateTime, nullable=False, index=True),
    Column("reason", String(300), nullable=False),
)

IDEMPOTENCY = Table(
    "idempotency",
    KIT_METADATA,
    Column("account_id", String(40), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("operation", String(80), nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("resource_id", String(80), nullable=False),
    Column("status", Integer, nullable=True),
    Column("body", JsonDocument, nullable=True),
    Column("created_at", UtcDateTime, nullable=False, index=True),
)

LEASES = Table(
    "leases",
    KIT_METADATA,
    Column("name", String(40), primary_key=True),
    Column("term", BigInteger, nullable=False),
    Column("holder", String(100), nullable=False),
    Column("until", UtcDateTime, nullable=False),
)
"""Of PostgreSQL; see `services.kit.leadership`."""

ERASED_ACCOUNTS = Table(
    "erased_accounts",
    MetaData(naming_convention=NAMING),
    Column("account_id", String(40), primary_key=True),
    Column("erasure_id", String(40), nullable=False),
    Column("heard_at", UtcDateTime, nullable=False),
    # How many of what were deleted, by kind.
    Column("erased", JsonDocument, nullable=False),
    Column("finished_at", UtcDateTime, nullable=True, index=True),
)
"""In metadata of its own: services take it into theirs with `to_metadata`."""
