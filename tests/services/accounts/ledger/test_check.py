"""The check of the books finds whatever is tampered with, on a migrated database."""

import logging
from datetime import timedelta
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import delete, insert, select, update

from services.accounts.accounts import Accounts
from services.accounts.ledger.holds import Ending, State
from services.accounts.ledger.models import AccountBalance, CreditLot, LedgerEntry, LotHold, Reservation
from services.accounts.ledger.transfers import Source, SourceType, TransferKind
from services.accounts.payments.errors import ProviderUnavailable
from services.accounts.payments.models import Payment
from services.accounts.sweeper import PUT_OFF, NightlyCheck
from services.kit.ids import new_id
from tests.clocks import Clock
from tests.services.accounts.ledger.billing_cases import Money, assert_books_add_up

PAYMENT = Source(SourceType.PAYMENT, "pay_1")


@pytest.fixture
def money(accounts: Accounts) -> Money:
    return Money.of_new_user(accounts)


def _tamper(money: Money, *statements: Any) -> dict[str, list[str]]:
    """What the check finds afterwards."""
    with money.accounts.database.write() as session:
        for statement in statements:
            session.execute(statement)
    return {name: list(ids) for name, ids in money.findings().faults.items() if ids}


def _pay(money: Money, **changes: Any) -> None:
    row = {
        "id": "pay_1",
        "account_id": money.account_id,
        "provider": "sandbox",
        "provider_id": "sbx_1",
        "name": "One hour",
        "total_minor": 300,
        "tax_minor": 0,
        "currency": "eur",
        "credits": 3600,
        "refunded_minor": 0,
        "returned_credits": 0,
        "disputed": False,
        "receipt_number": "1",
        **changes,
    }
    with money.accounts.database.write() as session:
        session.execute(insert(Payment).values(**row, paid_at=session.now()))


def _promoted(money: Money, clock: Clock) -> str:
    """A promotion of which a job holds a part, and some has lapsed; the id of what brought it."""
    money.promote(50, clock() + timedelta(days=1))
    money.reserve(20)
    clock.advance(days=1)
    money.lapse()
    assert_books_add_up(money)
    with money.accounts.database.read() as session:
        return session.scalars(select(CreditLot.transfer_id)).one()


@pytest.mark.parametrize(
    "change", [{"held": 19, "spent": 1}, {"lapsed": 29, "spent": 1}, {"available": 700, "credits": 750}], ids=str
)
def test_a_lot_that_says_something_else_than_the_books_is_found(
    money: Money, clock: Clock, change: dict[str, int]
) -> None:
    lot = _promoted(money, clock)
    found = _tamper(money, update(CreditLot).values(**change))["wrong_lots"]
    assert found == [money.account_id if "available" in change else lot]


def test_a_job_that_has_more_from_lots_than_it_holds_is_found(money: Money, clock: Clock) -> None:
    _promoted(money, clock)
    with money.accounts.database.read() as session:
        job_id = session.scalars(select(LotHold.job_id)).one()
    more = (update(LotHold).values(credits=21), update(CreditLot).values(held=21, credits=51))
    assert _tamper(money, *more)["wrong_lots"] == [job_id]


def test_books_of_every_kind_of_job_add_up(money: Money, clock: Clock) -> None:
    money.end(money.reserve(0)[0], Ending.CAPTURE)
    money.end(money.reserve(10)[0], Ending.CAPTURE)
    money.end(money.reserve(10)[0], Ending.RELEASE)
    money.end(new_id("job"), Ending.RELEASE)
    money.reserve(10_000)
    money.reserve(10)
    clock.advance(days=3)
    money.expire()
    money.reserve(10)
    assert_books_add_up(money)


def test_a_balance_that_was_changed_by_hand(money: Money) -> None:
    money.reserve(10)
    changed = update(AccountBalance).values(
        available=AccountBalance.available + 1, reserved=AccountBalance.reserved + 1
    )
    assert _tamper(money, changed) == {
        "wrong_balances": [money.account_id],
        "wrong_holds": [money.account_id],
    }


def test_an_entry_that_was_changed_by_hand(money: Money) -> None:
    given = LedgerEntry.ledger_account == "system:grants"
    found = _tamper(money, update(LedgerEntry).where(given).values(credits=LedgerEntry.credits + 1))
    assert set(found) == {"total", "unbalanced_transfers"}


def test_a_capture_of_a_job_that_did_not_succeed(money: Money) -> None:
    job_id, _ = money.reserve(10)
    money.end(job_id, Ending.CAPTURE)
    assert _tamper(money, update(Reservation).values(state=State.RELEASED)) == {"wrong_jobs": [job_id]}


def test_a_hold_that_stands_although_it_was_paid(money: Money) -> None:
    job_id, _ = money.reserve(10)
    money.end(job_id, Ending.CAPTURE)
    found = _tamper(money, update(Reservation).values(state=State.HELD))
    assert found == {"wrong_jobs": [job_id], "wrong_holds": [money.account_id]}


def test_a_job_that_paid_another_price(money: Money) -> None:
    job_id, _ = money.reserve(10)
    money.end(job_id, Ending.CAPTURE)
    assert _tamper(money, update(Reservation).values(price_credits=11)) == {"wrong_jobs": [job_id]}


def test_credits_moved_for_a_job_that_has_no_hold(money: Money) -> None:
    job_id, _ = money.reserve(10)
    money.end(job_id, Ending.CAPTURE)
    assert _tamper(money, delete(Reservation)) == {"wrong_jobs": [job_id]}


def test_a_payment_and_its_credits_belong_together(money: Money) -> None:
    money.post(TransferKind.PURCHASE, 3600, PAYMENT)
    _pay(money)
    assert_books_add_up(money)

    assert _tamper(money, update(Payment).values(credits=3601)) == {"wrong_payments": ["pay_1"]}
    assert _tamper(money, delete(Payment)) == {"wrong_payments": ["pay_1"]}


def test_a_month_of_a_plan_and_its_credits_belong_together(money: Money) -> None:
    money.post(TransferKind.PLAN_GRANT, 3600, Source(SourceType.INVOICE, "in_1"))
    assert _tamper(money) == {"wrong_payments": ["in_1"]}
    _pay(money, provider_id="in_1")
    assert_books_add_up(money)


def test_a_payment_that_brought_nothing(money: Money) -> None:
    _pay(money)
    assert _tamper(money) == {"wrong_payments": ["pay_1"]}


class Away:
    """A payment provider that does not answer until it is `there`."""

    def __init__(self) -> None:
        self.there = False
        self.asked = 0

    def of_last(self, _days: int) -> list[object]:
        self.asked += 1
        if not self.there:
            raise ProviderUnavailable
        return []


def test_a_provider_that_is_away_puts_the_comparison_off_and_not_the_check(
    money: Money, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def put_off() -> float:
        return float(PUT_OFF._value.get())

    def checked() -> float | None:
        return REGISTRY.get_sample_value("stemwright_accounts_ledger_checked_timestamp_seconds")

    away, before = Away(), put_off()
    nightly = NightlyCheck(money.accounts.database, cast(Any, away))
    with caplog.at_level(logging.WARNING):
        nightly()
    begun = clock.now
    assert (checked(), away.asked, put_off() - before) == (begun.timestamp(), 1, 1)
    assert "put off" in caplog.text
    clock.advance(minutes=30)
    nightly()
    assert (checked(), away.asked) == (begun.timestamp(), 1)
    clock.advance(minutes=31)
    away.there = True
    for _ in range(3):
        nightly()
    assert (away.asked, put_off() - before) == (2, 1)


def test_the_nightly_check_runs_once_a_day_and_says_what_it_found(
    money: Money, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def faults() -> float | None:
        return REGISTRY.get_sample_value("stemwright_accounts_ledger_faults", {"check": "wrong_balances"})

    nightly = NightlyCheck(money.accounts.database, money.accounts.provider_totals)
    nightly()
    assert faults() == 0

    _tamper(money, update(AccountBalance).values(available=1))
    nightly()
    assert faults() == 0

    clock.advance(days=1)
    with caplog.at_level(logging.ERROR):
        nightly()
    assert faults() == 1
    assert money.account_id in caplog.text
    assert REGISTRY.get_sample_value("stemwright_accounts_ledger_checked_timestamp_seconds") == clock.now.timestamp()
