"""What tests of every service say of accounts that are erased."""

from typing import Any

from sqlalchemy import MetaData, select, update

from services.kit.database import Database
from services.kit.erasures import Eraser
from services.kit.events.codec import Draft, Event, OutgoingEvent, Record, decode, encode
from services.kit.events.topics import ACCOUNTS
from services.kit.protos import accounts_pb2
from services.kit.tables import ERASED_ACCOUNTS, KIT_METADATA, OUTBOX
from tests.messages import sample


def erased(account_id: str) -> Event:
    """The news that the account was erased, as it comes out of the event log."""
    message = sample(accounts_pb2.AccountErased)
    message.account_id = account_id
    event = decode(Draft(encode(OutgoingEvent(ACCOUNTS, key=account_id, data=message))))
    assert event is not None
    return event


def hear(eraser: Eraser, account_id: str) -> None:
    """The news arrives, in a transaction of its own."""
    eraser.handlers[accounts_pb2.AccountErased](erased(account_id))


def publish(database: Database) -> None:
    """The event log takes what is in the outbox."""
    with database.write() as session:
        session.execute(update(OUTBOX).values(published_at=session.now()))


def receipts(database: Database) -> list[Any]:
    """Receipts in the outbox."""
    with database.read() as session:
        rows = session.execute(select(OUTBOX).order_by(OUTBOX.c.id)).all()
    records = [Record(row.topic, row.key, row.value, [(n, v.encode()) for n, v in row.headers]) for row in rows]
    events = [decode(Draft(record)) for record in records]
    return [event.data for event in events if event and isinstance(event.data, accounts_pb2.AccountErasureReceipt)]


def counts_of(receipt: Any) -> dict[str, int]:
    """What a receipt says was deleted."""
    return {records.kind: records.count for records in receipt.erased}


def everything_in(database: Database, metadata: MetaData) -> str:
    """Every value of every row, the kit's tables too, but not the note that an account was erased."""
    tables = [*metadata.sorted_tables, *KIT_METADATA.sorted_tables]
    with database.read() as session:
        return "\n".join(
            str(tuple(row))
            for table in tables
            if table.name != ERASED_ACCOUNTS.name
            for row in session.execute(select(table))
        )
