"""A provider that does as it is told, and people who buy from it. No password is hashed and nothing is sent."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from services.accounts.accounts import Accounts
from services.accounts.mail.service import Mail
from services.accounts.payments.building import cashier
from services.accounts.payments.errors import ProviderUnavailable, RefundRefused
from services.accounts.payments.letters import Letters
from services.accounts.payments.models import Checkout, Payment
from services.accounts.payments.prices import Price, PriceKind
from services.accounts.payments.providers import Order, ProviderSession, Refunded, SessionState
from services.accounts.payments.refunds import Refunds
from services.accounts.payments.service import Payments
from services.accounts.payments.terms import PaymentTerms, Seller
from services.kit.database import Database, ReadSession
from tests.ids import numbered
from tests.services.accounts.ledger.billing_cases import Money

SELLER = Seller("Stems", "1 Main Street|Springfield", "DE123456789", "VAT", Decimal(19), None)
TERMS = PaymentTerms("http://stems.example", timedelta(hours=1), 20, timedelta(minutes=1), timedelta(days=7), SELLER)


PACKS = (
    Price(numbered("prc", 1), PriceKind.PACK, "1 hour of music", 300, "eur", 3_600),
    Price(numbered("prc", 10), PriceKind.PACK, "10 hours of music", 2_400, "eur", 36_000),
    Price(numbered("prc", 50), PriceKind.PACK, "50 hours of music", 9_900, "eur", 180_000),
)


class ListedPrices:
    """The packs of this list."""

    def price(self, session: ReadSession, price_id: str) -> Price | None:
        return next((price for price in PACKS if price.id == price_id), None)


@dataclass
class Till:
    """Keeps a session for each order, whose state a test sets."""

    name: str = "till"
    sessions: dict[str, ProviderSession] = field(default_factory=dict)
    refunds: dict[str, int] = field(default_factory=dict)
    is_away: bool = False
    refuses: bool = False
    asked: int = 0

    def open(self, order: Order) -> ProviderSession:
        self._answer()
        return self.sessions.setdefault(
            f"session-of-{order.checkout_id}",
            ProviderSession(
                id=f"session-of-{order.checkout_id}",
                url="https://till.example/pay",
                state=SessionState.OPEN,
                account_id=order.account_id,
                price_id=order.price.id,
                currency=order.price.currency,
                amount_minor=order.price.amount_minor,
                total_minor=order.price.amount_minor,
                tax_minor=None,
                payment_ref=f"payment-of-{order.checkout_id}",
            ),
        )

    def session(self, session_id: str) -> ProviderSession:
        self._answer()
        return self.sessions[session_id]

    def expire(self, session_id: str) -> None:
        self._answer()
        if self.sessions[session_id].state is SessionState.OPEN:
            self.sessions[session_id] = replace(self.sessions[session_id], state=SessionState.EXPIRED)

    def refund(self, payment_ref: str, amount_minor: int, refund_id: str) -> Refunded:
        self._answer()
        if self.refuses:
            raise RefundRefused
        self.refunds[refund_id] = amount_minor
        return Refunded(sent_minor=sum(self.refunds.values()))

    def _no(self, *_asked: object) -> Any:
        """Nobody asks this of a till: it sells packs, and tells nothing."""
        raise AssertionError

    event = events = subscription = invoice = charge = made_refund = dispute = _no
    takings = taking = portal = end_subscription = _no

    def _answer(self) -> None:
        self.asked += 1
        if self.is_away:
            raise ProviderUnavailable


@dataclass
class Shop:
    """Payments over a till, and one account that buys."""

    money: Money
    till: Till
    payments: Payments
    refunds: Refunds
    database: Database

    @classmethod
    def of(cls, accounts: Accounts) -> "Shop":
        till = Till()
        letters = Letters(Mail())
        made = cashier(accounts.database, accounts.credits, ListedPrices(), letters, TERMS, "free", provider=till)
        return cls(Money.of_new_user(accounts), till, made.payments, made.refunds, accounts.database)

    def begin(self, price_id: str = numbered("prc", 1)) -> str:
        """A checkout that the provider does not know yet."""
        with self.database.write() as session:
            return self.payments.begin(session, self.money.account_id, price_id)

    def order(self) -> str:
        checkout_id = self.begin()
        self.payments.open(checkout_id)
        return checkout_id

    def becomes(self, checkout_id: str, state: SessionState = SessionState.PAID, **changes: object) -> None:
        """What happens to the session at the provider."""
        known = self.till.sessions[f"session-of-{checkout_id}"]
        self.till.sessions[known.id] = replace(known, state=state, **changes)  # type: ignore[arg-type]

    def checkout(self, checkout_id: str) -> tuple[Checkout, Payment | None]:
        with self.database.read() as session:
            return self.payments.checkout(session, self.money.account_id, checkout_id)
