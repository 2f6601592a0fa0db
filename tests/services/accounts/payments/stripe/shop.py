"""A platform that sells by Stripe, and somebody who buys there."""

from dataclasses import dataclass

from services.accounts.accounts import Accounts
from services.accounts.mail.models import OutgoingMail
from services.accounts.mail.service import Mail
from services.accounts.payments import subscription_repository as subscriptions
from services.accounts.payments.building import Cashier, cashier
from services.accounts.payments.letters import Letters
from services.accounts.payments.models import Payment, Subscription
from services.accounts.payments.prices import Price, PriceKind
from services.accounts.payments.stripe_provider import Stripe, StripeOptions
from services.accounts.security_events.origin import Origin
from services.accounts.users import repository as users
from services.kit.database import Database, ReadSession
from tests.ids import numbered
from tests.services.accounts.ledger.billing_cases import Money
from tests.services.accounts.payments.stripe.documents import Document
from tests.services.accounts.payments.stripe.double import StripeDouble
from tests.services.accounts.payments.stripe.serving import WEBHOOK_SECRET, signed
from tests.services.accounts.payments.till import TERMS, ListedPrices

PLUS = Price("plus", PriceKind.PLAN, "Plus", 900, "eur", 18_000, plan="plus")
STUDIO = Price("studio", PriceKind.PLAN, "Studio", 2_900, "eur", 72_000, plan="studio")


class Prices(ListedPrices):
    def price(self, session: ReadSession, price_id: str) -> Price | None:
        return next((one for one in (PLUS, STUDIO) if one.id == price_id), super().price(session, price_id))


def options(double: StripeDouble, **changes: bool) -> StripeOptions:
    return StripeOptions(
        secret_key="sk_test_1",
        webhook_secret=WEBHOOK_SECRET,
        webhook_tolerance_seconds=300,
        api_url=double.url,
        automatic_tax=changes.get("automatic_tax", False),
        tax_ids=changes.get("tax_ids", False),
        invoices=changes.get("invoices", False),
    )


@dataclass
class Shop:
    """A platform that sells by Stripe, and one account that buys there."""

    accounts: Accounts
    double: StripeDouble
    made: Cashier
    money: Money
    stripe: Stripe

    @classmethod
    def of(cls, accounts: Accounts, double: StripeDouble, **changes: bool) -> "Shop":
        stripe = Stripe(options(double, **changes))
        made = cashier(
            *(accounts.database, accounts.credits, Prices(), Letters(Mail()), TERMS, "free"),
            provider=stripe,
        )
        return cls(accounts, double, made, Money.of_new_user(accounts), stripe)

    @property
    def database(self) -> Database:
        return self.accounts.database

    def order(self, price_id: str = numbered("prc", 1)) -> tuple[str, str]:
        """Ids of a checkout and of its session."""
        with self.database.write() as session:
            checkout_id = self.made.payments.begin(session, self.money.account_id, price_id)
        checkout = self.made.payments.open(checkout_id)
        assert checkout.session_id is not None
        return checkout_id, checkout.session_id

    def tell(self, *events: Document, times: int = 1) -> None:
        for _ in range(times):
            for event in events:
                self.made.webhooks.receive("stripe", *signed(event))

    def subscribe(self, price_id: str = "plus") -> str:
        """Id of the subscription that somebody has paid for."""
        _, session_id = self.order(price_id)
        self.tell(*self.double.pay(session_id))
        return str(self.double.objects[session_id]["subscription"])

    def status(self, checkout_id: str) -> str:
        with self.database.read() as session:
            return self.made.payments.checkout(session, self.money.account_id, checkout_id)[0].status

    def payment(self, checkout_id: str) -> Payment:
        with self.database.read() as session:
            _, payment = self.made.payments.checkout(session, self.money.account_id, checkout_id)
        assert payment is not None
        return payment

    def pay_back(self, checkout_id: str, amount: int | None = None) -> str:
        """Id of a refund that an admin asks for."""
        payment_id = self.payment(checkout_id).id
        with self.database.write() as session:
            return self.made.refunds.begin(session, payment_id, amount, "A test", Origin(), numbered("usr", 9))

    def written(self) -> list[str]:
        """Templates of the mails to the account, in their order."""
        with self.database.read() as session:
            user = users.get(session, self.money.account_id)
            assert user is not None
            mails = session.query(OutgoingMail).filter_by(recipient=user.email).order_by(OutgoingMail.id)
            return [mail.template for mail in mails]

    def subscription(self) -> Subscription:
        with self.database.read() as session:
            return subscriptions.of_account(session, self.money.account_id)[0]

    @property
    def plan(self) -> str:
        with self.database.read() as session:
            user = users.get(session, self.money.account_id)
        assert user is not None
        return user.plan

    @property
    def credits(self) -> int:
        return self.money.balance.available
