"""Whatever happens in whatever order, the books add up."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from services.accounts.accounts import Accounts
from services.accounts.ledger import hold_repository as reservations
from services.accounts.ledger.credits import SourceConflictError
from services.accounts.ledger.holds import Answer, Ending
from services.accounts.ledger.transfers import InsufficientCreditsError, Source, SourceType, TransferKind
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings
from services.accounts.users import repository as users
from services.kit.database import Database
from services.kit.ids import new_id
from services.kit.migrations import migrate
from tests.clocks import Clock
from tests.databases import MakeDatabase, knowing_its_statements, not_waiting_for_the_disk
from tests.services.accounts.conftest import QUICK_HASHES_KIB
from tests.services.accounts.ledger.billing_cases import Money, assert_books_add_up

WELCOME = 100
WELCOME_DAYS = 3
PREVIEWS = {"free": 2, "monthly": 4}
PLAN_CREDITS = 40
NEVER = datetime.max.replace(tzinfo=UTC)
BRINGING = (
    TransferKind.PURCHASE,
    TransferKind.CHARGEBACK_REVERSAL,
    TransferKind.REFUND_REVERSAL,
    TransferKind.PLAN_GRANT,
    TransferKind.PROMOTION,
    TransferKind.GRANT,
)
TAKING = (TransferKind.REFUND, TransferKind.CHARGEBACK)
Posted = tuple[int, TransferKind, int, Source, datetime | None]
"""Whose credits, how they moved, how many, because of what, and until when they are good."""


@cache
def _migrated() -> bytes:
    """A fresh database: each of the many courses begins with a copy."""
    with TemporaryDirectory(prefix="stemwright-ledger-") as folder:
        migrate(f"sqlite:///{folder}/{{service}}.db", "accounts")
        return (Path(folder) / "accounts.db").read_bytes()


@contextmanager
def _sqlite(clock: Clock) -> Iterator[Database]:
    with TemporaryDirectory(prefix="stemwright-ledger-") as folder:
        (Path(folder) / "accounts.db").write_bytes(_migrated())
        url = f"sqlite:///{Path(folder)}/{{service}}.db"
        made = Database(url, "accounts", clock=clock)
        with closing(knowing_its_statements(not_waiting_for_the_disk(made))) as database:
            yield database


@dataclass
class Hold:
    """`credits` are the ends of what it holds, one for each credit; of a preview none, but a day."""

    credits: list[datetime]
    made_at: datetime
    day: date | None


@dataclass
class Person:
    """A model so simple that it cannot be wrong: every single credit, by when it ends."""

    available: list[datetime] = field(default_factory=list)
    debt: int = 0
    held: dict[str, Hold] = field(default_factory=dict)
    plan: str = "free"
    previews: Counter[date] = field(default_factory=Counter)
    version: int = 0

    def bring(self, credits_: list[datetime]) -> None:
        """Soonest first they pay off the debt; the others can be spent."""
        paid = min(self.debt, len(credits_))
        self.debt -= paid
        self.available = sorted([*self.available, *sorted(credits_)[paid:]])

    def lapse(self, now: datetime) -> None:
        self.available = [end for end in self.available if end > now]

    def take_back(self, amount: int) -> None:
        """What never ends goes first; what is spent already is owed."""
        for _ in range(amount):
            if not self.available:
                self.debt += 1
            else:
                self.available.pop(-1 if self.available[-1] == NEVER else 0)

    def end(self, job_id: str, ending: Ending, now: datetime) -> None:
        hold = self.held.pop(job_id)
        if ending is Ending.CAPTURE:
            return
        if hold.day is not None:
            self.previews[hold.day] -= 1
        if hold.credits:
            self.bring(hold.credits)
            self.lapse(now)


class LedgerMachine(RuleBasedStateMachine):
    """Two accounts, their jobs, promotions and plans."""

    jobs: Bundle[tuple[int, str, int]] = Bundle("jobs")
    posted: Bundle[Posted] = Bundle("posted")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock(datetime.now(UTC).replace(microsecond=0))
        self.context = self.open_database()
        settings = Settings(
            welcome_credits=WELCOME,
            welcome_credits_days=WELCOME_DAYS,
            previews_per_day=PREVIEWS,
            password_memory_kib=QUICK_HASHES_KIB,
        )
        accounts = Accounts.build(settings, self.context.__enter__(), SigningKeys.generate())
        self.people = [Money.of_new_user(accounts), Money.of_new_user(accounts)]
        end = self.clock() + timedelta(days=WELCOME_DAYS)
        self.expected = [Person(available=[end] * WELCOME), Person(available=[end] * WELCOME)]

    def open_database(self) -> AbstractContextManager[Database]:
        """An empty one, for each course anew."""
        return _sqlite(self.clock)

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)

    @rule(target=posted, who=st.integers(0, 1), kind=st.sampled_from(BRINGING), amount=st.integers(1, 50))
    def bring(self, who: int, kind: TransferKind, amount: int) -> Posted:
        return self._post(who, kind, amount)

    @rule(
        target=posted,
        who=st.integers(0, 1),
        kind=st.sampled_from([TransferKind.PROMOTION, TransferKind.GRANT]),
        amount=st.integers(1, 50),
        hours=st.sampled_from([1, 12, 24, 48, 60]),
    )
    def promote(self, who: int, kind: TransferKind, amount: int, hours: int) -> Posted:
        return self._post(who, kind, amount, expires_at=self.clock() + timedelta(hours=hours))

    @rule(target=posted, who=st.integers(0, 1), plan=st.sampled_from(sorted(PREVIEWS)))
    def change_plan(self, who: int, plan: str) -> Posted:
        with self.people[who].accounts.database.write() as session:
            user = users.get(session, self.people[who].account_id)
            assert user is not None
            user.plan = plan
        self.expected[who].plan = plan
        return self._post(who, TransferKind.PLAN_GRANT, PLAN_CREDITS)

    @rule(target=posted, who=st.integers(0, 1), kind=st.sampled_from(TAKING), amount=st.integers(1, 150))
    def take_back_whatever_was_spent(self, who: int, kind: TransferKind, amount: int) -> Posted:
        return self._post(who, kind, amount)

    @rule(target=posted, who=st.integers(0, 1), amount=st.integers(-60, 60).filter(bool))
    def adjust(self, who: int, amount: int) -> Posted:
        source = Source(SourceType.OPERATOR, new_id("req"))
        good = sum(end > self.clock() for end in self.expected[who].available)
        if -amount > good:
            with pytest.raises(InsufficientCreditsError):
                self.people[who].post(TransferKind.ADJUSTMENT, amount, source)
            amount = 1
        return self._post(who, TransferKind.ADJUSTMENT, amount, source=source)

    def _post(
        self,
        who: int,
        kind: TransferKind,
        amount: int,
        *,
        source: Source | None = None,
        expires_at: datetime | None = None,
    ) -> Posted:
        source = source or Source(SourceType.PROMOTION, new_id("req"))
        self.people[who].post(kind, amount, source, expires_at=expires_at)
        person = self.expected[who]
        person.lapse(self.clock())
        if kind in TAKING:
            person.take_back(amount)
        elif amount < 0:
            del person.available[:-amount]
        else:
            person.bring([expires_at or NEVER] * amount)
        return who, kind, amount, source, expires_at

    @rule(word=posted)
    def tell_again(self, word: Posted) -> None:
        who, kind, amount, source, expires_at = word
        before = self.people[who].balance
        assert self.people[who].post(kind, amount, source, expires_at=expires_at) == before

    @rule(word=posted, more=st.integers(1, 5))
    def tell_again_with_another_amount_or_account(self, word: Posted, more: int) -> None:
        who, kind, amount, source, expires_at = word
        before = [money.balance for money in self.people]
        with pytest.raises(SourceConflictError):
            self.people[who].post(kind, amount + more if amount > 0 else amount - more, source, expires_at=expires_at)
        with pytest.raises(SourceConflictError):
            self.people[1 - who].post(kind, amount, source, expires_at=expires_at)
        assert [money.balance for money in self.people] == before

    @rule(target=jobs, who=st.integers(0, 1), price=st.one_of(st.just(0), st.integers(1, 80)))
    def reserve(self, who: int, price: int) -> tuple[int, str, int]:
        person, today = self.expected[who], self.clock().date()
        person.lapse(self.clock())
        granted = price <= len(person.available) if price else person.previews[today] < PREVIEWS[person.plan]
        job_id, answer = self.people[who].reserve(price)
        assert answer is (Answer.GRANTED if granted else Answer.REFUSED)
        if granted:
            held, person.available = person.available[:price], person.available[price:]
            person.held[job_id] = Hold(held, self.clock(), None if price else today)
            person.previews[today] += 0 if price else 1
        return who, job_id, price

    @rule(
        target=jobs,
        who=st.integers(0, 1),
        prices=st.one_of(
            st.lists(st.integers(1, 40), min_size=1, max_size=4), st.lists(st.just(0), min_size=1, max_size=3)
        ),
        ended=st.one_of(st.none(), jobs),
    )
    def reserve_a_batch(
        self, who: int, prices: list[int], ended: tuple[int, str, int] | None
    ) -> MultipleResults[tuple[int, str, int]]:
        """Sometimes with a song among them that has a hold already, or had, which is left out."""
        person, today = self.expected[who], self.clock().date()
        person.lapse(self.clock())
        asked = {new_id("job"): price for price in prices}
        total, free = sum(prices), PREVIEWS[person.plan] - person.previews[today]
        granted = total <= len(person.available) if total else len(prices) <= free
        known = {ended[1]: prices[0]} if ended is not None and ended[0] == who else {}
        batch_id, answer = self.people[who].reserve_batch({**asked, **known})
        assert answer is (Answer.GRANTED if granted else Answer.REFUSED)
        for job_id, price in asked.items() if granted else ():
            held, person.available = person.available[:price], person.available[price:]
            person.held[job_id] = Hold(held, self.clock(), None if price else today)
            person.previews[today] += 0 if price else 1
        before = self.people[who].balance
        assert self.people[who].reserve_batch({**asked, **known}, batch_id) == (batch_id, answer)
        assert self.people[who].balance == before
        # A song of a batch that was refused has no hold and asks for none of its own.
        return multiple(*((who, job_id, price) for job_id, price in asked.items() if granted))

    @rule(target=jobs, who=st.integers(0, 1), ending=st.sampled_from(Ending))
    def end_a_job_that_never_asked(self, who: int, ending: Ending) -> tuple[int, str, int]:
        job_id = new_id("job")
        assert self.people[who].end(job_id, ending) is Answer.RELEASED
        return who, job_id, 30

    @rule(job=jobs)
    def ask_again(self, job: tuple[int, str, int]) -> None:
        who, job_id, price = job
        before = self.people[who].balance
        self.people[who].reserve(price, job_id)
        assert self.people[who].balance == before

    @rule(job=st.one_of(jobs, consumes(jobs)), ending=st.sampled_from([Ending.CAPTURE, Ending.RELEASE]))
    def end(self, job: tuple[int, str, int], ending: Ending) -> None:
        who, job_id, _ = job
        answer = self.people[who].end(job_id, ending)
        if job_id in self.expected[who].held:
            assert answer is (Answer.CAPTURED if ending is Ending.CAPTURE else Answer.RELEASED)
            self.expected[who].end(job_id, ending, self.clock())

    @rule(hours=st.sampled_from([1, 12, 24]))
    def time_passes(self, hours: int) -> None:
        self.clock.advance(hours=hours)

    @rule()
    def sweep_holds(self) -> None:
        due = self.clock() - timedelta(hours=48)
        for person in self.expected:
            overdue = sorted((hold.made_at, job_id) for job_id, hold in person.held.items() if hold.made_at <= due)
            for _, job_id in overdue:
                person.end(job_id, Ending.EXPIRE, self.clock())
        self.people[0].expire()

    @rule()
    def sweep_credits(self) -> None:
        due = sum(any(end <= self.clock() for end in person.available) for person in self.expected)
        assert self.people[0].lapse() == due
        for person in self.expected:
            person.lapse(self.clock())

    @invariant()
    def the_books_add_up(self) -> None:
        assert_books_add_up(self.people[0])
        now = self.clock()
        for money, person in zip(self.people, self.expected, strict=True):
            balance = money.balance
            assert balance.reserved == sum(len(hold.credits) for hold in person.held.values())
            assert (balance.available, balance.debt) == (len(person.available), person.debt)
            ends = Counter(end for end in person.available if now < end < NEVER)
            assert money.expiring == [(ends[end], end) for end in sorted(ends)]
            assert balance.version >= person.version
            person.version = balance.version
            with money.accounts.database.read() as session:
                used = reservations.previews_used(session, money.account_id, now.date())
            assert used == person.previews[now.date()]


@pytest.mark.slow
def test_whatever_happens_the_books_add_up() -> None:
    run_state_machine_as_test(
        LedgerMachine, settings=hypothesis_settings(max_examples=10, stateful_step_count=40, deadline=None)
    )


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_whatever_happens_the_books_add_up_on_postgresql(make_database: MakeDatabase) -> None:
    class OnPostgres(LedgerMachine):
        def open_database(self) -> AbstractContextManager[Database]:
            return closing(make_database("accounts", clock=self.clock))

    run_state_machine_as_test(
        OnPostgres, settings=hypothesis_settings(max_examples=4, stateful_step_count=30, deadline=None)
    )
