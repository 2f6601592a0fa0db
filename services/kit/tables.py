"""The tables that the kit keeps in every database: outbox (and what of it was refused), inbox, idempotency."""

from typing import Any

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table, text

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

INBOX = Table(
    "inbox",
    KIT_METADATA,
    Column("consumer", String(80), primary_key=True),
    Column("event_id", String(80), primary_key=True),
    Column("received_at", UtcDateTime, nullable=False, index=True),
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
