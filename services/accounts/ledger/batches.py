"""The one hold of a batch of jobs.

Its credits leave what is available in one transfer, for all songs or for none. From then on each song has its share as
a hold of its own, which is captured or given back when the song ends, like that of any job.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from google.protobuf.message import Message

from services.accounts.ledger import hold_repository as reservations
from services.accounts.ledger import lots
from services.accounts.ledger import repository as ledger
from services.accounts.ledger.holds import Answer, Refusal, State
from services.accounts.ledger.models import BatchHold, Reservation
from services.accounts.ledger.news import BalanceNews, BillingPolicy
from services.accounts.ledger.service import AccountMismatchError, Billing, check_owner
from services.accounts.ledger.transfers import (
    Balance,
    InsufficientCreditsError,
    Source,
    SourceType,
    TransferKind,
    move,
)
from services.accounts.users import repository as users
from services.kit import outbox
from services.kit.database import WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import BILLING
from services.kit.protos import billing_pb2

Refused = tuple[Refusal, str]


@dataclass(frozen=True)
class BatchRequest:
    """The orchestrator's question. `prices` by job: of a preview 0, of anything else at least 1."""

    batch_id: str
    account_id: str
    prices: Mapping[str, int]
    preview: bool


class BatchHolds:
    """Works inside the caller's transaction and locks the account's balance first."""

    def __init__(self, policy: BillingPolicy, news: BalanceNews, billing: Billing) -> None:
        self._policy = policy
        self._news = news
        self._billing = billing

    def reserve(self, session: WriteSession, request: BatchRequest) -> Answer:
        """Holds the prices of all songs once, or none of them, and answers. A song that has a hold already, or has
        ended, is left out and answered by itself, before the batch is. Raises AccountMismatchError.
        """
        balance = ledger.lock_balance(session, request.account_id)
        known = reservations.of_jobs(session, list(request.prices))
        for reservation in known.values():
            check_owner(reservation, request.account_id)
        hold = reservations.batch(session, request.batch_id)
        if hold is None:
            user = users.get(session, request.account_id)
            if balance is None or user is None:
                # Nothing to lock and nothing to note: the same question gets the same answer again.
                refusal = Refusal.ACCOUNT_CLOSED, "This account is closed."
                return self._refuse(session, request.batch_id, request.account_id, refusal, Balance())
            balance = lots.lapse_due(session, request.account_id, balance)
            prices = {job_id: price for job_id, price in request.prices.items() if job_id not in known}
            hold, balance = self._hold(session, request, prices, balance, self._policy.previews(user.plan))
        elif hold.account_id != request.account_id:
            raise AccountMismatchError(f"the hold of {hold.batch_id} belongs to another account")
        return self._answer(session, hold, known, balance or Balance())

    def _hold(
        self,
        session: WriteSession,
        request: BatchRequest,
        prices: Mapping[str, int],
        balance: Balance,
        previews_a_day: int,
    ) -> tuple[BatchHold, Balance]:
        """The hold, new, and the balance after it."""
        now, total = session.now(), sum(prices.values())
        day = now.date() if request.preview else None
        refusal = self._take_previews(session, request.account_id, day, len(prices), previews_a_day) if day else None
        if total and refusal is None:
            try:
                balance = ledger.post(
                    session,
                    request.account_id,
                    balance,
                    move(TransferKind.RESERVE, total, balance),
                    source=Source(SourceType.BATCH, request.batch_id),
                    reason="Held for a batch",
                )
                lots.hold(session, request.account_id, prices)
            except InsufficientCreditsError:
                refusal = (
                    Refusal.INSUFFICIENT_CREDITS,
                    f"This batch costs {total} credits; {balance.available} are available.",
                )
        hold = BatchHold(
            batch_id=request.batch_id,
            account_id=request.account_id,
            granted=refusal is None,
            price_credits=total,
            refusal_code=refusal[0] if refusal else None,
            refusal_detail=refusal[1] if refusal else None,
            created_at=now,
        )
        session.add(hold)
        session.flush()
        if refusal is None:
            expires_at = now + self._policy.hold_lifetime
            reservations.add_shares(session, hold, prices, expires_at=expires_at, allowance_day=day)
        return hold, balance

    @staticmethod
    def _take_previews(session: WriteSession, account_id: str, day: date, number: int, allowed: int) -> Refused | None:
        used = reservations.previews_used(session, account_id, day)
        if used + number > allowed:
            left = max(0, allowed - used)
            return (
                Refusal.PREVIEW_ALLOWANCE_EXHAUSTED,
                f"These are {number} previews, and {left} of today (UTC) are left; there are new ones tomorrow.",
            )
        reservations.set_previews_used(session, account_id, day, used + number)
        return None

    def _answer(
        self, session: WriteSession, hold: BatchHold, known: Mapping[str, Reservation], balance: Balance
    ) -> Answer:
        """The first answer again while it is true; of songs for which it is not, before it, what is true of them."""
        if hold.refusal_code is not None:
            refusal = (Refusal(hold.refusal_code), hold.refusal_detail or "")
            return self._refuse(session, hold.batch_id, hold.account_id, refusal, balance)
        for reservation in known.values():
            if reservation.state not in (State.HELD, State.CAPTURED) or reservation.batch_id != hold.batch_id:
                self._billing.answer_again(session, reservation, balance)
        message = billing_pb2.BatchReservationGranted(
            batch_id=hold.batch_id,
            account_id=hold.account_id,
            price_credits=hold.price_credits,
            balance=self._news.message(session, hold.account_id, balance),
        )
        return self._tell(session, hold.account_id, hold.batch_id, message, Answer.GRANTED)

    def _refuse(
        self, session: WriteSession, batch_id: str, account_id: str, refusal: Refused, balance: Balance
    ) -> Answer:
        message = billing_pb2.BatchReservationRefused(
            batch_id=batch_id,
            account_id=account_id,
            code=refusal[0],
            detail=refusal[1],
            balance=self._news.message(session, account_id, balance),
        )
        return self._tell(session, account_id, batch_id, message, Answer.REFUSED)

    @staticmethod
    def _tell(session: WriteSession, account_id: str, batch_id: str, message: Message, answer: Answer) -> Answer:
        outbox.add(session, OutgoingEvent(BILLING, key=account_id, data=message, subject=batch_id))
        return answer
