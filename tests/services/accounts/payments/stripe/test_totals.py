"""Stripe's totals by day and currency against our books."""

import pytest
from sqlalchemy import insert, update

from services.accounts.payments.errors import ProviderUnavailable
from services.accounts.payments.models import Payment
from services.accounts.payments.totals import Amounts, DayTotals
from tests.clocks import Clock
from tests.services.accounts.payments.stripe.shop import Shop


def totals(shop: Shop, clock: Clock) -> DayTotals:
    """Of the one day on which something happened, seen from the next ones."""
    for charge in shop.double.objects.values():
        if charge["object"] == "charge":
            charge["created"] = int(clock.began.timestamp())  # wherever midnight is
    (found,) = shop.made.totals.of_last(3)
    assert (found.day, found.currency) == (clock.began.date(), "eur")
    return found


@pytest.fixture
def busy(shop: Shop, clock: Clock) -> Shop:
    """Three packs and a plan; one pack is paid back in part, one disputed, one dispute was won. A day has passed."""
    sold = []
    for _ in range(3):
        checkout_id, session_id = shop.order()
        shop.tell(*shop.double.pay(session_id))
        sold.append(str(shop.payment(checkout_id).payment_ref))
    shop.subscribe()
    shop.tell(*shop.double.refund(sold[0], 100))
    shop.tell(*shop.double.dispute(sold[1]))
    won = shop.double.dispute(sold[2])
    shop.tell(*won, *shop.double.decide(won[0]["data"]["object"]["id"], "won"))
    clock.advance(days=1, hours=1)
    return shop


def test_they_agree(busy: Shop, clock: Clock) -> None:
    found = totals(busy, clock)

    assert found.provider == found.books == Amounts(3 * 300 + 900, 100, 300)
    assert found.agree


def test_today_is_not_over(shop: Shop, clock: Clock) -> None:
    shop.tell(*shop.double.pay(shop.order()[1]))
    shop.double.only("ch")["created"] = int(clock.now.timestamp())

    assert shop.made.totals.of_last(3) == []


def test_what_was_paid_back_at_stripe_and_never_heard_of_is_a_difference(busy: Shop, clock: Clock) -> None:
    with busy.database.read() as session:
        untouched = session.query(Payment).filter_by(refunded_minor=0, disputed=False).first()
    assert untouched is not None
    busy.double.refund(str(untouched.payment_ref), 50)

    found = totals(busy, clock)

    assert not found.agree
    assert (found.provider.refunded_minor, found.books.refunded_minor) == (150, 100)


def test_a_payment_that_is_not_in_the_books_is_a_difference(busy: Shop, clock: Clock) -> None:
    busy.double.pay(busy.order()[1])

    found = totals(busy, clock)

    assert (found.provider.paid_minor, found.books.paid_minor) == (3 * 300 + 900 + 300, 3 * 300 + 900)


def test_a_payment_that_stripe_never_took_is_a_difference(busy: Shop, clock: Clock) -> None:
    with busy.database.write() as session:
        forged = session.query(Payment).filter_by(total_minor=900).one()
        session.execute(
            insert(Payment).values(
                **{column.name: getattr(forged, column.name) for column in Payment.__table__.columns}
                | {"id": "pay_forged", "provider_id": "cs_forged", "payment_ref": "pi_forged", "receipt_number": "0"}
                | {"checkout_id": None}
            )
        )

    found = totals(busy, clock)

    assert (found.provider.paid_minor, found.books.paid_minor) == (3 * 300 + 900, 3 * 300 + 2 * 900)


def test_one_that_was_written_down_the_day_after_counts_for_the_day_on_which_it_was_taken(
    busy: Shop, clock: Clock
) -> None:
    with busy.database.write() as session:
        session.execute(update(Payment).values(paid_at=clock.now))
    clock.advance(days=1)

    assert totals(busy, clock).agree


def test_while_stripe_is_away_nothing_is_said(busy: Shop) -> None:
    busy.double.is_away = True

    with pytest.raises(ProviderUnavailable):
        busy.made.totals.of_last(1)
