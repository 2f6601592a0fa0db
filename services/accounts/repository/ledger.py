"""Queries about balances and the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, insert, select, update

from services.accounts.ledger import Balance, LedgerAccount, Transfer
from services.accounts.models import AccountBalance, LedgerEntry, LedgerTransfer, Reservation
from services.accounts.reservations import State
from services.kit.database import ReadSession, WriteSession
from services.kit.ids import new_id

FINDINGS_MAX = 100


def open_account(session: WriteSession, account_id: str) -> Balance:
    session.execute(insert(AccountBalance).values(account_id=account_id, available=0, reserved=0, version=0))
    return Balance()


def balance(session: ReadSession, account_id: str) -> Balance | None:
    return _balance(session, account_id, lock=False)


def lock_balance(session: WriteSession, account_id: str) -> Balance | None:
    """The balance, locked until the transaction ends: an account's credits move one movement at a time."""
    return _balance(session, account_id, lock=True)


def _balance(session: ReadSession, account_id: str, *, lock: bool) -> Balance | None:
    # Columns instead of the object: a lock is worth nothing if an older copy answers from the session.
    query = select(AccountBalance.available, AccountBalance.reserved, AccountBalance.version).where(
        AccountBalance.account_id == account_id
    )
    row = session.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else Balance(row.available, row.reserved, row.version)


def post(
    session: WriteSession, account_id: str, before: Balance, transfer: Transfer, *, job_id: str | None, reason: str
) -> Balance:
    """Writes a transfer and returns the balance after it. The balance must be locked.

    Raises InsufficientCreditsError, and then has written nothing.
    """
    after = before.after(transfer)
    transfer_id = new_id("trf")
    session.execute(
        insert(LedgerTransfer).values(
            id=transfer_id,
            kind=transfer.kind,
            account_id=account_id,
            version=after.version,
            available_after=after.available,
            reserved_after=after.reserved,
            job_id=job_id,
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
        .values(available=after.available, reserved=after.reserved, version=after.version)
    )
    return after


@dataclass(frozen=True)
class StatementLine:
    """One movement as its account's owner sees it."""

    id: str
    kind: str
    version: int
    available_change: int
    reserved_change: int
    available_after: int
    reserved_after: int
    job_id: str | None
    reason: str
    created_at: datetime


def statement(session: ReadSession, account_id: str, *, before: int | None, limit: int) -> Sequence[StatementLine]:
    """The account's movements, newest first, from the one before version `before` on."""
    changes = (
        select(
            LedgerTransfer.id,
            LedgerTransfer.kind,
            LedgerTransfer.version,
            _sum_of(LedgerAccount.AVAILABLE).label("available_change"),
            _sum_of(LedgerAccount.RESERVED).label("reserved_change"),
            LedgerTransfer.available_after,
            LedgerTransfer.reserved_after,
            LedgerTransfer.job_id,
            LedgerTransfer.reason,
            LedgerTransfer.created_at,
        )
        .join(LedgerEntry, LedgerEntry.transfer_id == LedgerTransfer.id)
        .where(LedgerTransfer.account_id == account_id)
        .group_by(LedgerTransfer.id)
        .order_by(LedgerTransfer.version.desc())
        .limit(limit)
    )
    if before is not None:
        changes = changes.where(LedgerTransfer.version < before)
    return [
        StatementLine(
            **{
                **row._asdict(),
                "available_change": int(row.available_change),
                "reserved_change": int(row.reserved_change),
            }
        )
        for row in session.execute(changes)
    ]


def _sum_of(account: LedgerAccount):  # type: ignore[no-untyped-def]  # the type of a sum is SQLAlchemy's affair
    return func.coalesce(func.sum(case((LedgerEntry.ledger_account == account, LedgerEntry.credits), else_=0)), 0)


@dataclass(frozen=True)
class LedgerFindings:
    """What is wrong with the books; all lists empty and a total of 0 when nothing is."""

    transfers: int
    entries: int
    total_credits: int
    unbalanced_transfers: Sequence[str]
    wrong_balances: Sequence[str]
    wrong_holds: Sequence[str]


def check(session: ReadSession) -> LedgerFindings:
    """Adds the books up. Each question is one statement, so that it sees one moment while credits go on moving."""
    entries, total = session.execute(
        select(func.count(), func.coalesce(func.sum(LedgerEntry.credits), 0)).select_from(LedgerEntry)
    ).one()
    unbalanced = (
        select(LedgerTransfer.id)
        .outerjoin(LedgerEntry, LedgerEntry.transfer_id == LedgerTransfer.id)
        .group_by(LedgerTransfer.id)
        .having((func.count(LedgerEntry.transfer_id) < 2) | (func.sum(LedgerEntry.credits) != 0))
        .limit(FINDINGS_MAX)
    )
    wrong_balances = (
        select(AccountBalance.account_id)
        .outerjoin(LedgerTransfer, LedgerTransfer.account_id == AccountBalance.account_id)
        .outerjoin(LedgerEntry, LedgerEntry.transfer_id == LedgerTransfer.id)
        .group_by(AccountBalance.account_id)
        .having(
            (_sum_of(LedgerAccount.AVAILABLE) != AccountBalance.available)
            | (_sum_of(LedgerAccount.RESERVED) != AccountBalance.reserved)
        )
        .limit(FINDINGS_MAX)
    )
    held = case((Reservation.state == State.HELD, Reservation.price_credits), else_=0)
    wrong_holds = (
        select(AccountBalance.account_id)
        .outerjoin(Reservation, Reservation.account_id == AccountBalance.account_id)
        .group_by(AccountBalance.account_id)
        .having(func.coalesce(func.sum(held), 0) != AccountBalance.reserved)
        .limit(FINDINGS_MAX)
    )
    return LedgerFindings(
        transfers=session.execute(select(func.count()).select_from(LedgerTransfer)).scalar_one(),
        entries=entries,
        total_credits=int(total),
        unbalanced_transfers=session.execute(unbalanced).scalars().all(),
        wrong_balances=session.execute(wrong_balances).scalars().all(),
        wrong_holds=session.execute(wrong_holds).scalars().all(),
    )
