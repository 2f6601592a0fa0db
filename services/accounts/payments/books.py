"""Payments and the credits that they bring or lose, written together.

Every method works inside the caller's transaction and does once what it is told any number of times, in any order.
"""

import logging
from dataclasses import dataclass

from prometheus_client import Counter

from services.accounts.ledger import repository as ledger
from services.accounts.ledger.credits import Credits
from services.accounts.ledger.transfers import Source, SourceType, TransferKind
from services.accounts.payments import repository as payments
from services.accounts.payments.letters import Letters
from services.accounts.payments.models import Payment
from services.accounts.payments.providers import DisputeState, ProviderDispute, Refunded
from services.accounts.payments.terms import Seller
from services.kit import outbox
from services.kit.database import WriteSession
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import BILLING
from services.kit.ids import new_id
from services.kit.protos import billing_pb2

log = logging.getLogger(__name__)

FULFILLED = Counter("stemwright_accounts_payments_total", "Payments that were granted.", ["provider"])
RETURNED = Counter("stemwright_accounts_payments_returned_total", "Refunds and disputes.", ["kind"])


@dataclass(frozen=True)
class Income:
    """Money that came in for something that was ordered. Amounts as in `ProviderSession`."""

    provider: str
    provider_id: str
    """The session or the invoice that was paid, by which a payment is known again."""
    payment_ref: str | None
    account_id: str
    name: str
    credits: int
    kind: TransferKind
    currency: str
    total_minor: int
    tax_minor: int | None


class Books:
    def __init__(self, credits_: Credits, seller: Seller, letters: Letters) -> None:
        self._credits = credits_
        self._letters = letters
        self._seller = seller

    def record(self, session: WriteSession, income: Income) -> Payment:
        """Writes a payment with its receipt number and grants what it brings, unless that was done before."""
        # One payment of an account at a time: two who tell of the same one find it there.
        ledger.lock_balance(session, income.account_id)
        payment = payments.find_payment(session, income.provider, income.provider_id)
        return self._add(session, income) if payment is None else payment

    def paid_back(self, session: WriteSession, payment: Payment, refunded: Refunded) -> None:
        """Takes credits back in proportion to what was paid back in all until now, and returns those whose money came
        back to us. An answer that is older than what is known changes nothing."""
        failed = max(refunded.failed_minor, payment.failed_refunds_minor)
        sent = max(refunded.sent_minor, payment.refunded_minor + payment.failed_refunds_minor)
        paid_back = min(sent - failed, payment.total_minor)
        if (paid_back, failed) == (payment.refunded_minor, payment.failed_refunds_minor):
            return
        session.after_commit(RETURNED.labels("refund" if paid_back > payment.refunded_minor else "failed_refund").inc)
        payment.refunded_minor, payment.failed_refunds_minor = paid_back, failed
        if not payment.disputed:
            self._settle_refunds(session, payment)

    def _settle_refunds(self, session: WriteSession, payment: Payment) -> None:
        """Has as many credits gone as the money that was paid back stands for. Of a disputed payment all are gone."""
        failed = payment.failed_refunds_minor
        due = payment.credits * payment.refunded_minor // payment.total_minor if payment.total_minor else 0
        amount = due - payment.returned_credits
        if amount == 0:
            return
        payment.returned_credits = due
        # What was sent and what of it failed only grow: each pair of them comes once.
        source = f"{payment.id}:{payment.refunded_minor + failed}{f'-{failed}' if failed else ''}"
        kind, what = (TransferKind.REFUND, "Paid back") if amount > 0 else (_REVERSAL, "Refund failed")
        self._move(session, kind, payment, abs(amount), source, what)

    def disputed(self, session: WriteSession, payment: Payment, dispute: ProviderDispute) -> bool:
        """Takes all credits of a disputed payment, or gives back what a dispute that was won had taken.

        True where this is news.
        """
        source = Source(SourceType.DISPUTE, dispute.id)
        taken = ledger.posted(session, source, TransferKind.CHARGEBACK)
        given = ledger.posted(session, source, TransferKind.CHARGEBACK_REVERSAL)
        was_disputed = payment.disputed
        match dispute.state:
            case DisputeState.OPEN | DisputeState.LOST:
                payment.disputed = True
                left = payment.credits - payment.returned_credits
                if taken is None and left > 0:
                    payment.returned_credits += left
                    self._move(session, TransferKind.CHARGEBACK, payment, left, dispute.id, "Disputed")
            case DisputeState.WON:
                payment.disputed = False
                if taken is not None and given is None:
                    payment.returned_credits += taken[1]
                    self._move(session, TransferKind.CHARGEBACK_REVERSAL, payment, -taken[1], dispute.id, "Dispute won")
                if was_disputed:
                    self._settle_refunds(session, payment)
        if payment.disputed and not was_disputed:
            session.after_commit(RETURNED.labels("dispute").inc)
            log.warning("payment %s is disputed (%s)", payment.id, dispute.id)
            self._letters.disputed(session, payment)
        session.flush()
        return payment.disputed != was_disputed

    def _add(self, session: WriteSession, income: Income) -> Payment:
        tax = self._seller.tax_within(income.total_minor) if income.tax_minor is None else income.tax_minor
        payment = Payment(
            id=new_id("pay"),
            account_id=income.account_id,
            provider=income.provider,
            provider_id=income.provider_id,
            payment_ref=income.payment_ref,
            name=income.name,
            total_minor=income.total_minor,
            tax_minor=tax,
            currency=income.currency,
            credits=income.credits,
            refunded_minor=0,
            returned_credits=0,
            disputed=False,
            receipt_number=payments.next_receipt_number(session),
            paid_at=session.now(),
        )
        payments.add_payment(session, payment)
        if income.credits:
            of_plan = income.kind is TransferKind.PLAN_GRANT
            source = income.provider_id if of_plan else payment.id
            self._move(session, income.kind, payment, income.credits, source, "Plan" if of_plan else "Bought")
        self._letters.paid(session, payment)
        self._tell(session, payment)
        session.after_commit(FULFILLED.labels(income.provider).inc)
        return payment

    def _tell(self, session: WriteSession, payment: Payment) -> None:
        news = billing_pb2.PaymentSucceeded(
            account_id=payment.account_id,
            payment_id=payment.id,
            name=payment.name,
            total_minor=payment.total_minor,
            tax_minor=payment.tax_minor,
            currency=payment.currency,
            credits=payment.credits,
            receipt_number=payment.receipt_number,
            paid_at=payment.paid_at,
        )
        outbox.add(session, OutgoingEvent(BILLING, key=payment.account_id, data=news, subject=payment.id))

    def _move(
        self, session: WriteSession, kind: TransferKind, payment: Payment, amount: int, source_id: str, what: str
    ) -> None:
        source = Source(_SOURCES[kind], source_id)
        self._credits.post(session, kind, payment.account_id, amount, source, reason=f"{what}: {payment.name}"[:200])


_REVERSAL = TransferKind.REFUND_REVERSAL
_SOURCES = {
    TransferKind.PURCHASE: SourceType.PAYMENT,
    TransferKind.PLAN_GRANT: SourceType.INVOICE,
    TransferKind.REFUND: SourceType.REFUND,
    TransferKind.REFUND_REVERSAL: SourceType.REFUND,
    TransferKind.CHARGEBACK: SourceType.DISPUTE,
    TransferKind.CHARGEBACK_REVERSAL: SourceType.DISPUTE,
}
