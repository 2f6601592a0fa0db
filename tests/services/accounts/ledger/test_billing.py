"""Holds and what the orchestrator is told of them, on a migrated database."""

from functools import partial

import pytest
from sqlalchemy import select, update

from services.accounts.accounts import Accounts
from services.accounts.ledger import repository as ledger
from services.accounts.ledger.holds import Answer, Ending
from services.accounts.ledger.models import AccountBalance, BatchHold, Reservation
from services.accounts.ledger.service import AccountMismatchError
from services.accounts.ledger.transfers import Balance
from services.accounts.sweeper import tidy
from services.kit.ids import new_id
from services.kit.protos import billing_pb2
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.services.accounts.conftest import Outbox
from tests.services.accounts.ledger.billing_cases import Money, assert_books_add_up
from tests.steps import steps_of


@pytest.fixture
def money(accounts: Accounts) -> Money:
    return Money.of_new_user(accounts)


def test_a_hold_moves_credits_aside_and_says_so(money: Money, outbox: Outbox) -> None:
    job_id, answer = money.reserve(200)

    assert answer is Answer.GRANTED
    assert money.balance == Balance(available=400, reserved=200, version=2)
    event = outbox.events()[-1]
    assert event.data == billing_pb2.ReservationGranted(
        job_id=job_id,
        account_id=money.account_id,
        price_credits=200,
        balance=billing_pb2.Balance(available_credits=400, reserved_credits=200, version=2, previews_left=3),
    )
    assert (event.key, event.subject, event.account_id) == (money.account_id, job_id, money.account_id)


@pytest.mark.parametrize(
    ("ending", "answer", "available", "settlement"),
    [
        (Ending.CAPTURE, Answer.CAPTURED, 400, billing_pb2.SETTLEMENT_CAPTURED),
        (Ending.RELEASE, Answer.RELEASED, 600, billing_pb2.SETTLEMENT_RELEASED),
    ],
)
def test_the_end_of_a_job_settles_its_hold_once_and_is_answered_every_time(
    money: Money, outbox: Outbox, ending: Ending, answer: Answer, available: int, settlement: int
) -> None:
    job_id, _ = money.reserve(200)

    answers = [money.end(job_id, ending) for _ in range(3)]

    assert answers == [answer] * 3
    assert money.balance == Balance(available=available, reserved=0, version=3)
    told = outbox.messages(billing_pb2.ReservationSettled)
    assert [message.settlement for message in told] == [settlement] * 3
    assert {message.balance.version for message in told} == {3}
    assert_books_add_up(money)


def test_a_request_that_comes_again_gets_the_first_answer_and_holds_nothing_more(money: Money, outbox: Outbox) -> None:
    job_id, _ = money.reserve(200)
    money.reserve(100)

    money.reserve(200, job_id)

    assert money.balance == Balance(available=300, reserved=300, version=3)
    assert outbox.last().job_id == job_id
    assert isinstance(outbox.last(), billing_pb2.ReservationGranted)


def test_too_few_credits_refuse_the_job_even_if_asked_again_when_there_are_enough(money: Money, outbox: Outbox) -> None:
    job_id, answer = money.reserve(601)
    money.grant(100)
    _, again = money.reserve(601, job_id)

    assert answer is again is Answer.REFUSED
    refused = outbox.messages(billing_pb2.ReservationRefused)
    assert [message.code for message in refused] == ["insufficient_credits"] * 2
    assert refused[0].detail == refused[1].detail == "This job costs 601 credits; 600 are available."
    assert money.balance == Balance(available=700, reserved=0, version=2)


def test_the_last_credit_can_be_held(money: Money) -> None:
    assert money.reserve(600)[1] is Answer.GRANTED
    assert money.reserve(1)[1] is Answer.REFUSED
    assert money.balance == Balance(available=0, reserved=600, version=2)


def test_a_job_that_ended_before_its_hold_was_asked_for_gets_none(money: Money, outbox: Outbox) -> None:
    job_id = new_id("job")

    ended = money.end(job_id, Ending.RELEASE)
    _, asked = money.reserve(200, job_id)
    ended_again = money.end(job_id, Ending.RELEASE)

    assert (ended, asked, ended_again) == (Answer.RELEASED, Answer.REFUSED, Answer.RELEASED)
    assert outbox.messages(billing_pb2.ReservationRefused)[-1].code == "job_ended"
    assert money.balance == Balance(available=600, reserved=0, version=1)


def test_a_hold_that_was_given_back_is_not_granted_again(money: Money) -> None:
    job_id, _ = money.reserve(200)
    money.end(job_id, Ending.RELEASE)

    assert money.reserve(200, job_id)[1] is Answer.REFUSED
    assert money.balance.reserved == 0


def test_the_first_ending_wins(money: Money) -> None:
    job_id, _ = money.reserve(200)

    assert money.end(job_id, Ending.RELEASE) is Answer.RELEASED
    assert money.end(job_id, Ending.CAPTURE) is Answer.RELEASED
    assert money.balance.available == 600


def test_a_hold_expires_and_the_orchestrator_is_told(money: Money, outbox: Outbox, clock: Clock) -> None:
    job_id, _ = money.reserve(200)
    clock.advance(hours=47)
    later, _ = money.reserve(50)
    assert money.expire() == 0

    clock.advance(hours=1)
    assert money.expire() == 1
    assert money.expire() == 0

    assert outbox.last() == billing_pb2.ReservationSettled(
        job_id=job_id,
        account_id=money.account_id,
        settlement=billing_pb2.SETTLEMENT_EXPIRED,
        balance=billing_pb2.Balance(available_credits=550, reserved_credits=50, version=4, previews_left=3),
    )
    assert money.reserve(200, job_id)[1] is Answer.EXPIRED
    assert money.end(job_id, Ending.CAPTURE) is Answer.EXPIRED
    assert money.end(later, Ending.CAPTURE) is Answer.CAPTURED
    assert money.balance == Balance(available=550, reserved=0, version=5)
    assert_books_add_up(money)


def test_a_hold_that_cannot_be_given_back_is_not_in_the_way_of_others(
    accounts: Accounts, money: Money, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.accounts.ledger.service.SWEEP_BATCH", 1)
    money.reserve(100)
    other = Money.of_new_user(accounts)
    other.reserve(100)
    with accounts.database.write() as session:
        session.execute(update(AccountBalance).where(AccountBalance.account_id == money.account_id).values(reserved=0))
    clock.advance(days=3)
    assert money.expire() == 1
    assert (other.balance.available, other.balance.reserved) == (600, 0)
    assert money.balance.reserved == 0


def test_previews_are_free_within_the_days_allowance(money: Money, outbox: Outbox, clock: Clock) -> None:
    answers = [money.reserve(0)[1] for _ in range(4)]

    assert answers == [Answer.GRANTED] * 3 + [Answer.REFUSED]
    assert outbox.last().code == "preview_allowance_exhausted"
    assert money.balance == Balance(available=600, reserved=0, version=1)

    clock.advance(days=1)
    assert money.reserve(0)[1] is Answer.GRANTED


def test_a_preview_that_does_not_succeed_gives_its_place_back_once(money: Money) -> None:
    jobs = [money.reserve(0)[0] for _ in range(3)]
    money.end(jobs[0], Ending.CAPTURE)
    money.end(jobs[1], Ending.RELEASE)
    money.end(jobs[1], Ending.RELEASE)

    assert [money.reserve(0)[1] for _ in range(2)] == [Answer.GRANTED, Answer.REFUSED]


def test_a_preview_gives_its_place_back_on_the_day_it_took_it(money: Money, clock: Clock) -> None:
    yesterdays = [money.reserve(0)[0] for _ in range(3)]
    clock.advance(days=1)
    for job_id in yesterdays:
        money.end(job_id, Ending.RELEASE)

    assert [money.reserve(0)[1] for _ in range(4)] == [Answer.GRANTED] * 3 + [Answer.REFUSED]


def test_an_unknown_account_is_refused_and_leaves_nothing_behind(accounts: Accounts, outbox: Outbox) -> None:
    nobody = Money(accounts, new_id("usr"))

    job_id, answer = nobody.reserve(10)

    assert answer is Answer.REFUSED
    assert outbox.last().code == "account_closed"
    assert nobody.end(job_id, Ending.RELEASE) is Answer.RELEASED
    assert outbox.last().settlement == billing_pb2.SETTLEMENT_RELEASED
    assert nobody.findings().transfers == 0


def test_another_accounts_hold_is_left_alone(accounts: Accounts, money: Money) -> None:
    job_id, _ = money.reserve(200)
    stranger = Money.of_new_user(accounts)

    with pytest.raises(AccountMismatchError):
        stranger.end(job_id, Ending.RELEASE)
    with pytest.raises(AccountMismatchError):
        stranger.reserve(200, job_id)

    assert money.balance.reserved == 200


@on_sqlite
def test_a_page_of_a_long_statement_takes_no_more_than_one_of_a_short_one(money: Money) -> None:
    def steps(before: int | None) -> int:
        read = partial(ledger.statement, account_id=money.account_id, before=before, limit=5)
        return steps_of(money.accounts.database, read)

    for _ in range(10):
        money.grant(1)
    short = steps(None), steps(8)
    for _ in range(100):
        money.grant(1)
    assert [steps(None), steps(8)] == pytest.approx(short, rel=0.1)


def test_what_was_refused_is_forgotten_when_nobody_asks_again(
    accounts: Accounts, money: Money, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.accounts.ledger.hold_repository.FORGOTTEN_AT_ONCE", 2)
    refused = [money.reserve(10_000)[0] for _ in range(5)]
    money.reserve_batch({new_id("job"): 10_000})
    canceled_before = new_id("job")
    money.end(canceled_before, Ending.RELEASE)
    held, canceled = money.reserve(100)[0], money.reserve(100)[0]
    money.end(canceled, Ending.RELEASE)

    def known() -> set[str]:
        with accounts.database.read() as session:
            return {*session.scalars(select(Reservation.job_id)), *session.scalars(select(BatchHold.batch_id))}

    clock.advance(days=13)
    tidy(accounts)
    assert len(known()) == 9
    assert money.reserve(100, refused[0])[1] is Answer.REFUSED
    clock.advance(days=2)
    tidy(accounts)
    assert known() == {held, canceled}
    assert_books_add_up(money)
