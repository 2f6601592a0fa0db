"""Whatever happens in whatever order, the books add up."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from services.accounts.repository import reservations
from services.accounts.reservations import Answer, Ending
from services.accounts.service.accounts import Accounts
from services.accounts.settings import Settings
from services.accounts.tokens import SigningKeys
from services.kit.database import Database
from services.kit.ids import new_id
from services.kit.migrations import migrate
from tests.services.accounts.billing_cases import Money, assert_books_add_up
from tests.services.accounts.conftest import Clock

WELCOME = 100


@contextmanager
def _accounts(clock: Clock) -> Iterator[Accounts]:
    with TemporaryDirectory(prefix="stemwright-ledger-") as folder:
        url = f"sqlite:///{Path(folder)}/{{service}}.db"
        migrate(url, "accounts")
        database = Database(url, "accounts", clock=clock)
        settings = Settings(welcome_credits=WELCOME, previews_per_day={"free": 2})
        try:
            yield Accounts.build(settings, database, SigningKeys.generate())
        finally:
            database.close()


class LedgerMachine(RuleBasedStateMachine):
    """Two accounts, their jobs, and a model so simple that it cannot be wrong: sums."""

    jobs: Bundle[tuple[int, str, int]] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.context = _accounts(self.clock)
        accounts = self.context.__enter__()
        self.people = [Money.of_new_user(accounts), Money.of_new_user(accounts)]
        self.granted = [WELCOME, WELCOME]
        self.spent = [0, 0]
        self.held: list[dict[str, int]] = [{}, {}]
        self.versions = [1, 1]

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)

    @rule(who=st.integers(0, 1), amount=st.integers(1, 50))
    def grant(self, who: int, amount: int) -> None:
        self.people[who].grant(amount)
        self.granted[who] += amount

    @rule(target=jobs, who=st.integers(0, 1), price=st.integers(0, 80))
    def reserve(self, who: int, price: int) -> tuple[int, str, int]:
        affordable = price <= self.people[who].balance.available
        job_id, answer = self.people[who].reserve(price)
        if price:
            assert answer is (Answer.GRANTED if affordable else Answer.REFUSED)
        if answer is Answer.GRANTED:
            self.held[who][job_id] = price
        return who, job_id, price

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
        price = self.held[who].pop(job_id, None)
        if price is not None:
            assert answer is (Answer.CAPTURED if ending is Ending.CAPTURE else Answer.RELEASED)
            self.spent[who] += price if ending is Ending.CAPTURE else 0

    @rule(hours=st.sampled_from([1, 12, 24]))
    def time_passes(self, hours: int) -> None:
        self.clock.advance(hours=hours)

    @rule()
    def sweep(self) -> None:
        expired = self.people[0].expire()
        with self.people[0].accounts.database.read() as session:
            for held in self.held:
                for job_id in list(held):
                    reservation = reservations.get(session, job_id)
                    if reservation is not None and reservation.state == "expired":
                        held.pop(job_id)
                        expired -= 1
        assert expired == 0

    @invariant()
    def the_books_add_up(self) -> None:
        assert_books_add_up(self.people[0])
        for who, money in enumerate(self.people):
            balance = money.balance
            assert balance.reserved == sum(self.held[who].values())
            assert balance.available == self.granted[who] - self.spent[who] - balance.reserved
            assert balance.available >= 0
            assert balance.version >= self.versions[who]
            self.versions[who] = balance.version


TestLedger = LedgerMachine.TestCase
TestLedger.settings = hypothesis_settings(max_examples=15, stateful_step_count=25, deadline=None)
