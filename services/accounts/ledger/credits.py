"""Credits that come and go other than by jobs: bought, refunded, charged back, given.

A payment that is fulfilled by a webhook and by the page the person lands on, at once and again the next day, posts the
same source each time; the credits move once.
"""

import logging
from datetime import datetime, timedelta

from prometheus_client import Counter

from services.accounts.ledger import lots
from services.accounts.ledger import repository as ledger
from services.accounts.ledger.news import BalanceNews
from services.accounts.ledger.transfers import (
    MAY_LEAVE_A_DEBT,
    Balance,
    LedgerAccount,
    Source,
    SourceType,
    TransferKind,
    move,
)
from services.kit.database import DATABASE_AWAY, Database, ReadSession, WriteSession
from services.kit.ids import new_id

log = logging.getLogger(__name__)

CONFLICTS = Counter(
    "stemwright_accounts_ledger_conflicts_total",
    "Movements that were told again with another amount or account.",
    ["kind"],
)

POSTED = (
    TransferKind.PURCHASE,
    TransferKind.REFUND,
    TransferKind.CHARGEBACK,
    TransferKind.CHARGEBACK_REVERSAL,
    TransferKind.REFUND_REVERSAL,
    TransferKind.PLAN_GRANT,
    TransferKind.PROMOTION,
    TransferKind.GRANT,
    TransferKind.ADJUSTMENT,
)
for _kind in POSTED:
    CONFLICTS.labels(_kind)  # from 0 on: an alert is about the first of them
"""Kinds that `Credits.post` moves; the others belong to the holds of jobs."""


def _welcome_of(account_id: str) -> Source:
    return Source(SourceType.ACCOUNT, account_id)


def was_welcomed(session: ReadSession, account_id: str) -> bool:
    """Whether the account has had welcome credits."""
    return ledger.posted(session, _welcome_of(account_id), TransferKind.GRANT) is not None


MAY_EXPIRE = (TransferKind.PROMOTION, TransferKind.GRANT)
"""Kinds that bring credits with an end, where they are told one: what is given. What was paid for stays."""


class SourceConflictError(Exception):
    """A source that has moved credits is told again with another amount or account. Nothing moves."""


class UnknownAccountError(LookupError):
    """There are no books of this account."""


class Credits:
    """Works inside the caller's transaction, which commits the movement and its news together, or neither."""

    def __init__(self, news: BalanceNews) -> None:
        self._news = news

    def open_account(self, session: WriteSession, account_id: str) -> Balance:
        """Opens the books of a new user."""
        balance = ledger.open_account(session, account_id)
        self._news.tell(session, account_id, balance)
        return balance

    def welcome(
        self, session: WriteSession, account_id: str, amount: int, lifetime: timedelta | None = None
    ) -> Balance:
        """Gives a user their welcome credits, once in their life; they expire after `lifetime`, if there is one."""
        expires_at = None if lifetime is None else session.now() + lifetime
        source = _welcome_of(account_id)
        return self.post(
            session, TransferKind.GRANT, account_id, amount, source, reason="Welcome", expires_at=expires_at
        )

    def lapse(self, session: WriteSession, account_id: str) -> None:
        """Takes what of the account's credits has come to its end."""
        before = ledger.lock_balance(session, account_id)
        if before is None:
            return
        balance = lots.lapse_due(session, account_id, before)
        if balance != before:
            self._news.tell(session, account_id, balance)

    def post(
        self,
        session: WriteSession,
        kind: TransferKind,
        account_id: str,
        amount: int,
        source: Source,
        *,
        reason: str,
        expires_at: datetime | None = None,
    ) -> Balance:
        """Moves credits once for each source and kind, publishes BalanceChanged, and returns the balance.

        `amount` is above 0; that of an ADJUSTMENT may be below. A REFUND or CHARGEBACK takes what is available and
        leaves the rest as a debt, which whatever comes in next pays off. `reason` is what the statement says, at most
        200 characters. A PROMOTION or GRANT may have an end. Posting again changes nothing and returns the present
        balance.

        Raises UnknownAccountError, SourceConflictError where the source has moved another amount or another account's
        credits (logged and counted), InsufficientCreditsError where an adjustment takes more than there is: then the
        transaction must not be committed.
        """
        if kind not in POSTED:
            raise ValueError(f"{kind} is not posted from outside")
        if expires_at is not None and kind not in MAY_EXPIRE:
            raise ValueError(f"credits of a {kind} do not expire")
        balance = ledger.lock_balance(session, account_id)
        if balance is None:
            raise UnknownAccountError(account_id)
        gained = move(kind, amount, balance).gained
        told = ledger.posted(session, source, kind)
        if told is not None:
            if told != (account_id, gained):
                CONFLICTS.labels(kind).inc()
                log.error(
                    "%s of %s %s: %d credits for %s were told before, now %d for %s; nothing was moved",
                    kind, source.type, source.id, told[1], told[0], gained, account_id,
                )  # fmt: skip
                raise SourceConflictError(f"{kind} of {source.type} {source.id} was posted with other figures")
            return balance
        before = lots.lapse_due(session, account_id, balance)
        transfer, transfer_id = move(kind, amount, before), new_id("trf")
        balance = ledger.post(
            session, account_id, before, transfer, source=source, reason=reason, transfer_id=transfer_id
        )
        available = transfer.change_of(LedgerAccount.AVAILABLE)
        if expires_at is not None:
            lots.bring(session, transfer_id, account_id, available, expires_at)
        elif available < 0:
            lots.take(session, account_id, before, -available, lasting_first=kind in MAY_LEAVE_A_DEBT)
        self._news.tell(session, account_id, balance)
        return balance


def lapse_due_credits(database: Database, credits_: Credits) -> int:
    """Takes all that has come to its end; returns of how many accounts. Each has one turn, as holds have."""
    lapsed = 0
    last = ""
    while True:
        with database.read() as session:
            due = lots.accounts_due(session, after=last)
        if not due:
            return lapsed
        for account_id in due:
            # One transaction each, as with holds: a fault costs one account, not the round.
            try:
                with database.write() as session:
                    credits_.lapse(session, account_id)
            except DATABASE_AWAY:
                raise
            except Exception:
                log.exception("the expired credits of %s could not be taken", account_id)
            else:
                lapsed += 1
        last = due[-1]
