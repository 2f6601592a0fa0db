"""What a provider tells, and what follows from it.

An event is a reason to look, never a fact: what has become of its object is asked for, so that order, age and
repetition make no difference. Events that were dealt with are remembered by their id, and those that there is one of
for an object by their type and object too, so that repetitions cost nothing.
"""

import logging
from datetime import timedelta

from prometheus_client import Counter

from services.accounts.payments import refund_repository as refunds
from services.accounts.payments import repository as payments
from services.accounts.payments import subscription_repository as told
from services.accounts.payments.books import Books
from services.accounts.payments.errors import ProviderNotFound, ProviderUnavailable
from services.accounts.payments.models import Payment
from services.accounts.payments.places import Places
from services.accounts.payments.providers import Provider, ProviderCharge, ProviderEvent, Subject
from services.accounts.payments.service import Payments
from services.accounts.payments.subscriptions import Subscriptions
from services.kit.database import Database, WriteSession

log = logging.getLogger(__name__)

WEBHOOKS = Counter("stemwright_accounts_provider_events_total", "Events of payment providers.", ["type", "outcome"])

KEPT = timedelta(days=30)
"""Ten times as long as Stripe repeats an event."""

LATE_AFTER = timedelta(hours=1)
"""So long after its period a subscription is asked about that nothing was heard of, and then as often."""
LATE_BATCH = 50

ONCE = frozenset(
    {
        *(f"checkout.session.{name}" for name in ("completed", "async_payment_succeeded", "expired")),
        *("invoice.paid", "customer.subscription.created", "customer.subscription.deleted", "charge.dispute.created"),
    }
)
"""Types of which an object has one event; a second one, by whatever id, is the same news."""


class Webhooks:
    def __init__(
        self,
        database: Database,
        checkouts: Payments,
        subscriptions: Subscriptions,
        books: Books,
        provider: Provider | None,
        places: Places,
    ) -> None:
        self._database = database
        self._checkouts = checkouts
        self._subscriptions = subscriptions
        self._books = books
        self._provider = provider
        self._places = places

    def receive(self, provider_name: str, body: bytes, signature: str | None) -> None:
        """Acts on a webhook; whatever it raises, the provider sends it again.

        Blocks. Raises ProviderNotFound, WrongSignature, ProviderUnavailable.
        """
        provider = self._provider
        if provider is None or provider.name != provider_name:
            raise ProviderNotFound
        event = provider.event(body, signature)
        with self._places.one():
            self.hear(provider, event)

    def hear(self, provider: Provider, event: ProviderEvent) -> bool:
        """Acts on an event, by whatever way it came; whether it was news. Blocks. Raises ProviderUnavailable."""
        if event.subject is None or self._is_known(provider, event):
            WEBHOOKS.labels(event.type if event.subject else "other", "ignored").inc()
            return False
        self._act(provider, event)
        with self._database.write() as session:
            told.note_told(session, provider.name, event.id, event.type, event.object_id)
        WEBHOOKS.labels(event.type, "handled").inc()
        return True

    def forget(self) -> None:
        """Deletes what no provider tells again."""
        with self._database.write() as session:
            told.forget_told(session, session.now() - KEPT)

    def sweep_subscriptions(self) -> None:
        """Takes plans away whose days of grace are over, asks about those whose period is over, and ends what an erased
        account still pays for. Blocks."""
        with self._database.write() as session:
            for overdue in told.out_of_grace(session, session.now()):
                self._subscriptions.apply(session, overdue.account_id)
        if self._provider is None:
            return
        self._look_at_late_ones(self._provider)
        with self._database.read() as session:
            orphans = told.of_nobody(session)
        for subscription_id in orphans:
            try:
                self._provider.end_subscription(subscription_id)
                self._look_at_subscription(self._provider, subscription_id)
            except ProviderUnavailable:
                log.warning("subscription %s of an erased account goes on; it is ended later", subscription_id)
            else:
                log.info("subscription %s of an erased account was ended", subscription_id)

    def _look_at_late_ones(self, provider: Provider) -> None:
        with self._database.read() as session:
            now = session.now()
            due = told.late(session, now - LATE_AFTER, now - LATE_AFTER, LATE_BATCH)
        for subscription_id in due:
            # Whatever comes of it, the others have their turn first.
            with self._database.write() as session:
                told.note_looked_at(session, subscription_id, now)
            try:
                self._look_at_subscription(provider, subscription_id)
            except ProviderUnavailable:
                log.warning("subscription %s cannot be asked about at the moment", subscription_id)

    def _is_known(self, provider: Provider, event: ProviderEvent) -> bool:
        with self._database.read() as session:
            return told.was_told(session, provider.name, event.id) or (
                event.type in ONCE and told.was_told_of(session, provider.name, event.type, event.object_id)
            )

    def _act(self, provider: Provider, event: ProviderEvent) -> None:
        match event.subject:
            case Subject.CHECKOUT:
                self._look_at_checkout(provider, event)
            case Subject.SUBSCRIPTION:
                self._look_at_subscription(provider, event.object_id)
            case Subject.INVOICE:
                self._look_at_invoice(provider, event.object_id)
            case Subject.CHARGE:
                self._look_at_charge(provider, provider.charge(event.object_id))
            case Subject.REFUND:
                refund = provider.made_refund(event.object_id)
                self._look_at_charge(provider, refund.charge)
                if refund.has_failed and refund.refund_id is not None:
                    with self._database.write() as session:
                        refunds.note_failed(session, refund.refund_id, session.now())
            case Subject.DISPUTE:
                dispute = provider.dispute(event.object_id)
                self._ensure_payment(provider, dispute.charge)
                with self._database.write() as session:
                    payment = self._payment_of(session, provider, dispute.charge)
                    if payment is not None:
                        self._books.disputed(session, payment, dispute)

    def _look_at_checkout(self, provider: Provider, event: ProviderEvent) -> None:
        with self._database.read() as session:
            checkout = payments.find_checkout(session, provider.name, event.object_id)
            if checkout is None and event.checkout_id is not None:
                # Told before we have noted the provider's name for it.
                checkout = payments.checkout(session, event.checkout_id)
                if checkout is not None and checkout.session_id is not None:
                    log.error("session %s names checkout %s, which has another", event.object_id, checkout.id)
                    return
        if checkout is None:
            log.warning("session %s is of no checkout of ours", event.object_id)
            return
        self._checkouts.fulfil(checkout.id)

    def _look_at_charge(self, provider: Provider, charge: ProviderCharge) -> None:
        self._ensure_payment(provider, charge)
        with self._database.write() as session:
            payment = self._payment_of(session, provider, charge)
            if payment is not None:
                self._books.paid_back(session, payment, charge.refunded)

    def _look_at_subscription(self, provider: Provider, subscription_id: str) -> None:
        found = provider.subscription(subscription_id)
        with self._database.write() as session:
            self._subscriptions.settle(session, found)

    def _look_at_invoice(self, provider: Provider, invoice_id: str) -> Payment | None:
        invoice = provider.invoice(invoice_id)
        if invoice.subscription_id is None:
            return None  # of a pack, whose checkout tells of it
        found = provider.subscription(invoice.subscription_id)
        with self._database.write() as session:
            return self._subscriptions.settle_invoice(session, found, invoice)

    def _ensure_payment(self, provider: Provider, charge: ProviderCharge) -> None:
        """Money goes back that we have not heard of yet: first things first."""
        with self._database.write() as session:
            if self._payment_of(session, provider, charge) is not None:
                return
            checkout = payments.checkout(session, charge.checkout_id) if charge.checkout_id else None
        if checkout is not None:
            self._checkouts.fulfil(checkout.id)
        elif charge.invoice_id is not None:
            self._look_at_invoice(provider, charge.invoice_id)

    def _payment_of(self, session: WriteSession, provider: Provider, charge: ProviderCharge) -> Payment | None:
        payment = payments.lock_payment_by_ref(session, provider.name, charge.payment_ref)
        if payment is None:
            log.warning("%s %s has come to no payment of ours", provider.name, charge.payment_ref)
        return payment
