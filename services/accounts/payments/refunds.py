"""Money that admins pay back.

    asked ──> done ──> failed   the provider has paid it back; the bank did not take it, and the money is here again
      └─────> refused           it does not, or no more

A refund is a row before its provider hears of it, and the row's id is the key under which the provider makes one refund
of it: a process that dies in between has forgotten nothing, and asking again pays nothing twice. What is asked for
counts as paid back from the first moment, so that all refunds of a payment together never exceed it.
"""

import logging
from datetime import timedelta
from enum import StrEnum

from services.accounts.payments import refund_repository as refunds
from services.accounts.payments import repository as payments
from services.accounts.payments.books import Books
from services.accounts.payments.errors import (
    PaymentNotFound,
    PaymentsOff,
    ProviderUnavailable,
    RefundRefused,
    RefundTooLarge,
)
from services.accounts.payments.models import Payment, Refund
from services.accounts.payments.providers import Provider, Refunded
from services.accounts.security_events import service as security_events
from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.origin import Origin
from services.kit.database import DATABASE_AWAY, Database, WriteSession
from services.kit.ids import new_id

log = logging.getLogger(__name__)

SWEEP_BATCH = 50
ASK_AGAIN_AFTER = timedelta(minutes=1)


class RefundState(StrEnum):
    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class Refunds:
    def __init__(self, database: Database, books: Books, provider: Provider | None) -> None:
        self._database = database
        self._books = books
        self._provider = provider

    def begin(
        self,
        session: WriteSession,
        payment_id: str,
        amount_minor: int | None,
        reason: str,
        origin: Origin,
        actor: str,
    ) -> str:
        """Notes a refund and returns its id; `carry_out` then takes it to the provider. None of the amount is all that
        is left.

        Raises PaymentNotFound, PaymentsOff, RefundTooLarge.
        """
        payment = payments.lock_payment(session, payment_id)
        if payment is None:
            raise PaymentNotFound
        if self._provider is None or self._provider.name != payment.provider:
            raise PaymentsOff
        left = payment.total_minor - payment.refunded_minor - refunds.amount_asked(session, payment_id)
        amount = left if amount_minor is None else amount_minor
        if not 0 < amount <= left or payment.payment_ref is None:
            raise RefundTooLarge(extra={"refundable_minor": left})
        now = session.now()
        refund = Refund(
            id=new_id("rfd"),
            payment_id=payment_id,
            amount_minor=amount,
            reason=reason,
            actor=actor,
            state=RefundState.ASKED,
            created_at=now,
            asked_at=now,
        )
        session.add(refund)
        security_events.add(
            session,
            payment.account_id,
            Kind.PAYMENT_REFUNDED,
            origin,
            actor=actor,
            payment_id=payment_id,
            amount_minor=amount,
            currency=payment.currency,
            reason=reason,
        )
        session.flush()
        return refund.id

    def carry_out(self, refund_id: str) -> tuple[Refund, Payment]:
        """Has the provider pay it back, once, and takes the credits. Blocks. Raises ProviderUnavailable; it may be
        called again, and is."""
        with self._database.read() as session:
            refund, payment = refunds.get(session, refund_id)
        if refund.state != RefundState.ASKED:
            return refund, payment
        if self._provider is None or self._provider.name != payment.provider or payment.payment_ref is None:
            raise ProviderUnavailable
        state = RefundState.DONE
        refunded: Refunded | None = None
        try:
            refunded = self._provider.refund(payment.payment_ref, refund.amount_minor, refund.id)
        except RefundRefused:
            log.warning("refund %s of payment %s is refused by %s", refund.id, payment.id, payment.provider)
            state = RefundState.REFUSED
        with self._database.write() as session:
            payment = payments.lock_payment(session, payment.id) or payment
            refund, _ = refunds.get(session, refund_id)
            if refund.state == RefundState.ASKED:
                refund.state, refund.ended_at = state, session.now()
            if refunded is not None:
                self._books.paid_back(session, payment, refunded)
            return refund, payment

    def sweep(self) -> None:
        """Takes refunds to the provider that did not get there; a bounded number. Blocks."""
        with self._database.write() as session:
            now = session.now()
            due = refunds.note_asked(session, now - ASK_AGAIN_AFTER, now, SWEEP_BATCH)
        for refund_id in due:
            try:
                self.carry_out(refund_id)
            except DATABASE_AWAY:
                raise
            except ProviderUnavailable:
                log.warning("refund %s waits: the payment provider is away", refund_id)
            except Exception:
                log.exception("refund %s could not be carried out", refund_id)
