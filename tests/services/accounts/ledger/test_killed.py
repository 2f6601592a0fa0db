"""Killed at each write of a job's hold and of its settlement, accounts has right books after the restart."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from services.accounts.accounts import Accounts
from services.accounts.consumers import handlers
from services.kit.events.codec import Event
from services.kit.events.topics import JOBS_EVENTS, JOBS_INTERNAL
from services.kit.ids import new_id
from services.kit.protos import billing_pb2, jobs_pb2
from tests.services.accounts.conftest import Outbox
from tests.services.accounts.killing import kill_at_each_write
from tests.services.accounts.ledger.billing_cases import Money, assert_books_add_up

PRICE = 100
WRITES = 5
"""At least: the hold's row, three tables of the ledger, the answer, the commit."""


@pytest.fixture
def deliver(accounts: Accounts) -> Callable[[str, Any], None]:
    """Hands an event to accounts as its consumer does; one that was not dealt with comes again."""
    known = handlers(accounts)

    def send(kind: str, data: Any) -> None:
        topic = JOBS_EVENTS if isinstance(data, dict) else JOBS_INTERNAL
        handler = known[kind if isinstance(data, dict) else type(data)]
        now = datetime.now(UTC)
        handler(Event(new_id("evt"), kind, "/orchestrator", None, now, None, topic.name, 0, 0, "key", data, None))

    return send


def asked(case: tuple[Money, str]) -> Any:
    money, job_id = case
    return jobs_pb2.ReservationRequested(
        job_id=job_id, account_id=money.account_id, price_credits=PRICE, mode=jobs_pb2.JOB_MODE_FULL
    )


def ended(case: tuple[Money, str]) -> dict[str, Any]:
    money, job_id = case
    return {"job": {"id": job_id, "account_id": money.account_id, "mode": "full", "price_credits": PRICE}}


def test_a_hold(accounts: Accounts, deliver: Callable[[str, Any], None], outbox: Outbox) -> None:
    def after(case: tuple[Money, str]) -> None:
        money, job_id = case
        for _ in range(2):
            deliver("asked", asked(case))
        assert (money.balance.available, money.balance.reserved) == (600 - PRICE, PRICE)
        granted = [news for news in outbox.messages(billing_pb2.ReservationGranted) if news.job_id == job_id]
        assert len(granted) in (2, 3), "each question that was dealt with is answered"
        assert_books_add_up(money)

    def begin() -> tuple[Money, str]:
        return Money.of_new_user(accounts), new_id("job")

    assert kill_at_each_write(accounts.database, begin, lambda case: deliver("asked", asked(case)), after) >= WRITES


@pytest.mark.parametrize(
    ("kind", "available", "settlement"),
    [
        ("job.succeeded", 600 - PRICE, billing_pb2.SETTLEMENT_CAPTURED),
        ("job.failed", 600, billing_pb2.SETTLEMENT_RELEASED),
        ("job.canceled", 600, billing_pb2.SETTLEMENT_RELEASED),
    ],
)
def test_a_settlement(
    accounts: Accounts, deliver: Callable[[str, Any], None], outbox: Outbox, kind: str, available: int, settlement: int
) -> None:
    def begin() -> tuple[Money, str]:
        money = Money.of_new_user(accounts)
        return money, money.reserve(PRICE)[0]

    def after(case: tuple[Money, str]) -> None:
        money, job_id = case
        for _ in range(2):
            deliver(kind, ended(case))
        assert (money.balance.available, money.balance.reserved, money.balance.debt) == (available, 0, 0)
        told = [news for news in outbox.messages(billing_pb2.ReservationSettled) if news.job_id == job_id]
        assert {news.settlement for news in told} == {settlement}
        assert_books_add_up(money)

    assert kill_at_each_write(accounts.database, begin, lambda case: deliver(kind, ended(case)), after) >= WRITES


def test_a_hold_that_expires(accounts: Accounts, clock: Any) -> None:
    def begin() -> Money:
        money = Money.of_new_user(accounts)
        money.reserve(PRICE)
        clock.advance(days=3)
        return money

    def after(money: Money) -> None:
        money.expire()
        assert (money.balance.available, money.balance.reserved) == (600, 0)
        assert_books_add_up(money)

    assert kill_at_each_write(accounts.database, begin, Money.expire, after) >= WRITES
