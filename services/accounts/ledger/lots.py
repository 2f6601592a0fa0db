"""Credits that expire: which are used first, and what becomes of what is left.

A lot is what one transfer brought that has an end. What an account has beside its lots never expires, so whatever is
bought needs none. A lot's credits are available, held for jobs, spent or lapsed, and each of them is one of these.

    brought      available                  less what paid off a debt, which is spent
    hold         available -> held          the lot that ends soonest first, what never expires last
    capture      held      -> spent         also after the end: a hold keeps what it holds
    give back    held      -> available     what pays off a debt is spent, soonest first
    take         available -> spent         of a refund or chargeback what never expires first, as it took that away
    lapse        available -> lapsed        after the end, by a transfer of its own, before anything else moves

Every function works inside the caller's transaction, with the account's balance locked.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select

from services.accounts.ledger import repository as ledger
from services.accounts.ledger.models import CreditLot, LotHold
from services.accounts.ledger.transfers import Balance, Source, SourceType, TransferKind, move
from services.kit.database import ReadSession, WriteSession

SHOWN_MAX = 100
BATCH = 200


def bring(session: WriteSession, transfer_id: str, account_id: str, available: int, expires_at: datetime) -> None:
    """Notes that the credits which a transfer made available have an end; nothing where it made none available."""
    if available:
        session.add(
            CreditLot(
                transfer_id=transfer_id,
                account_id=account_id,
                credits=available,
                available=available,
                held=0,
                spent=0,
                lapsed=0,
                expires_at=expires_at,
            )
        )
        session.flush()


def hold(session: WriteSession, account_id: str, prices: Mapping[str, int]) -> None:
    """Jobs hold credits that were available: each its price, one after another."""
    lots = iter(_with_credits(session, account_id))
    lot = next(lots, None)
    for job_id, price in prices.items():
        amount = price
        while lot is not None and amount:
            part = min(lot.available, amount)
            amount -= part
            lot.available -= part
            lot.held += part
            session.add(LotHold(job_id=job_id, transfer_id=lot.transfer_id, credits=part))
            if not lot.available:
                lot = next(lots, None)
    session.flush()


def capture(session: WriteSession, job_id: str) -> None:
    """What a job holds is its price."""
    for held, lot in _held(session, job_id):
        lot.held -= held.credits
        lot.spent += held.credits
        session.delete(held)
    session.flush()


def give_back(session: WriteSession, job_id: str, paid_off: int) -> None:
    """What a job holds goes back; `paid_off` of it has paid off a debt."""
    for held, lot in _held(session, job_id):
        gone = min(held.credits, paid_off)
        paid_off -= gone
        lot.held -= held.credits
        lot.spent += gone
        lot.available += held.credits - gone
        session.delete(held)
    session.flush()


def take(session: WriteSession, account_id: str, before: Balance, amount: int, *, lasting_first: bool) -> None:
    """`amount` credits of those that were available `before` have left otherwise than for a job."""
    lots = _with_credits(session, account_id)
    if lasting_first:
        amount -= min(amount, before.available - sum(lot.available for lot in lots))
    for lot in lots:
        part = min(lot.available, amount)
        amount -= part
        lot.available -= part
        lot.spent += part
    session.flush()


def lapse_due(session: WriteSession, account_id: str, balance: Balance) -> Balance:
    """Takes what is left of lots whose time is over, each by a transfer of its own; the balance afterwards."""
    now = session.now()
    for lot in _with_credits(session, account_id):
        if lot.expires_at > now:
            break
        # The version makes it a source of its own: what a job gives back after the end lapses by another one.
        source = Source(SourceType.LOT, f"{lot.transfer_id}:{balance.version + 1}")
        transfer = move(TransferKind.LAPSE, lot.available, balance)
        balance = ledger.post(session, account_id, balance, transfer, source=source, reason="Expired")
        lot.lapsed += lot.available
        lot.available = 0
    session.flush()
    return balance


def accounts_due(session: ReadSession, *, after: str = "") -> Sequence[str]:
    """Some of the accounts that have something to lapse, in the order of their ids, from the one behind `after` on."""
    due = select(CreditLot.account_id).where(CreditLot.available > 0, CreditLot.expires_at <= session.now())
    behind = due.where(CreditLot.account_id > after).order_by(CreditLot.account_id)
    return session.scalars(behind.distinct().limit(BATCH)).all()


def expiring(session: ReadSession, account_id: str) -> Sequence[tuple[int, datetime]]:
    """What is available and has an end, and when, the soonest first; a hundred of them at most."""
    rows = session.execute(
        select(func.sum(CreditLot.available).label("available"), CreditLot.expires_at)
        .where(CreditLot.account_id == account_id, CreditLot.available > 0, CreditLot.expires_at > session.now())
        .group_by(CreditLot.expires_at)
        .order_by(CreditLot.expires_at)
        .limit(SHOWN_MAX)
    )
    return [(int(row.available), row.expires_at) for row in rows]


def _with_credits(session: WriteSession, account_id: str) -> Sequence[CreditLot]:
    """Lots of the account of which something is available, in the order in which they are used."""
    return session.scalars(
        select(CreditLot)
        .where(CreditLot.account_id == account_id, CreditLot.available > 0)
        .order_by(CreditLot.expires_at, CreditLot.transfer_id)
        .execution_options(populate_existing=True)
    ).all()


def _held(session: WriteSession, job_id: str) -> Sequence[tuple[LotHold, CreditLot]]:
    """What the job holds of which lots, in the same order."""
    rows = session.execute(
        select(LotHold, CreditLot)
        .join(CreditLot, CreditLot.transfer_id == LotHold.transfer_id)
        .where(LotHold.job_id == job_id)
        .order_by(CreditLot.expires_at, CreditLot.transfer_id)
        .execution_options(populate_existing=True)
    )
    return [(held, lot) for held, lot in rows]
