"""Credits that are bought, refunded, charged back and given, on a migrated database."""

import logging
from functools import partial

import pytest

from services.accounts.accounts import Accounts
from services.accounts.ledger import repository as ledger
from services.accounts.ledger.credits import POSTED, SourceConflictError, UnknownAccountError
from services.accounts.ledger.holds import Answer, Ending
from services.accounts.ledger.transfers import Balance, InsufficientCreditsError, Source, SourceType, TransferKind
from services.kit.ids import new_id
from services.kit.protos import billing_pb2
from tests.services.accounts.conftest import Outbox, in_parallel
from tests.services.accounts.ledger.billing_cases import Money, assert_books_add_up

PAYMENT = Source(SourceType.PAYMENT, "pay_1")
REFUND = Source(SourceType.REFUND, "re_1")
DISPUTE = Source(SourceType.DISPUTE, "dp_1")


@pytest.fixture
def money(accounts: Accounts) -> Money:
    """An account with 600 credits of welcome."""
    return Money.of_new_user(accounts)


def test_a_purchase_is_available_and_told(money: Money, outbox: Outbox) -> None:
    assert money.post(TransferKind.PURCHASE, 1000, PAYMENT) == Balance(available=1600, version=2)

    assert outbox.last() == billing_pb2.BalanceChanged(
        account_id=money.account_id,
        balance=billing_pb2.Balance(available_credits=1600, version=2, previews_left=3),
    )
    with money.accounts.database.read() as session:
        line = ledger.statement(session, money.account_id, before=None, limit=1)[0]
    assert (line.kind, line.source, line.available_change, line.reason) == ("purchase", PAYMENT, 1000, "A test")


@pytest.mark.parametrize("kind", POSTED)
def test_what_is_posted_three_times_moves_once(money: Money, outbox: Outbox, kind: TransferKind) -> None:
    first = money.post(kind, 50, PAYMENT)
    told = len(outbox.events())
    assert [money.post(kind, 50, PAYMENT) for _ in range(2)] == [first] * 2
    assert len(outbox.events()) == told
    assert_books_add_up(money, sold=False)


def test_at_once_from_twenty_sides_a_payment_is_credited_once(money: Money) -> None:
    results = in_parallel([partial(money.post, TransferKind.PURCHASE, 1000, PAYMENT)] * 20)

    assert results == [Balance(available=1600, version=2)] * 20


def test_one_source_moves_credits_once_of_each_kind(money: Money) -> None:
    money.post(TransferKind.CHARGEBACK, 50, DISPUTE)
    money.post(TransferKind.CHARGEBACK_REVERSAL, 50, DISPUTE)

    assert money.balance == Balance(available=600, version=3)


def test_the_same_payment_with_another_amount_is_refused_and_logged(
    money: Money, caplog: pytest.LogCaptureFixture
) -> None:
    money.post(TransferKind.PURCHASE, 1000, PAYMENT)

    with caplog.at_level(logging.ERROR), pytest.raises(SourceConflictError):
        money.post(TransferKind.PURCHASE, 1001, PAYMENT)

    assert "purchase of payment pay_1: 1000 credits" in caplog.text
    assert money.balance == Balance(available=1600, version=2)


def test_the_payment_of_another_account_is_refused(accounts: Accounts, money: Money) -> None:
    money.post(TransferKind.PURCHASE, 1000, PAYMENT)
    stranger = Money.of_new_user(accounts)

    with pytest.raises(SourceConflictError):
        stranger.post(TransferKind.PURCHASE, 1000, PAYMENT)

    assert stranger.balance == Balance(available=600, version=1)


def test_an_account_that_does_not_exist_gets_nothing(accounts: Accounts) -> None:
    with pytest.raises(UnknownAccountError):
        Money(accounts, new_id("usr")).post(TransferKind.PURCHASE, 1000, PAYMENT)


def test_movements_of_jobs_are_not_posted_from_outside(money: Money) -> None:
    with pytest.raises(ValueError, match="from outside"):
        money.post(TransferKind.CAPTURE, 10, PAYMENT)


def test_an_adjustment_takes_no_more_than_there_is(money: Money) -> None:
    with pytest.raises(InsufficientCreditsError):
        money.post(TransferKind.ADJUSTMENT, -601, Source(SourceType.OPERATOR, "req_1"))
    assert money.post(TransferKind.ADJUSTMENT, -600, Source(SourceType.OPERATOR, "req_2")).available == 0


def test_a_chargeback_of_spent_credits_is_owed_and_no_job_is_accepted_until_it_is_paid(money: Money) -> None:
    money.post(TransferKind.PURCHASE, 1000, PAYMENT)
    spent, _ = money.reserve(1500)
    money.end(spent, Ending.CAPTURE)

    money.post(TransferKind.CHARGEBACK, 1000, DISPUTE)
    assert money.balance == Balance(debt=900, version=5)
    assert money.reserve(1)[1] is Answer.REFUSED

    money.post(TransferKind.PURCHASE, 901, Source(SourceType.PAYMENT, "pay_2"))
    assert money.balance == Balance(available=1, version=6)
    assert money.reserve(1)[1] is Answer.GRANTED
    assert_books_add_up(money, sold=False)


def test_credits_held_for_a_job_that_fails_pay_the_debt(money: Money, outbox: Outbox) -> None:
    job_id, _ = money.reserve(500)
    money.post(TransferKind.REFUND, 300, REFUND)
    assert outbox.last().balance.debt_credits == 200

    assert money.end(job_id, Ending.RELEASE) is Answer.RELEASED

    assert money.balance == Balance(available=300, version=4)
    assert_books_add_up(money, sold=False)


def test_a_chargeback_while_a_job_runs_leaves_its_hold_alone(money: Money) -> None:
    job_id, _ = money.reserve(500)
    money.post(TransferKind.CHARGEBACK, 600, DISPUTE)

    assert money.balance == Balance(reserved=500, debt=500, version=3)
    assert money.end(job_id, Ending.CAPTURE) is Answer.CAPTURED
    assert money.balance == Balance(debt=500, version=4)
    assert_books_add_up(money, sold=False)


def test_a_dispute_that_is_won_gives_back_what_it_took(money: Money) -> None:
    money.end(money.reserve(600)[0], Ending.CAPTURE)
    money.post(TransferKind.CHARGEBACK, 100, DISPUTE)
    money.post(TransferKind.CHARGEBACK_REVERSAL, 100, DISPUTE)

    assert (money.balance.available, money.balance.debt) == (0, 0)


def test_a_user_is_welcomed_once(accounts: Accounts, money: Money) -> None:
    with accounts.database.write() as session:
        accounts.credits.welcome(session, money.account_id, 600)
    assert money.balance.available == 600
