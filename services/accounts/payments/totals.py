"""Whether the provider's totals are ours: what it says was paid, paid back and disputed, by day and currency.

A day (UTC) is the provider's: of what it took on that day it is asked what has become of it until now, and our payments
of the same references are added up. A payment of ours that the provider took on another day belongs to that day; one
that it never took stays on ours, where nothing stands against it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import select

from services.accounts.payments.models import Payment
from services.accounts.payments.providers import Provider, Taking
from services.kit.database import Database

REFERENCES_AT_ONCE = 500
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Amounts:
    """In minor units of a currency. `disputed_minor` counts the whole of a payment that is disputed or lost."""

    paid_minor: int = 0
    refunded_minor: int = 0
    disputed_minor: int = 0

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            self.paid_minor + other.paid_minor,
            self.refunded_minor + other.refunded_minor,
            self.disputed_minor + other.disputed_minor,
        )


@dataclass(frozen=True)
class DayTotals:
    """One day in one currency."""

    day: date
    currency: str
    provider: Amounts
    books: Amounts

    @property
    def agree(self) -> bool:
        return self.provider == self.books


class ProviderTotals:
    def __init__(self, database: Database, provider: Provider | None) -> None:
        self._database = database
        self._provider = provider

    def of_last(self, days: int) -> Sequence[DayTotals]:
        """Of each of so many whole days before today; nothing where nothing is sold. Blocks for every hundredth payment
        of them. Raises ProviderUnavailable."""
        if self._provider is None:
            return []
        with self._database.read() as session:
            today = session.now().astimezone(UTC).date()
        wanted = [today - DAY * back for back in range(days, 0, -1)]
        return [totals for day in wanted for totals in self._of_day(self._provider, day)]

    def _of_day(self, provider: Provider, day: date) -> Iterable[DayTotals]:
        since = datetime.combine(day, time(), UTC)
        takings = list(provider.takings(since, since + DAY))
        theirs: dict[str, Amounts] = defaultdict(Amounts)
        for taking in takings:
            theirs[taking.currency] += _taken(taking)
        ours: dict[str, Amounts] = defaultdict(Amounts)
        for payment in self._booked(provider, since, {taking.payment_ref for taking in takings}):
            ours[payment.currency] += _booked(payment)
        for currency in sorted({*theirs, *ours}):
            yield DayTotals(day, currency, theirs[currency], ours[currency])

    def _booked(self, provider: Provider, since: datetime, taken: set[str]) -> Sequence[Payment]:
        of_provider = select(Payment).where(Payment.provider == provider.name)
        references = sorted(taken)
        with self._database.read() as session:
            found = [
                payment
                for start in range(0, len(references), REFERENCES_AT_ONCE)
                for payment in session.scalars(
                    of_provider.where(Payment.payment_ref.in_(references[start : start + REFERENCES_AT_ONCE]))
                )
            ]
            noted = session.scalars(
                of_provider.where(Payment.paid_at >= since, Payment.paid_at < since + DAY, Payment.total_minor > 0)
            ).all()
        unknown = [payment for payment in noted if payment.payment_ref not in taken]
        return [*found, *(payment for payment in unknown if not _was_taken(provider, payment))]


def _was_taken(provider: Provider, payment: Payment) -> bool:
    return payment.payment_ref is not None and provider.taking(payment.payment_ref) is not None


def _taken(taking: Taking) -> Amounts:
    return Amounts(taking.paid_minor, taking.refunded_minor, taking.paid_minor if taking.disputed else 0)


def _booked(payment: Payment) -> Amounts:
    return Amounts(payment.total_minor, payment.refunded_minor, payment.total_minor if payment.disputed else 0)
