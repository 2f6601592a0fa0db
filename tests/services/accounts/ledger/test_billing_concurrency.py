"""Many at once: nobody spends what is not there, on either database."""

import threading
from functools import partial

from services.accounts.accounts import Accounts
from services.accounts.ledger.holds import Answer, Ending
from services.accounts.ledger.transfers import Balance
from services.kit.ids import new_id
from tests.services.accounts.conftest import in_parallel
from tests.services.accounts.ledger.billing_cases import Money, assert_books_add_up


def test_a_hundred_jobs_with_credit_for_ten_hold_exactly_ten(accounts: Accounts) -> None:
    money = Money.of_new_user(accounts)

    results = in_parallel([partial(money.reserve, 60) for _ in range(100)])

    answers = [answer for _, answer in results]
    assert answers.count(Answer.GRANTED) == 10
    assert answers.count(Answer.REFUSED) == 90
    assert money.balance == Balance(available=0, reserved=600, version=11)
    assert_books_add_up(money)


def test_the_same_question_twenty_times_at_once_holds_once(accounts: Accounts) -> None:
    money = Money.of_new_user(accounts)
    job_id = new_id("job")

    results = in_parallel([partial(money.reserve, 60, job_id) for _ in range(20)])

    assert [answer for _, answer in results] == [Answer.GRANTED] * 20
    assert money.balance == Balance(available=540, reserved=60, version=2)


def test_of_success_and_cancellation_at_once_one_settles(accounts: Accounts) -> None:
    money = Money.of_new_user(accounts)
    jobs = [money.reserve(30)[0] for _ in range(20)]

    results = in_parallel(
        [partial(money.end, job_id, ending) for job_id in jobs for ending in (Ending.CAPTURE, Ending.RELEASE)]
    )

    pairs = list(zip(results[::2], results[1::2], strict=True))
    assert all(first == second for first, second in pairs)
    captured = sum(first is Answer.CAPTURED for first, _ in pairs)
    assert money.balance == Balance(available=600 - 30 * captured, reserved=0, version=41)
    assert_books_add_up(money)


def test_previews_at_once_stay_within_the_allowance(accounts: Accounts) -> None:
    money = Money.of_new_user(accounts)

    results = in_parallel([partial(money.reserve, 0) for _ in range(20)])

    assert [answer for _, answer in results].count(Answer.GRANTED) == 3


def test_the_books_add_up_at_every_moment(accounts: Accounts) -> None:
    money = Money.of_new_user(accounts)
    stop = threading.Event()
    faults: list[str] = []

    def watch() -> None:
        while not stop.is_set():
            findings = money.findings()
            faults.extend(name for name, ids in findings.faults.items() if ids)

    def work() -> None:
        for ending in (Ending.CAPTURE, Ending.RELEASE, Ending.EXPIRE):
            job_id, answer = money.reserve(10)
            if answer is Answer.GRANTED:
                money.end(job_id, ending)

    watcher = threading.Thread(target=watch)
    watcher.start()
    results = in_parallel([work] * 8)
    stop.set()
    watcher.join()

    assert results == [None] * 8
    assert faults == []
    assert_books_add_up(money)
