"""One hold for the songs of a batch: all or none, and each song ends by itself."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from services.accounts.accounts import Accounts
from services.accounts.ledger.holds import Answer, Ending, State
from services.accounts.ledger.models import BatchHold, LedgerTransfer, Reservation
from services.accounts.ledger.service import AccountMismatchError
from services.accounts.ledger.transfers import SourceType
from services.kit.events.codec import Draft, Record, decode
from services.kit.ids import new_id
from services.kit.tables import OUTBOX
from tests.clocks import Clock
from tests.services.accounts.ledger.billing_cases import Money, assert_books_add_up


def told(money: Money) -> list[Any]:
    """What accounts has told, oldest first."""
    with money.accounts.database.read() as session:
        rows = session.execute(select(OUTBOX).order_by(OUTBOX.c.id)).all()
    records = [Record(row.topic, row.key, row.value, [(n, v.encode()) for n, v in row.headers]) for row in rows]
    return [event.data for event in map(decode, map(Draft, records)) if event is not None]


def songs(*prices: int) -> dict[str, int]:
    return {new_id("job"): price for price in prices}


def test_a_batch_is_held_by_one_transfer_and_each_song_ends_by_itself(accounts: Accounts) -> None:
    money = Money.of_new_user(accounts)
    money.grant(100)
    before = money.balance.available
    good, failed, canceled = prices = songs(30, 20, 10)
    batch_id, answer = money.reserve_batch(prices)
    assert answer is Answer.GRANTED
    assert (money.balance.available, money.balance.reserved) == (before - 60, 60)
    with accounts.database.read() as session:
        of_batch = (LedgerTransfer.source_type == SourceType.BATCH, LedgerTransfer.source_id == batch_id)
        assert session.scalar(select(func.count()).select_from(LedgerTransfer).where(*of_batch)) == 1
    money.end(failed, Ending.RELEASE)
    assert (money.balance.available, money.balance.reserved) == (before - 40, 40)
    money.end(good, Ending.CAPTURE)
    money.end(canceled, Ending.RELEASE)
    money.end(good, Ending.CAPTURE)
    assert (money.balance.available, money.balance.reserved) == (before - 30, 0)
    assert_books_add_up(money)


def test_a_batch_that_costs_too_much_holds_nothing(accounts: Accounts) -> None:
    money = Money.of_new_user(accounts)
    before = money.balance
    prices = songs(*[before.available] * 2)
    batch_id, answer = money.reserve_batch(prices)
    assert answer is Answer.REFUSED
    assert money.balance == before
    money.grant(10 * before.available + 10)
    assert money.reserve_batch(prices, batch_id)[1] is Answer.REFUSED, "the first answer stays"
    # What the orchestrator says of songs that were never held.
    for job_id in prices:
        money.end(job_id, Ending.RELEASE)
    assert_books_add_up(money)


def test_previews_of_a_batch_are_taken_from_the_day_together_or_not_at_all(accounts: Accounts) -> None:
    money = Money.of_new_user(accounts)
    allowed = accounts.policy.previews("free")
    assert money.reserve_batch(songs(*[0] * (allowed + 1)))[1] is Answer.REFUSED
    assert money.reserve_batch(songs(*[0] * allowed))[1] is Answer.GRANTED
    assert money.reserve_batch(songs(0))[1] is Answer.REFUSED
    assert_books_add_up(money)


def test_a_song_that_ended_before_the_batch_was_asked_for_is_left_out_and_told_first(accounts: Accounts) -> None:
    money = Money.of_new_user(accounts)
    money.grant(100)
    ended, _ = prices = songs(30, 20)
    money.end(ended, Ending.RELEASE)
    batch_id, answer = money.reserve_batch(prices)
    assert answer is Answer.GRANTED
    assert money.balance.reserved == 20
    for again in range(2):
        refused, granted = told(money)[-2:]
        assert (refused.job_id, refused.code) == (ended, "job_ended"), again
        assert (granted.batch_id, granted.price_credits) == (batch_id, 20), again
        money.reserve_batch(prices, batch_id)
    assert_books_add_up(money)


def test_a_share_that_expired_is_said_to_have_whenever_the_batch_is_asked_for_again(
    accounts: Accounts, clock: Clock
) -> None:
    money = Money.of_new_user(accounts)
    money.grant(100)
    (job_id,) = prices = songs(30)
    batch_id, _ = money.reserve_batch(prices)
    clock.advance(seconds=(accounts.policy.hold_lifetime + timedelta(seconds=1)).total_seconds())
    assert money.expire() == 1
    money.reserve_batch(prices, batch_id)
    settled, granted = told(money)[-2:]
    assert settled.job_id == job_id
    assert granted.batch_id == batch_id
    assert_books_add_up(money)


def test_another_account_cannot_name_a_batch_or_its_songs(accounts: Accounts) -> None:
    ada, eve = Money.of_new_user(accounts), Money.of_new_user(accounts)
    ada.grant(100)
    prices = songs(5)
    batch_id, _ = ada.reserve_batch(prices)
    for asked, named in ((prices, None), (songs(5), batch_id)):
        with pytest.raises(AccountMismatchError):
            eve.reserve_batch(asked, named)
    assert_books_add_up(eve)


def test_the_check_finds_shares_that_are_not_the_hold(accounts: Accounts) -> None:
    money = Money.of_new_user(accounts)
    money.grant(100)
    batch_id, _ = money.reserve_batch(songs(30, 20))
    with accounts.database.write() as session:
        session.execute(update(BatchHold).values(price_credits=49))
    assert money.findings().wrong_batches == [batch_id]
    with accounts.database.write() as session:
        session.execute(update(BatchHold).values(price_credits=50))
        session.execute(update(Reservation).where(Reservation.price_credits == 20).values(state=State.RELEASED))
    assert money.findings().wrong_jobs, "a share was released and no credits moved"
    lost = new_id("bat")
    with accounts.database.write() as session:
        session.execute(update(Reservation).values(state=State.HELD, batch_id=lost))
    assert money.findings().wrong_batches == [batch_id, lost]
