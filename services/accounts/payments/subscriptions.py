"""Monthly plans: which plan an account has, until when, and the credits of each period that was paid.

    waiting ──> active ⇄ overdue ──> ended
                  └────────────────────┘

A plan counts while its subscription is active, and for some days of grace while a renewal is overdue. What a
subscription is, is what the provider says when it is asked; the order of the news does not matter.
"""

import logging
from datetime import datetime

from prometheus_client import Counter

from services.accounts.ledger.transfers import TransferKind
from services.accounts.payments import repository as payments
from services.accounts.payments import subscription_repository as subscriptions
from services.accounts.payments.books import Books, Income
from services.accounts.payments.letters import Letters
from services.accounts.payments.models import Checkout, Payment, Subscription
from services.accounts.payments.prices import PriceBook, PriceKind
from services.accounts.payments.providers import ProviderInvoice, ProviderSubscription, SubscriptionState
from services.accounts.payments.terms import PaymentTerms
from services.accounts.users import repository as users
from services.kit.database import WriteSession

log = logging.getLogger(__name__)

REFUSED = Counter(
    "stemwright_accounts_subscriptions_refused_total", "Subscriptions and invoices that nobody here has ordered."
)
SECOND = Counter(
    "stemwright_accounts_second_subscriptions_total", "Plans that began while their account paid for another one."
)


class Subscriptions:
    """Each method works inside the caller's transaction."""

    def __init__(
        self,
        books: Books,
        prices: PriceBook,
        terms: PaymentTerms,
        letters: Letters,
        *,
        provider: str,
        default_plan: str,
    ) -> None:
        self._books = books
        self._prices = prices
        self._terms = terms
        self._letters = letters
        self._provider = provider
        self._default_plan = default_plan

    def settle(self, session: WriteSession, found: ProviderSubscription) -> Subscription | None:
        """Writes down what a subscription is now, and gives the account the plan that follows from it.

        None, logged, for one that nobody here has ordered, or that names another account.
        """
        # Of the first news of it there may be several at once, and no row to lock yet.
        session.serialize(f"subscription {found.id}")
        known = subscriptions.lock(session, found.id)
        counted = known is not None and counts(known, session.now())
        if known is None:
            known = self._first(session, found)
        if known is None or known.account_id != found.account_id:
            session.after_commit(REFUSED.inc)
            log.error("subscription %s of %r is refused: nobody here has ordered it so", found.id, found.account_id)
            return None
        if found.price_id != known.price_id:
            self._change_price(session, known, found.price_id)
        now = session.now()
        if found.state is SubscriptionState.OVERDUE:
            if known.grace_until is None:
                known.grace_until = now + self._terms.grace
                self._letters.renewal_failed(session, known)
        else:
            known.grace_until = None
        known.state = found.state
        known.period_ends_at = found.period_ends_at
        known.ends_with_period = found.ends_with_period
        known.customer_id = found.customer_id
        known.updated_at = now
        session.flush()
        if not counted:
            self._look_for_another(session, known)
        self.apply(session, known.account_id)
        return known

    def settle_invoice(
        self, session: WriteSession, found: ProviderSubscription, invoice: ProviderInvoice
    ) -> Payment | None:
        """Writes down what an invoice of a subscription brought in, and grants the credits of its period, once.

        None where it is not paid, and, logged, where it is not the price of what was ordered.
        """
        subscription = self.settle(session, found)
        if subscription is None or not invoice.is_paid:
            return None
        wrong = invoice.subscription_id != subscription.id or invoice.currency != subscription.currency
        if invoice.is_period and invoice.amount_minor != subscription.amount_minor:
            wrong = True
        if wrong:
            session.after_commit(REFUSED.inc)
            log.error("invoice %s is refused: it is not what subscription %s costs", invoice.id, subscription.id)
            return None
        if not invoice.is_period and not invoice.total_minor:
            return None
        income = Income(
            provider=self._provider,
            provider_id=invoice.id,
            payment_ref=invoice.payment_ref,
            account_id=subscription.account_id,
            name=subscription.name,
            # What a change within a period costs brings the other plan; its credits come with its first period.
            credits=subscription.credits if invoice.is_period else 0,
            kind=TransferKind.PLAN_GRANT,
            currency=invoice.currency,
            total_minor=invoice.total_minor,
            tax_minor=invoice.tax_minor,
        )
        return self._books.record(session, income)

    def apply(self, session: WriteSession, account_id: str) -> None:
        """Gives the account the plan of the subscription that counts now, or else everybody's."""
        user = users.get(session, account_id)
        if user is None:
            return
        now = session.now()
        plan = next(
            (one.plan for one in subscriptions.of_account(session, account_id) if counts(one, now)),
            self._default_plan,
        )
        if user.plan != plan:
            log.info("account %s has the plan %s now", account_id, plan)
            user.plan, user.updated_at = plan, now

    def _look_for_another(self, session: WriteSession, begun: Subscription) -> None:
        """Two checkouts of plans are never open at once; should two plans be paid for all the same, a person has to end
        one and pay it back: which, the buyer knows."""
        now = session.now()
        others = [
            one.id
            for one in subscriptions.of_account(session, begun.account_id)
            if one.id != begun.id and counts(one, now)
        ]
        if others and counts(begun, now):
            session.after_commit(SECOND.inc)
            log.error("account %s pays for subscription %s beside %s", begun.account_id, begun.id, ", ".join(others))

    def _first(self, session: WriteSession, found: ProviderSubscription) -> Subscription | None:
        checkout = payments.checkout(session, found.checkout_id)
        if checkout is None or checkout.account_id != found.account_id or checkout.kind != PriceKind.PLAN:
            return None
        return subscriptions.add(session, _of(checkout, found, session.now()))

    def _change_price(self, session: WriteSession, known: Subscription, price_id: str) -> None:
        price = self._prices.price(session, price_id)
        if price is None or price.kind is not PriceKind.PLAN or price.plan is None:
            session.after_commit(REFUSED.inc)
            log.error("subscription %s has a price %r that is not sold here; its plan stays", known.id, price_id)
            return
        known.price_id, known.name, known.plan = price.id, price.name, price.plan
        known.amount_minor, known.currency, known.credits = price.amount_minor, price.currency, price.credits


def counts(subscription: Subscription, now: datetime) -> bool:
    """Whether its plan is the account's at this moment."""
    if subscription.state == SubscriptionState.OVERDUE:
        return subscription.grace_until is not None and now < subscription.grace_until
    return subscription.state == SubscriptionState.ACTIVE


def _of(checkout: Checkout, found: ProviderSubscription, now: datetime) -> Subscription:
    return Subscription(
        id=found.id,
        account_id=checkout.account_id,
        provider=checkout.provider,
        customer_id=found.customer_id,
        price_id=checkout.price_id,
        name=checkout.name,
        plan=checkout.plan or "",
        amount_minor=checkout.amount_minor,
        currency=checkout.currency,
        credits=checkout.credits,
        state=found.state,
        period_ends_at=found.period_ends_at,
        ends_with_period=found.ends_with_period,
        created_at=now,
        updated_at=now,
    )
