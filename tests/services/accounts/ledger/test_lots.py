"""Credits that expire: used in their order, kept while they are held, gone when their time is over."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from services.accounts.accounts import Accounts
from services.accounts.ledger import repository as ledger
from services.accounts.ledger.credits import MAY_EXPIRE, POSTED
from services.accounts.ledger.holds import Answer, Ending
from services.accounts.ledger.transfers import Balance, Source, SourceType, TransferKind
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings
from services.accounts.sweeper import sweep_credits
from services.kit.database import Database
from services.kit.ids import new_id
from services.kit.protos import billing_pb2
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.services.accounts.conftest import QUICK_HASHES_KIB, Join, Outbox, Person, in_parallel
from tests.services.accounts.ledger.billing_cases import Money, assert_books_add_up

PAYMENT = Source(SourceType.PAYMENT, "pay_1")


@pytest.fixture
def accounts(database: Database, keys: SigningKeys) -> Accounts:
    """New accounts have nothing."""
    settings = Settings(welcome_credits=0, previews_per_day={"free": 3}, password_memory_kib=QUICK_HASHES_KIB)
    return Accounts.build(settings, database, keys)


@pytest.fixture
def money(accounts: Accounts) -> Money:
    return Money.of_new_user(accounts)


@pytest.fixture
def soon(clock: Clock) -> datetime:
    return clock() + timedelta(days=1)


@pytest.fixture
def later(clock: Clock) -> datetime:
    return clock() + timedelta(days=10)


def buy(money: Money, amount: int) -> None:
    money.post(TransferKind.PURCHASE, amount, Source(SourceType.PAYMENT, new_id("pay")))


def test_a_hold_takes_what_ends_soonest_and_what_never_ends_last(money: Money, soon: datetime, later: datetime) -> None:
    buy(money, 100)
    money.promote(40, later)
    money.promote(30, soon)
    assert money.expiring == [(30, soon), (40, later)]

    money.reserve(50)
    assert money.expiring == [(20, later)]
    money.reserve(50)
    assert (money.expiring, money.balance.available) == ([], 70)
    assert_books_add_up(money, sold=False)


def test_what_is_not_spent_in_time_lapses_as_an_entry_with_its_source(
    money: Money, soon: datetime, clock: Clock, outbox: Outbox
) -> None:
    buy(money, 100)
    money.promote(30, soon)
    clock.now = soon - timedelta(seconds=1)
    assert money.lapse() == 0
    clock.now = soon
    assert money.expiring == []

    assert [money.lapse(), money.lapse()] == [1, 0]

    assert money.balance == Balance(available=100, version=3)
    assert outbox.last().balance.available_credits == 100
    assert isinstance(outbox.last(), billing_pb2.BalanceChanged)
    with money.accounts.database.read() as session:
        lapsed, brought, _ = ledger.statement(session, money.account_id, before=None, limit=10)
    assert (lapsed.kind, lapsed.available_change, lapsed.reason) == ("lapse", -30, "Expired")
    assert lapsed.source == Source(SourceType.LOT, f"{brought.id}:3")
    assert_books_add_up(money, sold=False)


def test_nothing_is_spent_after_its_time_even_where_nobody_has_swept(
    money: Money, soon: datetime, clock: Clock
) -> None:
    money.promote(30, soon)
    clock.now = soon
    assert money.reserve(10)[1] is Answer.REFUSED
    assert money.balance.available == 0
    assert_books_add_up(money)


def test_a_hold_keeps_what_it_holds_beyond_the_end(money: Money, soon: datetime, clock: Clock) -> None:
    money.promote(30, soon)
    job_id, _ = money.reserve(30)
    clock.now = soon
    assert money.lapse() == 0

    assert money.end(job_id, Ending.CAPTURE) is Answer.CAPTURED
    assert money.balance == Balance(version=3)
    assert_books_add_up(money)


@pytest.mark.parametrize("ending", [Ending.RELEASE, Ending.EXPIRE])
def test_what_a_hold_gives_back_in_time_ends_when_it_did(
    money: Money, soon: datetime, clock: Clock, ending: Ending
) -> None:
    buy(money, 5)
    money.promote(30, soon)
    money.end(money.reserve(35)[0], ending)
    assert (money.expiring, money.balance.available) == ([(30, soon)], 35)
    clock.now = soon
    money.lapse()
    assert money.balance.available == 5
    assert_books_add_up(money, sold=False)


@pytest.mark.parametrize("ending", [Ending.RELEASE, Ending.EXPIRE])
def test_what_a_hold_gives_back_too_late_lapses_at_once(
    money: Money, soon: datetime, later: datetime, clock: Clock, ending: Ending
) -> None:
    buy(money, 5)
    money.promote(30, soon)
    money.promote(20, later)
    first, second = money.reserve(20)[0], money.reserve(35)[0]
    clock.now = soon

    for _ in range(2):
        money.end(first, ending)
        assert (money.balance.available, money.balance.reserved) == (0, 35)
    money.end(second, ending)

    assert (money.expiring, money.balance.available, money.balance.reserved) == ([(20, later)], 25, 0)
    assert money.lapse() == 0
    assert_books_add_up(money, sold=False)


def test_a_refund_takes_what_never_ends_first_and_leaves_the_same_debt_as_ever(
    money: Money, soon: datetime, clock: Clock
) -> None:
    buy(money, 100)
    money.promote(30, soon)
    money.post(TransferKind.REFUND, 90, Source(SourceType.REFUND, "re_1"))
    assert (money.expiring, money.balance.available) == ([(30, soon)], 40)

    money.post(TransferKind.CHARGEBACK, 60, Source(SourceType.DISPUTE, "dp_1"))
    assert (money.expiring, money.balance.available, money.balance.debt) == ([], 0, 20)
    clock.now = soon
    assert money.lapse() == 0
    assert_books_add_up(money, sold=False)


def test_a_promotion_pays_off_a_debt_before_it_can_expire(money: Money, soon: datetime) -> None:
    money.post(TransferKind.CHARGEBACK, 20, Source(SourceType.DISPUTE, "dp_1"))
    money.promote(15, soon)
    assert (money.expiring, money.balance.debt) == ([], 5)
    money.promote(15, soon)
    assert (money.expiring, money.balance.debt) == ([(10, soon)], 0)
    assert_books_add_up(money)


def test_what_a_hold_gives_back_pays_off_a_debt_soonest_first(money: Money, soon: datetime, clock: Clock) -> None:
    buy(money, 10)
    money.promote(30, soon)
    job_id, _ = money.reserve(40)
    money.post(TransferKind.CHARGEBACK, 20, Source(SourceType.DISPUTE, "dp_1"))
    clock.now = soon

    money.end(job_id, Ending.RELEASE)

    # 20 paid off the debt, 10 had come to their end, 10 were bought.
    assert money.balance == Balance(available=10, version=6)
    assert_books_add_up(money, sold=False)


def test_an_operator_takes_what_ends_soonest_first(money: Money, soon: datetime) -> None:
    buy(money, 10)
    money.promote(30, soon)
    money.post(TransferKind.ADJUSTMENT, -25, Source(SourceType.OPERATOR, new_id("req")))
    assert (money.expiring, money.balance.available) == ([(5, soon)], 15)
    assert_books_add_up(money, sold=False)


def test_only_gifts_expire(money: Money, soon: datetime) -> None:
    for kind in set(POSTED) - set(MAY_EXPIRE):
        with pytest.raises(ValueError, match="do not expire"):
            money.post(kind, 5, PAYMENT, expires_at=soon)
    assert money.balance == Balance()


def test_a_promotion_told_three_times_comes_and_goes_once(money: Money, soon: datetime, clock: Clock) -> None:
    source = Source(SourceType.PROMOTION, "spring")
    for _ in range(3):
        money.post(TransferKind.PROMOTION, 30, source, expires_at=soon)
    assert money.expiring == [(30, soon)]
    clock.now = soon
    money.lapse()
    money.post(TransferKind.PROMOTION, 30, source, expires_at=soon)
    assert money.balance == Balance(version=2)
    assert_books_add_up(money)


def test_sweepers_at_once_take_it_once(money: Money, soon: datetime, clock: Clock) -> None:
    buy(money, 10)
    money.promote(30, soon)
    clock.now = soon
    assert not [error for error in in_parallel([money.lapse] * 8) if isinstance(error, Exception)]
    assert money.balance == Balance(available=10, version=3)
    assert_books_add_up(money, sold=False)


def test_one_account_that_trips_the_sweeper_keeps_no_other_waiting(
    accounts: Accounts, soon: datetime, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.accounts.ledger.lots.BATCH", 1)
    people = [Money.of_new_user(accounts) for _ in range(3)]
    for person in people:
        person.promote(30, soon)
    clock.now = soon
    lapse = accounts.credits.lapse

    def trips(session: Any, account_id: str) -> None:
        if account_id == people[0].account_id:
            raise RuntimeError("this row is odd")
        lapse(session, account_id)

    monkeypatch.setattr(accounts.credits, "lapse", trips)
    sweep_credits(accounts)
    assert [person.balance.available for person in people] == [30, 0, 0]


def test_welcome_credits_expire_where_the_operator_says_so(database: Database, keys: SigningKeys, clock: Clock) -> None:
    settings = Settings(welcome_credits=600, welcome_credits_days=90, password_memory_kib=QUICK_HASHES_KIB)
    money = Money.of_new_user(Accounts.build(settings, database, keys))
    assert money.expiring == [(600, clock() + timedelta(days=90))]
    clock.advance(days=90)
    money.lapse()
    assert money.balance.available == 0


def balance_of(person: Person) -> Any:
    return person.get("/v1/billing/balance").json()


def test_an_admin_gives_a_promotion_and_its_owner_sees_it_come_and_go(
    admin: Person, join: Join, clock: Clock, accounts: Accounts
) -> None:
    person = join()
    ends = clock() + timedelta(minutes=4)
    gift = {"credits": 50, "reason": "Spring", "expires_at": ends.isoformat()}
    given = admin.post(f"/v1/admin/users/{person.account_id}/credits", json=gift)
    assert (given.status_code, given.json()["available_credits"]) == (201, 650)

    shown = balance_of(person)
    assert shown["available_credits"] == 650
    assert [(part["credits"], datetime.fromisoformat(part["expires_at"])) for part in shown["expiring"]] == [(50, ends)]
    entry = person.get("/v1/billing/ledger").json()["items"][0]
    assert (entry["kind"], entry["available_change_credits"], entry["reason"]) == ("promotion", 50, "Spring")

    clock.now = ends
    sweep_credits(accounts)
    shown = balance_of(person)
    assert (shown["available_credits"], shown["expiring"]) == (600, [])
    gone = person.get("/v1/billing/ledger").json()["items"][0]
    assert (gone["kind"], gone["available_change_credits"], gone["source_type"]) == ("lapse", -50, "lot")
    assert gone["source_id"].partition(":")[0] == entry["id"]
    assert admin.get("/v1/admin/ledger-check").json()["wrong_lots"] == []


@on_sqlite
@pytest.mark.parametrize(("amount", "minutes"), [(-5, 4), (5, 0), (5, -1)])
def test_a_promotion_that_makes_no_sense_is_refused(
    admin: Person, join: Join, clock: Clock, amount: int, minutes: int
) -> None:
    person = join()
    ends = (clock() + timedelta(minutes=minutes)).isoformat()
    wrong = {"credits": amount, "reason": "Spring", "expires_at": ends}
    refused = admin.post(f"/v1/admin/users/{person.account_id}/credits", json=wrong)
    assert (refused.status_code, refused.json()["code"]) == (422, "promotion_over")
    assert balance_of(person)["available_credits"] == 600
