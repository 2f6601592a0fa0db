"""The life of a checkout, from the wish to buy to credits in the books.

    open ──> paid        credits are granted, once
     │  └──> processing ──> paid | failed
     ├─────> failed
     └─────> expired

Nothing that comes from outside is believed: a webhook, the page that the person lands on, and the poller all do no more
than call `fulfil`, which asks the provider what has become of the session. `paid` is final; whatever else a checkout
was thought to be, money that did come in is granted. The page, which anybody may open as often as they like, asks only
now and then (`look`).
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from prometheus_client import Counter

from services.accounts.ledger.transfers import TransferKind
from services.accounts.payments import repository as payments
from services.accounts.payments import subscription_repository as subscriptions
from services.accounts.payments.books import Books, Income
from services.accounts.payments.errors import (
    AlreadySubscribed,
    CheckoutNotFound,
    NoSubscription,
    PaymentNotFound,
    PaymentsOff,
    ProviderUnavailable,
    TooManyCheckouts,
)
from services.accounts.payments.models import Checkout, Payment, Subscription
from services.accounts.payments.places import LOOKS_AT_PROVIDER, Places
from services.accounts.payments.prices import Price, PriceBook, PriceKind
from services.accounts.payments.providers import (
    Order,
    Provider,
    ProviderInvoice,
    ProviderSession,
    ProviderSubscription,
    SessionState,
    SubscriptionState,
)
from services.accounts.payments.subscriptions import Subscriptions, counts
from services.accounts.payments.terms import PaymentTerms
from services.accounts.plans.errors import PriceNotFound
from services.accounts.users import repository as users
from services.kit.database import DATABASE_AWAY, Database, ReadSession, WriteSession
from services.kit.errors import Unauthorized

log = logging.getLogger(__name__)

REFUSED = Counter(
    "stemwright_accounts_payments_refused_total", "Paid sessions that were not what was ordered.", ["provider"]
)

POLL_BATCH = 50
LOOK_PAUSE = timedelta(seconds=5)
"""So long nobody who looks at a checkout has the provider asked about it again."""
TIME_TO_PAY = timedelta(minutes=10)
"""Who orders a plan once more is sent to the open checkout again, if so much of its time is left."""
LOST_AFTER = timedelta(hours=1)
"""So long after its time a checkout that its provider never knew is given up."""


class CheckoutStatus(StrEnum):
    OPEN = "open"
    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"


_ENDED = (CheckoutStatus.PAID, CheckoutStatus.FAILED, CheckoutStatus.EXPIRED)


@dataclass(frozen=True)
class PlanBought:
    """What a checkout of a plan has led to at its provider."""

    subscription: ProviderSubscription
    invoice: ProviderInvoice


class Payments:
    def __init__(
        self,
        database: Database,
        books: Books,
        subscriptions_: Subscriptions,
        prices: PriceBook,
        terms: PaymentTerms,
        *,
        provider: Provider | None,
    ) -> None:
        self._database = database
        self._books = books
        self._subscriptions = subscriptions_
        self._prices = prices
        self._terms = terms
        self._provider = provider
        self._looks = Places(LOOKS_AT_PROVIDER)
        if provider is not None:
            REFUSED.labels(provider.name)  # from 0 on: an alert is about the first of them

    @property
    def provider(self) -> Provider:
        """Who takes the money. Raises PaymentsOff."""
        if self._provider is None:
            raise PaymentsOff
        return self._provider

    @property
    def terms(self) -> PaymentTerms:
        return self._terms

    def begin(self, session: WriteSession, account_id: str, price_id: str) -> str:
        """Notes a checkout and returns its id; `open` then takes it to the provider. Of a plan whose checkout is open
        already, it is that one.

        Raises PaymentsOff, PriceNotFound, AlreadySubscribed, TooManyCheckouts.
        """
        provider = self.provider
        if users.get(session, account_id) is None:
            raise Unauthorized("this account does not exist any more")
        price = self._prices.price(session, price_id)
        if price is None:
            raise PriceNotFound
        session.serialize(f"checkouts of {account_id}")
        if price.kind is PriceKind.PLAN:
            if self.has_plan(session, account_id):
                raise AlreadySubscribed
            begun = self._begun(session, account_id, price)
            if begun is not None:
                return begun.id
        if payments.count_open(session, account_id) >= self._terms.open_checkouts_max:
            raise TooManyCheckouts
        return payments.add_checkout(
            session,
            account_id=account_id,
            provider=provider.name,
            price=price,
            status=CheckoutStatus.OPEN,
            expires_at=session.now() + self._terms.checkout_lifetime,
        ).id

    def _begun(self, session: ReadSession, account_id: str, price: Price) -> Checkout | None:
        """The open checkout of this plan, while there is time to pay it. Raises TooManyCheckouts while a bank is at
        work on any: it may still be paid."""
        for one in payments.open_plans(session, account_id, self.provider.name):
            if one.status == CheckoutStatus.PROCESSING:
                raise TooManyCheckouts("A plan was ordered, and your bank is at work on its payment.")
            if one.price_id == price.id and one.expires_at >= session.now() + TIME_TO_PAY:
                return one
        return None

    def has_plan(self, session: ReadSession, account_id: str) -> bool:
        """Whether the account pays for a plan that counts now."""
        now = session.now()
        return any(counts(one, now) for one in subscriptions.of_account(session, account_id))

    def open(self, checkout_id: str) -> Checkout:
        """Takes a checkout to its provider, once, and returns it with the address to pay at. Blocks.

        An account pays for one plan: older checkouts of plans are over before this one can be paid. Raises
        ProviderUnavailable; it may be called again. Raises AlreadySubscribed where an older one is paid meanwhile.
        """
        with self._database.read() as session:
            checkout = payments.checkout(session, checkout_id)
            if checkout is None:
                raise CheckoutNotFound
            plans = payments.open_plans(session, checkout.account_id, checkout.provider)
        if checkout.session_id is not None or checkout.ended_at is not None:
            return checkout
        if checkout.kind == PriceKind.PLAN:
            for older in (one for one in plans if one.id < checkout.id):
                self._end_older(older, checkout)
        return self._take(checkout)

    def _take(self, checkout: Checkout) -> Checkout:
        """The checkout with the session that it has at its provider."""
        with self._database.read() as session:
            buyer = users.get(session, checkout.account_id)
            customer_id = payments.customer_of(session, checkout.account_id, checkout.provider)
        made = self._provider_of(checkout).open(
            Order(
                checkout_id=checkout.id,
                account_id=checkout.account_id,
                email=buyer.email if buyer else "",
                price=_price_of(checkout),
                expires_at=checkout.expires_at,
                return_url=self._terms.return_url(checkout.id),
                customer_id=customer_id,
            )
        )
        with self._database.write() as session:
            checkout = payments.lock_checkout(session, checkout.id)
            checkout.session_id, checkout.url = made.id, made.url
            return checkout

    def _end_older(self, older: Checkout, newer: Checkout) -> None:
        """Has nobody pay the older of two checkouts of plans. Where somebody has, the newer one is over instead, and
        AlreadySubscribed is raised."""
        if older.session_id is None:
            # Whether its provider knows it is not known: now it does, and by the same key makes no second session.
            older = self._take(older)
        assert older.session_id is not None  # noqa: S101 - it is there now
        self._provider_of(older).expire(older.session_id)
        if self.fulfil(older.id).status not in (CheckoutStatus.PAID, CheckoutStatus.PROCESSING):
            return
        with self._database.write() as session:
            checkout = payments.lock_checkout(session, newer.id)
            checkout.status, checkout.ended_at = CheckoutStatus.EXPIRED, session.now()
        raise AlreadySubscribed

    def fulfil(self, checkout_id: str) -> Checkout:
        """Asks the provider what has become of a checkout, and grants it when it is paid. Blocks.

        Called by whoever has reason to think that something has happened, any number of times and in parallel: what a
        payment brings, it brings once. Raises CheckoutNotFound, ProviderUnavailable.
        """
        with self._database.read() as session:
            checkout = payments.checkout(session, checkout_id)
        if checkout is None:
            raise CheckoutNotFound
        if checkout.status == CheckoutStatus.PAID:
            return checkout
        if checkout.session_id is None:
            # One that was given up is asked about too: what told of it may know better.
            checkout = self.open(checkout_id) if checkout.ended_at is None else self._take(checkout)
        assert checkout.session_id is not None  # noqa: S101 - `open` has put it there
        found = self._provider_of(checkout).session(checkout.session_id)
        plan = self._plan_bought(checkout, found)
        with self._database.write() as session:
            return self._settle(session, checkout_id, found, plan)

    def look(self, checkout_id: str) -> Checkout:
        """What has become of a checkout, for whoever opens its page: the provider is asked about one that has not
        ended, the first time and then once in LOOK_PAUSE, however many look. Blocks.

        Raises CheckoutNotFound, ProviderUnavailable.
        """
        with self._database.read() as session:
            checkout, now = payments.checkout(session, checkout_id), session.now()
        if checkout is None:
            raise CheckoutNotFound
        was_asked = checkout.checked_at > checkout.created_at
        if checkout.status in _ENDED or (was_asked and now < checkout.checked_at + LOOK_PAUSE):
            return checkout
        with self._looks.one():
            with self._database.write() as session:
                is_first = payments.note_look(session, checkout, now)
            return self.fulfil(checkout_id) if is_first else checkout

    def reconcile(self) -> None:
        """Asks about the open checkouts that were not asked about lately. Blocks.

        For what no webhook told of. One that cannot be asked about costs nothing but its own turn.
        """
        with self._database.read() as session:
            now = session.now()
            due = payments.open_checkouts(session, now - self._terms.poll_pause, POLL_BATCH)
        for checkout_id in due:
            # Whatever comes of it, the others have their turn first.
            with self._database.write() as session:
                payments.note_checked(session, checkout_id, now)
            try:
                self.fulfil(checkout_id)
            except DATABASE_AWAY:
                raise
            except ProviderUnavailable:
                self._give_up_if_lost(checkout_id)
            except Exception:
                log.exception("checkout %s could not be asked about", checkout_id)

    def checkout(self, session: ReadSession, account_id: str, checkout_id: str) -> tuple[Checkout, Payment | None]:
        """Raises CheckoutNotFound."""
        found = payments.checkout_of(session, account_id, checkout_id)
        if found is None:
            raise CheckoutNotFound
        return found, payments.payment_of_checkout(session, checkout_id)

    def payment(self, session: ReadSession, account_id: str, payment_id: str) -> Payment:
        """Raises PaymentNotFound."""
        found = payments.payment_of(session, account_id, payment_id)
        if found is None:
            raise PaymentNotFound
        return found

    def subscription(self, session: ReadSession, account_id: str) -> Subscription:
        """The plan that the account pays for, or the last one that has not ended. Raises NoSubscription."""
        found = next(
            (one for one in subscriptions.of_account(session, account_id) if one.state != SubscriptionState.ENDED), None
        )
        if found is None:
            raise NoSubscription
        return found

    def portal(self, subscription: Subscription) -> str:
        """Where its owner changes a plan. Blocks. Raises PaymentsOff, ProviderUnavailable."""
        if self.provider.name != subscription.provider:
            raise PaymentsOff
        return self.provider.portal(subscription.customer_id, self._terms.public_url)

    def _provider_of(self, checkout: Checkout) -> Provider:
        if self._provider is None or self._provider.name != checkout.provider:
            log.warning("checkout %s is of %s, which is not the provider any more", checkout.id, checkout.provider)
            raise ProviderUnavailable
        return self._provider

    def _plan_bought(self, checkout: Checkout, found: ProviderSession) -> PlanBought | None:
        """None for what is no plan, or not paid."""
        if checkout.kind != PriceKind.PLAN or found.state is not SessionState.PAID:
            return None
        if found.subscription_id is None or found.invoice_id is None:
            return None
        provider = self._provider_of(checkout)
        return PlanBought(provider.subscription(found.subscription_id), provider.invoice(found.invoice_id))

    def _settle(
        self, session: WriteSession, checkout_id: str, found: ProviderSession, plan: PlanBought | None
    ) -> Checkout:
        checkout = payments.lock_checkout(session, checkout_id)
        if checkout.status == CheckoutStatus.PAID:
            return checkout
        checkout.checked_at = session.now()
        status = CheckoutStatus(found.state)
        if found.state is SessionState.PAID:
            wrong = _differences(checkout, found)
            if not wrong and not self._grant(session, checkout, found, plan):
                wrong = ["subscription"]
            if wrong:
                # Money came in for something else than was ordered: a person has to look, and nothing is granted.
                session.after_commit(REFUSED.labels(checkout.provider).inc)
                log.error(
                    "checkout %s is refused: the session %s at %s has another %s",
                    checkout.id, found.id, checkout.provider, ", ".join(wrong),
                )  # fmt: skip
                status = CheckoutStatus.FAILED
            else:
                checkout.customer_id = found.customer_id
        checkout.status = status
        if status in _ENDED:
            checkout.ended_at = checkout.ended_at or session.now()
            checkout.url = None
        return checkout

    def _grant(
        self, session: WriteSession, checkout: Checkout, found: ProviderSession, plan: PlanBought | None
    ) -> bool:
        """Whether what was bought is in the books now."""
        if checkout.kind == PriceKind.PLAN:
            if plan is None:
                return False
            payment = self._subscriptions.settle_invoice(session, plan.subscription, plan.invoice)
            if payment is None or payment.account_id != checkout.account_id:
                return False
            payment.checkout_id = checkout.id
            return True
        income = Income(
            provider=checkout.provider,
            provider_id=found.id,
            payment_ref=found.payment_ref,
            account_id=checkout.account_id,
            name=checkout.name,
            credits=checkout.credits,
            kind=TransferKind.PURCHASE,
            currency=found.currency,
            total_minor=found.total_minor,
            tax_minor=found.tax_minor,
        )
        self._books.record(session, income).checkout_id = checkout.id
        return True

    def _give_up_if_lost(self, checkout_id: str) -> None:
        with self._database.write() as session:
            checkout = payments.lock_checkout(session, checkout_id)
            if checkout.session_id is None and checkout.expires_at + LOST_AFTER <= session.now():
                checkout.status, checkout.ended_at = CheckoutStatus.EXPIRED, session.now()


def _price_of(checkout: Checkout) -> Price:
    return Price(
        checkout.price_id,
        PriceKind(checkout.kind),
        checkout.name,
        checkout.amount_minor,
        checkout.currency,
        checkout.credits,
        checkout.plan,
    )


def _differences(checkout: Checkout, found: ProviderSession) -> list[str]:
    """What of a paid session is not what was ordered."""
    compared = {
        "amount": (checkout.amount_minor, found.amount_minor),
        "currency": (checkout.currency, found.currency),
        "account": (checkout.account_id, found.account_id),
        "price": (checkout.price_id, found.price_id),
    }
    wrong = [name for name, (ordered, paid) in compared.items() if ordered != paid]
    # Tax may come on top, and nothing may be taken off.
    if "amount" not in wrong and found.total_minor < checkout.amount_minor:
        wrong.append("total")
    return wrong
