"""Holds and balances: what is decided about credits, and what the orchestrator is told of it.

Every question is answered each time it is asked, however often: the broker may have lost the last answer. What makes
that harmless is that the effect of a question is bound to its job's id, not to the event that carried it.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.message import Message
from prometheus_client import Counter

from services.accounts.ledger import hold_repository as reservations
from services.accounts.ledger import lots
from services.accounts.ledger import repository as ledger
from services.accounts.ledger.holds import (
    TRANSFERS,
    Answer,
    Ending,
    Refusal,
    State,
    answer_to_ending,
    answer_to_request,
    end,
)
from services.accounts.ledger.models import Reservation
from services.accounts.ledger.news import BalanceNews, BillingPolicy
from services.accounts.ledger.transfers import (
    Balance,
    InsufficientCreditsError,
    LedgerAccount,
    Source,
    SourceType,
    TransferKind,
    move,
)
from services.accounts.users import repository as users
from services.kit import outbox
from services.kit.database import DATABASE_AWAY, Database, WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import BILLING
from services.kit.protos import billing_pb2

log = logging.getLogger(__name__)

ANSWERS = Counter(
    "stemwright_accounts_reservation_answers_total", "What the orchestrator was told about holds.", ["answer"]
)
UNPAID = Counter(
    "stemwright_accounts_unpaid_jobs_total", "Jobs that succeeded although no hold of theirs could be captured."
)

_SETTLEMENTS: dict[Answer, billing_pb2.Settlement] = {
    Answer.CAPTURED: billing_pb2.SETTLEMENT_CAPTURED,
    Answer.RELEASED: billing_pb2.SETTLEMENT_RELEASED,
    Answer.EXPIRED: billing_pb2.SETTLEMENT_EXPIRED,
}
_JOB_ENDED = (Refusal.JOB_ENDED, "This job has ended already.")
_NO_ACCOUNT = (Refusal.ACCOUNT_CLOSED, "This account is closed.")
SWEEP_BATCH = 200


class AccountMismatchError(Exception):
    """A question names another account than the one that the job's hold belongs to."""


@dataclass(frozen=True)
class HoldRequest:
    """The orchestrator's question. A preview and the canary's song cost 0, anything else at least 1."""

    job_id: str
    account_id: str
    price_credits: int
    preview: bool


class Billing:
    """Each method works inside the caller's transaction and locks the account's balance first."""

    def __init__(self, policy: BillingPolicy, news: BalanceNews) -> None:
        self._policy = policy
        self._news = news

    def tell_balance(self, session: WriteSession, account_id: str) -> None:
        """Publishes the balance; that of an account we do not know is nothing, at version 0."""
        self._news.tell(session, account_id, ledger.lock_balance(session, account_id) or Balance())

    def reserve(self, session: WriteSession, request: HoldRequest) -> Answer:
        """Holds a job's price once, and answers. Raises AccountMismatchError."""
        balance = ledger.lock_balance(session, request.account_id)
        existing = reservations.get(session, request.job_id)
        if existing is not None:
            check_owner(existing, request.account_id)
            return self.answer_again(session, existing, balance or Balance())
        user = users.get(session, request.account_id)
        if balance is None or user is None:
            # Nothing to lock and nothing to note: the same question gets the same answer again.
            return self._refuse(session, request.job_id, request.account_id, _NO_ACCOUNT, Balance())

        balance = lots.lapse_due(session, request.account_id, balance)
        now = session.now()
        refusal: tuple[Refusal, str] | None = None
        day = now.date() if request.preview else None
        if day is not None:
            used = reservations.previews_used(session, request.account_id, day)
            allowed = self._policy.previews(user.plan)
            if used < allowed:
                reservations.set_previews_used(session, request.account_id, day, used + 1)
            else:
                refusal = (
                    Refusal.PREVIEW_ALLOWANCE_EXHAUSTED,
                    f"All {allowed} previews of today (UTC) are used up; there are new ones tomorrow.",
                )
        if request.price_credits and refusal is None:
            try:
                balance = ledger.post(
                    session,
                    request.account_id,
                    balance,
                    move(TransferKind.RESERVE, request.price_credits, balance),
                    source=Source(SourceType.JOB, request.job_id),
                    reason="Held for a job",
                )
                lots.hold(session, request.account_id, {request.job_id: request.price_credits})
            except InsufficientCreditsError:
                refusal = (
                    Refusal.INSUFFICIENT_CREDITS,
                    f"This job costs {request.price_credits} credits; {balance.available} are available.",
                )
        reservations.add(
            session,
            job_id=request.job_id,
            account_id=request.account_id,
            state=State.REFUSED if refusal else State.HELD,
            price_credits=request.price_credits,
            now=now,
            expires_at=now + self._policy.hold_lifetime,
            refusal=refusal,
            allowance_day=None if refusal else day,
        )
        if refusal is not None:
            return self._refuse(session, request.job_id, request.account_id, refusal, balance)
        return self._grant_hold(session, request.job_id, request.account_id, request.price_credits, balance)

    def end_hold(
        self,
        session: WriteSession,
        job_id: str,
        account_id: str,
        ending: Ending,
        *,
        keep_allowance: bool = False,
    ) -> Answer:
        """Captures or gives back what is held for a job that ended, once, and answers. Raises AccountMismatchError.

        `keep_allowance` says that a preview counts although it did not succeed.
        """
        balance = ledger.lock_balance(session, account_id)
        reservation = reservations.get(session, job_id)
        if reservation is not None:
            check_owner(reservation, account_id)
        elif balance is not None:
            now = session.now()
            reservation = reservations.add(
                session,
                job_id=job_id,
                account_id=account_id,
                state=end(None, ending),
                price_credits=0,
                now=now,
                expires_at=now,
                refusal=_JOB_ENDED,
            )
        if reservation is None or balance is None:
            return self._settled(session, job_id, account_id, Answer.RELEASED, Balance())

        before = State(reservation.state)
        after = end(before, ending)
        if before is State.HELD:
            balance = self._close(session, reservation, after, ending, balance, keep_allowance=keep_allowance)
        if ending is Ending.CAPTURE and after is not State.CAPTURED:
            UNPAID.inc()
            log.error("job %s succeeded, but its hold is %s: it was not paid for", job_id, after)
        return self._settled(session, job_id, account_id, answer_to_ending(after), balance)

    def _close(
        self,
        session: WriteSession,
        reservation: Reservation,
        state: State,
        ending: Ending,
        balance: Balance,
        *,
        keep_allowance: bool,
    ) -> Balance:
        reservations.set_ended(session, reservation.job_id, state, session.now())
        if ending is not Ending.CAPTURE and reservation.allowance_day is not None and not keep_allowance:
            day = reservation.allowance_day
            used = reservations.previews_used(session, reservation.account_id, day)
            reservations.set_previews_used(session, reservation.account_id, day, max(0, used - 1))
        if not reservation.price_credits:
            return balance
        account_id, job_id = reservation.account_id, reservation.job_id
        transfer = move(TRANSFERS[ending], reservation.price_credits, balance)
        source = Source(SourceType.JOB, job_id)
        balance = ledger.post(session, account_id, balance, transfer, source=source, reason=_REASONS[ending])
        if ending is Ending.CAPTURE:
            lots.capture(session, job_id)
            return balance
        lots.give_back(session, job_id, transfer.change_of(LedgerAccount.DEBT))
        return lots.lapse_due(session, account_id, balance)

    def answer_again(self, session: WriteSession, reservation: Reservation, balance: Balance) -> Answer:
        """What a request for a hold that there is, or was, is answered."""
        job_id, account_id = reservation.job_id, reservation.account_id
        match answer_to_request(State(reservation.state)):
            case Answer.GRANTED:
                return self._grant_hold(session, job_id, account_id, reservation.price_credits, balance)
            case Answer.EXPIRED:
                return self._settled(session, job_id, account_id, Answer.EXPIRED, balance)
            case _:
                refusal = _JOB_ENDED
                if reservation.refusal_code is not None:
                    refusal = (Refusal(reservation.refusal_code), reservation.refusal_detail or "")
                return self._refuse(session, job_id, account_id, refusal, balance)

    def _grant_hold(
        self, session: WriteSession, job_id: str, account_id: str, price_credits: int, balance: Balance
    ) -> Answer:
        message = billing_pb2.ReservationGranted(
            job_id=job_id,
            account_id=account_id,
            price_credits=price_credits,
            balance=self._news.message(session, account_id, balance),
        )
        return self._tell(session, account_id, message, job_id, Answer.GRANTED)

    def _refuse(
        self, session: WriteSession, job_id: str, account_id: str, refusal: tuple[Refusal, str], balance: Balance
    ) -> Answer:
        message = billing_pb2.ReservationRefused(
            job_id=job_id,
            account_id=account_id,
            code=refusal[0],
            detail=refusal[1],
            balance=self._news.message(session, account_id, balance),
        )
        return self._tell(session, account_id, message, job_id, Answer.REFUSED)

    def _settled(self, session: WriteSession, job_id: str, account_id: str, answer: Answer, balance: Balance) -> Answer:
        message = billing_pb2.ReservationSettled(
            job_id=job_id,
            account_id=account_id,
            settlement=_SETTLEMENTS[answer],
            balance=self._news.message(session, account_id, balance),
        )
        return self._tell(session, account_id, message, job_id, answer)

    def _tell(self, session: WriteSession, account_id: str, message: Message, job_id: str, answer: Answer) -> Answer:
        outbox.add(session, OutgoingEvent(BILLING, key=account_id, data=message, subject=job_id))
        session.after_commit(ANSWERS.labels(answer).inc)
        return answer


_REASONS = {
    Ending.CAPTURE: "Paid for a job",
    Ending.RELEASE: "Given back: the job did not succeed",
    Ending.EXPIRE: "Given back: the job did not end in time",
}


def expire_due_holds(database: Database, billing: Billing) -> int:
    """Gives back all that holds hold which outlived their limit; returns how many there were.

    Each has one turn: what cannot be given back keeps no other from theirs, and is tried again the next time.
    """
    given_back = 0
    last: tuple[datetime, str] | None = None
    while True:
        with database.read() as session:
            due = reservations.due(session, session.now(), SWEEP_BATCH, after=last)
        if not due:
            return given_back
        for job_id, account_id, _ in due:
            # One transaction each: none waits for another account's lock, and a fault costs one hold, not the round.
            try:
                with database.write() as session:
                    billing.end_hold(session, job_id, account_id, Ending.EXPIRE)
            except DATABASE_AWAY:
                raise
            except Exception:
                log.exception("the hold of job %s could not be given back", job_id)
            else:
                given_back += 1
                log.warning("the hold of job %s outlived its limit and was given back", job_id)
        last = (due[-1].expires_at, due[-1].job_id)


def check_owner(reservation: Reservation, account_id: str) -> None:
    """Raises AccountMismatchError."""
    if reservation.account_id != account_id:
        raise AccountMismatchError(f"the hold of job {reservation.job_id} belongs to another account")
