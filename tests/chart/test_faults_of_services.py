"""Alerts on faults of accounts, orchestrator and worker that happen, as in `test_faults.py`."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import text, update

from tests.chart.observed import Observed, needs_promtool
from tests.databases import MakeDatabase, on_sqlite
from tests.ids import numbered
from tests.made_settings import made_settings

if TYPE_CHECKING:  # services take a second to import, which the tests alone need
    from services.accounts.accounts import Accounts
    from tests.services.orchestrator.world import World

PROVOKED = {
    "StemwrightAttemptsLost",
    "StemwrightErasureUnfinished",
    "StemwrightJobsFailFast",
    "StemwrightJobsFailSlowly",
    "StemwrightLedgerConflicts",
    "StemwrightLedgerFault",
    "StemwrightMailsStuck",
    "StemwrightNoWorkers",
    "StemwrightOutstandingUnknown",
    "StemwrightSongsWaitFast",
    "StemwrightSongsWaitSlowly",
    "StemwrightUnpaidJobs",
    "StemwrightWorkerNotReady",
}
pytestmark = needs_promtool
ADDRESS = "ada@example.com"


class Clock:
    """Moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(make_database: MakeDatabase, clock: Clock) -> "Accounts":
    from services.accounts.accounts import Accounts
    from services.accounts.sessions.tokens import SigningKeys
    from services.accounts.settings import Settings

    settings = made_settings(Settings, verify_email=False, password_memory_kib=8)
    return Accounts.build(settings, make_database("accounts", clock=clock), SigningKeys.generate())


@pytest.fixture
def person(accounts: "Accounts") -> str:
    """Somebody with an account."""
    from services.accounts.security_events.origin import Origin
    from services.accounts.users.emails import parse

    new = accounts.users.prepare(parse(ADDRESS), "correct horse battery", None)
    with accounts.database.write() as session:
        return accounts.users.register(session, new, Origin())


@on_sqlite
def test_a_balance_that_nobody_has_booked(accounts: "Accounts", person: str, tmp_path: Path) -> None:
    from services.accounts.ledger.check import check_and_tell
    from services.accounts.ledger.models import AccountBalance

    check_and_tell(accounts.database)
    observed = Observed("accounts")
    with accounts.database.write() as session:
        session.execute(update(AccountBalance).where(AccountBalance.account_id == person).values(available=1))
    assert not check_and_tell(accounts.database).ok
    assert observed.fires("StemwrightLedgerFault", tmp_path, minutes=1)


@on_sqlite
def test_a_payment_that_is_told_again_with_another_amount(accounts: "Accounts", person: str, tmp_path: Path) -> None:
    from services.accounts.ledger.credits import SourceConflictError
    from services.accounts.ledger.transfers import Source, SourceType, TransferKind

    def post(amount: int) -> None:
        source = Source(SourceType.PAYMENT, "pay_1")
        with accounts.database.write() as session:
            accounts.credits.post(session, TransferKind.PURCHASE, person, amount, source, reason="Bought")

    post(1000)
    observed = Observed("accounts")
    with pytest.raises(SourceConflictError):
        post(1001)
    assert observed.fires("StemwrightLedgerConflicts", tmp_path, minutes=5)


@on_sqlite
def test_a_song_that_was_separated_without_a_hold(accounts: "Accounts", person: str, tmp_path: Path) -> None:
    from services.accounts.ledger.holds import Ending

    observed = Observed("accounts")
    with accounts.database.write() as session:
        accounts.billing.end_hold(session, numbered("job", 1), person, Ending.CAPTURE)
    assert observed.fires("StemwrightUnpaidJobs", tmp_path, minutes=5)


@on_sqlite
def test_a_mail_that_does_not_leave(accounts: "Accounts", clock: Clock, tmp_path: Path) -> None:
    from services.accounts.measures import account_measures

    [*_, measure] = account_measures(accounts.database)
    measure.renew()
    observed = Observed("accounts")
    with accounts.database.write() as session:
        accounts.mail.add(session, ADDRESS, "password-changed")
    clock.now += timedelta(minutes=16)
    measure.renew()
    assert observed.fires("StemwrightMailsStuck", tmp_path, minutes=10)


@on_sqlite
def test_an_erasure_that_the_others_do_not_answer(accounts: "Accounts", person: str, tmp_path: Path) -> None:
    from services.accounts.measures import account_measures

    [*_, measure] = account_measures(accounts.database)
    measure.renew()
    observed = Observed("accounts")
    with accounts.database.write() as session:
        accounts.erasures.request(session, person)
    measure.renew()
    assert observed.fires("StemwrightErasureUnfinished", tmp_path, minutes=70)


@pytest.fixture
def world(make_database: MakeDatabase) -> "Iterator[World]":
    from tests.services.orchestrator.world import Clock as WorldClock
    from tests.services.orchestrator.world import running_world

    clock = WorldClock()
    with running_world(make_database("orchestrator", clock=clock), clock) as made:
        yield made


def give_up(world: "World", job_id: str) -> None:
    from services.orchestrator.jobs.models import Job

    with world.database.write() as session:
        world.lifecycle.give_up(session, session.get_one(Job, job_id), "no_space", "The disk is full.")


@on_sqlite
def test_songs_that_fail_for_what_is_ours(world: "World", tmp_path: Path) -> None:
    give_up(world, world.queued_job())
    observed = Observed("orchestrator")
    for _ in range(5):
        give_up(world, world.queued_job())
    assert observed.fires("StemwrightJobsFailFast", tmp_path, minutes=4)
    assert observed.fires("StemwrightJobsFailSlowly", tmp_path, minutes=4)


def begin(world: "World", worker: str, *, waited: float) -> None:
    job_id = world.queued_job()
    world.clock.advance(waited)
    world.beat(worker)
    assert world.dispatcher.place()
    assert world.job(job_id).status == "running"


@on_sqlite
def test_songs_that_wait(world: "World", tmp_path: Path) -> None:
    begin(world, numbered("wrk", 1), waited=1)
    observed = Observed("orchestrator")
    for number in range(2, 6):
        begin(world, numbered("wrk", number), waited=61)
    assert observed.fires("StemwrightSongsWaitFast", tmp_path, minutes=4)
    assert observed.fires("StemwrightSongsWaitSlowly", tmp_path, minutes=4)


@on_sqlite
def test_workers_that_vanish_with_their_songs(world: "World", tmp_path: Path) -> None:
    observed = Observed("orchestrator")
    for number in range(1, 7):
        world.running_job(numbered("wrk", number))
    world.pass_time(world.settings.lease_seconds + 30)
    assert observed.fires("StemwrightAttemptsLost", tmp_path, minutes=5)


@on_sqlite
def test_songs_that_nobody_is_there_for(world: "World", tmp_path: Path) -> None:
    from services.orchestrator.queue.measures import queue_measures

    [*_, measure] = queue_measures(world.database, world.settings)
    measure.renew()
    observed = Observed("orchestrator")
    world.queued_job()
    measure.renew()
    assert observed.fires("StemwrightNoWorkers", tmp_path, minutes=10)


@on_sqlite
def test_a_queue_that_cannot_be_counted(world: "World", tmp_path: Path) -> None:
    from services.orchestrator.queue.measures import queue_measures

    [*_, measure] = queue_measures(world.database, world.settings)
    measure.renew()
    observed = Observed("orchestrator", clocks=["stemwright_outstanding_measured_timestamp_seconds"])
    with world.database.write() as session:
        session.execute(text("ALTER TABLE jobs RENAME TO elsewhere"))
    world.clock.advance(60)
    measure.renew()
    assert observed.fires("StemwrightOutstandingUnknown", tmp_path, minutes=10)


class Network:
    """Answers rightly, until it is away."""

    device, runtime, passed_over = "cpu", "none", ()

    def __init__(self) -> None:
        self.stop = threading.Event()

    def open(self) -> None:
        """Nothing to load."""

    def models(self) -> tuple[()]:
        return ()

    def verify(self, _stopped: object) -> float:
        self.stop.set()
        return 20.0

    def ping(self) -> None:
        from services.worker.errors import InferenceUnavailable

        self.stop.set()
        raise InferenceUnavailable("The inference server is away.")


def test_a_network_that_does_not_answer_any_more(tmp_path: Path) -> None:
    from services.worker.app import Readiness

    network, service = Network(), SimpleNamespace(tell_soon=lambda: None)
    readiness = Readiness(cast(Any, service), cast(Any, network), cast(Any, None), cast(Any, None))
    readiness._first.set()  # the store is not asked
    readiness.run(network.stop)
    observed = Observed("worker")
    network.stop.clear()
    readiness.run(network.stop)
    assert observed.fires("StemwrightWorkerNotReady", tmp_path, minutes=20)
