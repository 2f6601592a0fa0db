"""People are told that few credits are left once each time, and only those who want to be."""

from typing import Any

import pytest

from services.accounts.accounts import Accounts
from services.accounts.ledger.holds import Ending
from services.accounts.ledger.models import AccountBalance
from services.accounts.mail.models import OutgoingMail
from services.kit.protos import billing_pb2
from tests.databases import on_sqlite
from tests.services.accounts.conftest import Join, Mailbox, Outbox, in_parallel
from tests.services.accounts.ledger.billing_cases import Money


@pytest.fixture
def money(accounts: Accounts) -> Money:
    """An account with 600 credits that wants to be told below 100."""
    money = Money.of_new_user(accounts)
    set_threshold(money, 100)
    return money


def set_threshold(money: Money, threshold: int | None) -> None:
    with money.accounts.database.write() as session:
        money.accounts.users.set_low_credits_threshold(session, money.account_id, threshold)


def tell(money: Money) -> list[dict[str, Any]]:
    """What the mails say that wait now, after two looks."""
    money.accounts.low_credits.tell()
    money.accounts.low_credits.tell()
    with money.accounts.database.read() as session:
        mails = session.query(OutgoingMail).order_by(OutgoingMail.id).all()
    return [mail.values for mail in mails if mail.template == "low-credits"]


def test_it_is_told_once_and_again_only_after_there_were_enough(money: Money, outbox: Outbox) -> None:
    assert tell(money) == [], "there are enough"
    job_id, _ = money.reserve(500)
    assert tell(money) == [], "as many as the threshold are enough"

    money.reserve(1)
    first = {"available": 99, "threshold": 100}
    assert tell(money) == [first]
    money.reserve(50)
    assert tell(money) == [first], "fewer still is no news"

    money.end(job_id, Ending.RELEASE)
    assert tell(money) == [first]
    money.reserve(480)
    assert tell(money) == [first, {"available": 69, "threshold": 100}]
    told = outbox.messages(billing_pb2.CreditsLow)
    assert [(news.account_id, news.available_credits, news.threshold_credits) for news in told] == [
        (money.account_id, 99, 100),
        (money.account_id, 69, 100),
    ]


def test_what_was_held_and_given_back_between_two_looks_is_no_news(money: Money) -> None:
    job_id, _ = money.reserve(600)
    money.end(job_id, Ending.RELEASE)

    assert tell(money) == []


def test_who_sets_no_threshold_is_told_nothing(money: Money) -> None:
    set_threshold(money, None)
    money.reserve(600)

    assert tell(money) == []


def test_a_threshold_above_what_there_is_is_told_at_once_and_a_new_one_is_no_new_news(money: Money) -> None:
    set_threshold(money, 601)
    assert len(tell(money)) == 1
    set_threshold(money, 700)
    assert len(tell(money)) == 1

    for other in (None, 1, 700):
        set_threshold(money, other)
        assert len(tell(money)) == 1, "there were not enough since"


def test_credits_that_came_while_nobody_asked_are_enough(money: Money) -> None:
    job_id, _ = money.reserve(550)
    assert len(tell(money)) == 1
    set_threshold(money, None)
    money.end(job_id, Ending.RELEASE)
    assert len(tell(money)) == 1
    money.reserve(550)
    set_threshold(money, 100)
    assert len(tell(money)) == 2


def test_an_account_that_never_had_credits_is_told_nothing(money: Money) -> None:
    other = Money.of_new_user(money.accounts)
    set_threshold(other, 100)
    with money.accounts.database.write() as session:
        # As an account begins where nobody is given credits as a welcome.
        empty = session.get_one(AccountBalance, other.account_id)
        empty.available = empty.version = 0

    assert tell(money) == []


def test_several_replicas_tell_once(money: Money) -> None:
    money.reserve(600)

    in_parallel([money.accounts.low_credits.tell] * 4)

    assert len(tell(money)) == 1


def test_a_person_sets_the_threshold_and_reads_the_mail(join: Join, accounts: Accounts, mailbox: Mailbox) -> None:
    person = join()
    assert person.get("/v1/me").json()["low_credits_threshold"] is None

    changed = person.patch("/v1/me", json={"low_credits_threshold": 601})
    assert (changed.status_code, changed.json()["low_credits_threshold"]) == (200, 601)
    person.patch("/v1/me", json={"display_name": "Ada"})
    assert person.get("/v1/me").json()["low_credits_threshold"] == 601, "what is absent stays"

    accounts.low_credits.tell()
    assert mailbox.subjects_to(person.email)[-1] == "You have 600 credits left"
    assert person.patch("/v1/me", json={"low_credits_threshold": None}).json()["low_credits_threshold"] is None


@on_sqlite
@pytest.mark.parametrize("wrong", [0, -1, 1.5, "100", True, 2**53])
def test_a_threshold_that_is_none_is_refused(join: Join, wrong: Any) -> None:
    assert join().patch("/v1/me", json={"low_credits_threshold": wrong}).status_code == 422
