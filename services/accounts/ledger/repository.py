"""Queries about balances and the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, insert, select, update

from services.accounts.ledger.models import AccountBalance, LedgerEntry, LedgerTransfer
from services.accounts.ledger.transfers import (
    USER_ACCOUNTS,
    Balance,
    LedgerAccount,
    Source,
    SourceType,
    Transfer,
    TransferKind,
)
from services.kit.database import ReadSession, WriteSession
from services.kit.ids import new_id


def open_account(session: WriteSession, account_id: str) -> Balance:
    session.execute(insert(AccountBalance).values(account_id=account_id, available=0, reserved=0, debt=0, version=0))
    return Balance()


def balance(session: ReadSession, account_id: str) -> Balance | None:
    return _balance(session, account_id, lock=False)


def lock_balance(session: WriteSession, account_id: str) -> Balance | None:
    """The balance, locked until the transaction ends: an account's credits move one movement at a time."""
    return _balance(session, account_id, lock=True)


def _balance(session: ReadSession, account_id: str, *, lock: bool) -> Balance | None:
    # Columns instead of the object: a lock is worth nothing if an older copy answers from the session.
    row_of = AccountBalance
    query = select(row_of.available, row_of.reserved, row_of.debt, row_of.version).where(
        row_of.account_id == account_id
    )
    row = session.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else Balance(row.available, row.reserved, row.debt, row.version)


def post(
    session: WriteSession,
    account_id: str,
    before: Balance,
    transfer: Transfer,
    *,
    source: Source,
    reason: str,
    transfer_id: str | None = None,
) -> Balance:
    """Writes a transfer, under a new id if none is given, and returns the balance after it. The balance must be locked.

    Raises InsufficientCreditsError, and then has written nothing.
    """
    after = before.after(transfer)
    transfer_id = transfer_id or new_id("trf")
    session.execute(
        insert(LedgerTransfer).values(
            id=transfer_id,
            kind=transfer.kind,
            account_id=account_id,
            version=after.version,
            available_after=after.available,
            reserved_after=after.reserved,
            debt_after=after.debt,
            source_type=source.type,
            source_id=source.id,
            reason=reason,
            created_at=session.now(),
        )
    )
    session.execute(
        insert(LedgerEntry),
        [
            {"transfer_id": transfer_id, "ledger_account": entry.account, "credits": entry.credits}
            for entry in transfer.entries
        ],
    )
    session.execute(
        update(AccountBalance)
        .where(AccountBalance.account_id == account_id)
        .values(available=after.available, reserved=after.reserved, debt=after.debt, version=after.version)
    )
    return after


def posted(session: ReadSession, source: Source, kind: TransferKind) -> tuple[str, int] | None:
    """Whose credits this source has moved in this way, and how many they gained (lost where negative)."""
    row = session.execute(
        select(LedgerTransfer.account_id, func.sum(LedgerEntry.credits).label("gained"))
        .join(LedgerEntry, LedgerEntry.transfer_id == LedgerTransfer.id)
        .where(
            LedgerTransfer.source_type == source.type,
            LedgerTransfer.source_id == source.id,
            LedgerTransfer.kind == kind,
            LedgerEntry.ledger_account.in_(USER_ACCOUNTS),
        )
        .group_by(LedgerTransfer.account_id)
    ).one_or_none()
    return None if row is None else (row.account_id, int(row.gained))


@dataclass(frozen=True)
class StatementLine:
    """One movement as its account's owner sees it."""

    id: str
    kind: str
    version: int
    available_change: int
    reserved_change: int
    debt_change: int
    available_after: int
    reserved_after: int
    debt_after: int
    source: Source
    reason: str
    created_at: datetime


def statement(session: ReadSession, account_id: str, *, before: int | None, limit: int) -> Sequence[StatementLine]:
    """The account's movements, newest first, from the one before version `before` on."""
    # Which they are is decided before their entries are joined: a page reads a page's rows, however many there are.
    page = select(LedgerTransfer.id).where(LedgerTransfer.account_id == account_id)
    if before is not None:
        page = page.where(LedgerTransfer.version < before)
    chosen = page.order_by(LedgerTransfer.version.desc()).limit(limit).subquery()
    lines = (
        select(
            LedgerTransfer,
            sum_of(LedgerAccount.AVAILABLE).label("available_change"),
            sum_of(LedgerAccount.RESERVED).label("reserved_change"),
            sum_of(LedgerAccount.DEBT).label("paid_off"),
        )
        .join(chosen, chosen.c.id == LedgerTransfer.id)
        .join(LedgerEntry, LedgerEntry.transfer_id == LedgerTransfer.id)
        .group_by(LedgerTransfer.id)
        .order_by(LedgerTransfer.version.desc())
    )
    return [
        StatementLine(
            id=transfer.id,
            kind=transfer.kind,
            version=transfer.version,
            available_change=int(available_change),
            reserved_change=int(reserved_change),
            debt_change=-int(paid_off),
            available_after=transfer.available_after,
            reserved_after=transfer.reserved_after,
            debt_after=transfer.debt_after,
            source=Source(SourceType(transfer.source_type), transfer.source_id),
            reason=transfer.reason,
            created_at=transfer.created_at,
        )
        for transfer, available_change, reserved_change, paid_off in session.execute(lines)
    ]


def sum_of(account: LedgerAccount):  # type: ignore[no-untyped-def]  # the type of a sum is SQLAlchemy's affair
    """What the joined entries add up to on one account."""
    return func.coalesce(func.sum(case((LedgerEntry.ledger_account == account, LedgerEntry.credits), else_=0)), 0)
