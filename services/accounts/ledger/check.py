"""Whether the books add up."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache

from prometheus_client import Gauge
from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import aliased

from services.accounts.ledger.holds import TRANSFERS, Ending, State, end
from services.accounts.ledger.models import (
    AccountBalance,
    BatchHold,
    CreditLot,
    LedgerEntry,
    LedgerTransfer,
    LotHold,
    Reservation,
)
from services.accounts.ledger.repository import sum_of
from services.accounts.ledger.transfers import USER_ACCOUNTS, LedgerAccount, SourceType, TransferKind
from services.accounts.payments.models import Payment
from services.kit.database import Database, ReadSession

log = logging.getLogger(__name__)

FINDINGS_MAX = 100
FAULTS = Gauge("stemwright_accounts_ledger_faults", "What the last check of the books found wrong.", ["check"])
CHECKED = Gauge("stemwright_accounts_ledger_checked_timestamp_seconds", "When the books were last checked.")

_ORIGINS = {
    SourceType.JOB: Reservation.job_id,
    SourceType.BATCH: BatchHold.batch_id,
    SourceType.PAYMENT: Payment.id,
    SourceType.INVOICE: Payment.provider_id,
}
_ENDING_OF_STATE = {end(State.HELD, ending): TRANSFERS[ending] for ending in Ending}


@dataclass(frozen=True)
class LedgerFindings:
    """What is wrong with the books; all lists empty and a total of 0 when nothing is."""

    transfers: int
    entries: int
    total_credits: int
    unbalanced_transfers: Sequence[str]
    wrong_balances: Sequence[str]
    wrong_holds: Sequence[str]
    wrong_jobs: Sequence[str]
    wrong_batches: Sequence[str]
    wrong_payments: Sequence[str]
    wrong_lots: Sequence[str]

    @property
    def faults(self) -> dict[str, Sequence[str]]:
        """The findings by check, each with the first hundred ids."""
        lists = {field.name: getattr(self, field.name) for field in fields(self)}
        found = {name: ids for name, ids in lists.items() if not isinstance(ids, int)}
        return {"total": ["all entries"] if self.total_credits else [], **found}

    @property
    def ok(self) -> bool:
        return not any(self.faults.values())


def check_books(session: ReadSession) -> LedgerFindings:
    """Adds the books up. Each question is one statement, so that it sees one moment while credits go on moving."""
    transfers, totals, questions = _statements()
    entries, total = session.execute(totals).one()
    found = {
        name: [one for query in queries for one in session.scalars(query) if one is not None]
        for name, queries in questions.items()
    }
    return LedgerFindings(
        transfers=session.execute(transfers).scalar_one(), entries=entries, total_credits=int(total), **found
    )


@cache
def _statements() -> tuple[Select[int], Select[int, int], Mapping[str, Sequence[Select[str | None]]]]:
    """How many transfers there are, how many entries and their sum, and what asks for each list of findings.

    Made once: to put these expressions together takes longer than a database takes for books of a few pages.
    """
    questions: dict[str, Sequence[Select[str] | Select[str | None]]] = {
        "unbalanced_transfers": [_unbalanced()],
        "wrong_balances": [_wrong_balances()],
        "wrong_holds": [_wrong_holds()],
        "wrong_jobs": [_wrong_jobs(), _without_origin(SourceType.JOB)],
        "wrong_batches": [_wrong_batches(), _shares_of_no_batch(), _without_origin(SourceType.BATCH)],
        "wrong_payments": [
            _wrong_payments(),
            _without_origin(SourceType.PAYMENT),
            _without_origin(SourceType.INVOICE),
        ],
        "wrong_lots": [_wrong_lots(), _wrong_lot_holds(), _too_many_in_lots()],
    }
    return (
        select(func.count()).select_from(LedgerTransfer),
        select(func.count(), func.coalesce(func.sum(LedgerEntry.credits), 0)).select_from(LedgerEntry),
        {name: [query.limit(FINDINGS_MAX) for query in queries] for name, queries in questions.items()},
    )


def check_and_tell(database: Database) -> LedgerFindings:
    """Checks the books; what is found is logged as an error and shown by the metrics."""
    with database.read() as session:
        findings = check_books(session)
        CHECKED.set(session.now().timestamp())
    for name, ids in findings.faults.items():
        FAULTS.labels(name).set(len(ids))
        if ids:
            log.error("the books do not add up: %s: %s", name, ", ".join(ids))
    return findings


def _unbalanced() -> Select[str]:
    return (
        select(LedgerTransfer.id)
        .outerjoin(LedgerEntry, LedgerEntry.transfer_id == LedgerTransfer.id)
        .group_by(LedgerTransfer.id)
        .having((func.count(LedgerEntry.transfer_id) < 2) | (func.sum(LedgerEntry.credits) != 0))
    )


def _wrong_balances() -> Select[str]:
    """Accounts whose balance is not the sum of their entries."""
    return (
        select(AccountBalance.account_id)
        .outerjoin(LedgerTransfer, LedgerTransfer.account_id == AccountBalance.account_id)
        .outerjoin(LedgerEntry, LedgerEntry.transfer_id == LedgerTransfer.id)
        .group_by(AccountBalance.account_id)
        .having(
            (sum_of(LedgerAccount.AVAILABLE) != AccountBalance.available)
            | (sum_of(LedgerAccount.RESERVED) != AccountBalance.reserved)
            | (sum_of(LedgerAccount.DEBT) != -AccountBalance.debt)
        )
    )


def _wrong_holds() -> Select[str]:
    """Accounts whose reserved credits are not the sum of their holds."""
    held = case((Reservation.state == State.HELD, Reservation.price_credits), else_=0)
    return (
        select(AccountBalance.account_id)
        .outerjoin(Reservation, Reservation.account_id == AccountBalance.account_id)
        .group_by(AccountBalance.account_id)
        .having(func.coalesce(func.sum(held), 0) != AccountBalance.reserved)
    )


def _wrong_jobs() -> Select[str]:
    """Jobs whose credits did not move as their hold says: held once, and once more when it ended, by its price. What
    is held for a job of a batch moved with the others'."""
    moved = case((LedgerEntry.credits > 0, LedgerEntry.credits), else_=0)

    def movements(kind: TransferKind | None) -> object:
        chosen = LedgerTransfer.id if kind is None else case((LedgerTransfer.kind == kind, LedgerTransfer.id))
        return func.count(chosen.distinct())

    state = Reservation.state
    reserved = case((state == State.REFUSED, 0), (Reservation.batch_id.is_not(None), 0), else_=1)
    ended = case((state.in_([State.REFUSED, State.HELD]), 0), else_=1)
    ended_as_told = case(
        *((state == of_state, movements(kind)) for of_state, kind in _ENDING_OF_STATE.items()), else_=0
    )
    return (
        select(Reservation.job_id)
        .outerjoin(
            LedgerTransfer,
            (LedgerTransfer.source_type == SourceType.JOB) & (LedgerTransfer.source_id == Reservation.job_id),
        )
        .outerjoin(LedgerEntry, LedgerEntry.transfer_id == LedgerTransfer.id)
        .where(Reservation.price_credits > 0)
        .group_by(Reservation.job_id)
        .having(
            (movements(TransferKind.RESERVE) != reserved)
            | (ended_as_told != ended)
            | (movements(None) != reserved + ended)
            | (func.coalesce(func.sum(moved), 0) != Reservation.price_credits * (reserved + ended))
        )
    )


def _wrong_batches() -> Select[str]:
    """Batches whose credits were not held once, all of them, or are not the sum of their jobs' shares."""
    moved = (
        select(func.coalesce(func.sum(LedgerEntry.credits), 0))
        .join(LedgerTransfer, LedgerTransfer.id == LedgerEntry.transfer_id)
        .where(
            LedgerTransfer.source_type == SourceType.BATCH,
            LedgerTransfer.source_id == BatchHold.batch_id,
            LedgerTransfer.kind == TransferKind.RESERVE,
            LedgerTransfer.account_id == BatchHold.account_id,
            LedgerEntry.ledger_account == LedgerAccount.RESERVED,
        )
        .scalar_subquery()
    )
    shares = (
        select(func.coalesce(func.sum(Reservation.price_credits), 0))
        .where(Reservation.batch_id == BatchHold.batch_id, Reservation.account_id == BatchHold.account_id)
        .scalar_subquery()
    )
    held = case((BatchHold.granted, BatchHold.price_credits), else_=0)
    return select(BatchHold.batch_id).where((moved != held) | (shares != held))


def _shares_of_no_batch() -> Select[str | None]:
    """Batches that jobs have shares of and nothing else is known of."""
    return (
        select(Reservation.batch_id)
        .where(Reservation.batch_id.is_not(None), Reservation.batch_id.not_in(select(BatchHold.batch_id)))
        .distinct()
    )


def _wrong_payments() -> Select[str]:
    """Payments that did not bring their credits, or brought others."""
    gained = case((LedgerEntry.ledger_account.in_(USER_ACCOUNTS), LedgerEntry.credits), else_=0)
    source_type, source_id = LedgerTransfer.source_type, LedgerTransfer.source_id
    of_pack = (source_type == SourceType.PAYMENT) & (source_id == Payment.id)
    of_plan = (source_type == SourceType.INVOICE) & (source_id == Payment.provider_id)
    return (
        select(Payment.id)
        .outerjoin(
            LedgerTransfer,
            (of_pack | of_plan) & (LedgerTransfer.account_id == Payment.account_id),
        )
        .outerjoin(LedgerEntry, LedgerEntry.transfer_id == LedgerTransfer.id)
        .group_by(Payment.id)
        .having(func.coalesce(func.sum(gained), 0) != Payment.credits)
    )


def _wrong_lots() -> Select[str]:
    """Lots whose held credits are not those of holds, whose lapsed ones are not in the books, or which are of another
    account than the transfer that brought them."""
    held = (
        select(func.coalesce(func.sum(LotHold.credits), 0))
        .where(LotHold.transfer_id == CreditLot.transfer_id)
        .scalar_subquery()
    )
    lapses = aliased(LedgerTransfer)
    lapsed = (
        select(func.coalesce(func.sum(LedgerEntry.credits), 0))
        .join(lapses, lapses.id == LedgerEntry.transfer_id)
        .where(
            lapses.account_id == CreditLot.account_id,
            lapses.kind == TransferKind.LAPSE,
            func.substr(lapses.source_id, 1, func.length(CreditLot.transfer_id)) == CreditLot.transfer_id,
            LedgerEntry.ledger_account == LedgerAccount.LAPSED,
        )
        .scalar_subquery()
    )
    return (
        select(CreditLot.transfer_id)
        .join(LedgerTransfer, LedgerTransfer.id == CreditLot.transfer_id)
        .where(
            (CreditLot.held != held)
            | (CreditLot.lapsed != lapsed)
            | (CreditLot.account_id != LedgerTransfer.account_id)
        )
    )


def _wrong_lot_holds() -> Select[str]:
    """Jobs that have more from lots than they hold."""
    return (
        select(LotHold.job_id)
        .outerjoin(Reservation, Reservation.job_id == LotHold.job_id)
        .group_by(LotHold.job_id)
        .having(
            func.sum(LotHold.credits)
            > func.coalesce(func.max(case((Reservation.state == State.HELD, Reservation.price_credits))), 0)
        )
    )


def _too_many_in_lots() -> Select[str]:
    """Accounts whose lots have more than is available."""
    return (
        select(AccountBalance.account_id)
        .join(CreditLot, CreditLot.account_id == AccountBalance.account_id)
        .group_by(AccountBalance.account_id)
        .having(func.sum(CreditLot.available) > AccountBalance.available)
    )


def _without_origin(source_type: SourceType) -> Select[str]:
    """Sources of movements that nothing is known of."""
    return (
        select(LedgerTransfer.source_id)
        .where(LedgerTransfer.source_type == source_type)
        .where(LedgerTransfer.source_id.not_in(select(_ORIGINS[source_type])))
        .distinct()
    )
