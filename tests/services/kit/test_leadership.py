"""Leases, turns and leadership, with several replicas in one process: each has a database object of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select
from sqlalchemy.exc import OperationalError

from services.kit.database import Database, WriteSession
from services.kit.leadership import LEASE, LOOK_SECONDS, FileLease, Leadership, LeaseLost, RowLease, lease_of
from services.kit.periodic import Periodic
from services.kit.process import BackgroundTask
from services.kit.tables import IDEMPOTENCY, LEASES
from tests.clocks import Clock
from tests.databases import MakeDatabase
from tests.services.kit.events.consuming import until

on_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
A_MOMENT = timedelta(microseconds=1)
NEVER = 3600.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def replicas(make_database: MakeDatabase, clock: Clock) -> Iterator[Callable[[], Database]]:
    """Makes a further process's view of one service's database."""
    first = make_database("orchestrator", clock=clock)
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(Database(first.url, "orchestrator", clock=clock)))


def row_lease(database: Database) -> RowLease:
    """One that a test has renew itself: its process is as good as stopped in between."""
    return RowLease(database, "tests", renew_seconds=NEVER)


def note(session: WriteSession) -> None:
    """Writes something."""
    row = {"account_id": "acc", "key": uuid4().hex, "operation": "", "request_hash": "", "resource_id": ""}
    session.execute(insert(IDEMPOTENCY).values(**row, created_at=session.now()))


def notes(database: Database) -> int:
    """How often that was committed."""
    with database.read() as session:
        return session.execute(select(func.count()).select_from(IDEMPOTENCY)).scalar_one()


def wrote(database: Database, fence: Callable[[WriteSession], None]) -> bool:
    """Whether a transaction that rests on a lease commits."""
    try:
        with database.fenced(fence), database.write() as session:
            note(session)
    except LeaseLost:
        return False
    return True


def test_one_of_two_processes_holds_a_lease_until_it_gives_it_up(replicas: Callable[[], Database]) -> None:
    one, other = replicas(), replicas()
    first, second = lease_of(one, "tests"), lease_of(other, "tests")
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    assert (first.held, second.held) == (True, False)
    another = lease_of(other, "another")
    assert another.acquire()
    another.release()
    first.release()
    first.release()
    assert not first.held
    assert second.acquire()
    assert not first.acquire()
    second.release()


def test_what_rests_on_a_lease_commits_while_it_is_held_and_not_after(replicas: Callable[[], Database]) -> None:
    database = replicas()
    lease = lease_of(database, "tests")
    assert not wrote(database, lease.fence)
    assert lease.acquire()
    assert wrote(database, lease.fence)
    lease.release()
    assert not wrote(database, lease.fence)
    with database.write():  # and what does not rest on it is not concerned
        pass


def test_a_lease_is_given_up_with_the_commit_that_finishes_it(replicas: Callable[[], Database]) -> None:
    one, other = replicas(), replicas()
    first, second = lease_of(one, "tests"), lease_of(other, "tests")
    assert first.acquire()
    with one.fenced(first.finish), one.write():
        assert not second.acquire()
    assert not first.held
    assert second.acquire()
    second.release()
    with pytest.raises(LeaseLost), one.fenced(first.finish), one.write():
        pass


@on_postgres
def test_of_a_process_that_vanished_the_lease_is_taken_when_it_lapses(
    replicas: Callable[[], Database], clock: Clock
) -> None:
    vanished, heir = row_lease(replicas()), row_lease(replicas())
    assert vanished.acquire()
    clock.now += LEASE - A_MOMENT
    assert not heir.acquire()
    clock.now += A_MOMENT
    assert heir.acquire()
    assert LEASE.total_seconds() + LOOK_SECONDS < 5, "what the operations page promises"
    assert (vanished.term, heir.term) == (1, 2)


@on_postgres
def test_a_lease_renews_itself_for_as_long_as_its_process_lives(replicas: Callable[[], Database], clock: Clock) -> None:
    alive, other = RowLease(replicas(), "tests", renew_seconds=0.01), row_lease(replicas())
    assert alive.acquire()
    database = replicas()

    def end() -> datetime:
        with database.read() as session:
            moment: datetime = session.execute(select(LEASES.c.until).where(LEASES.c.name == "tests")).scalar_one()
            return moment

    for _ in range(3):
        clock.now += LEASE - A_MOMENT
        until(lambda: end() == clock.now + LEASE, "the lease to be renewed")
    assert not other.acquire()
    alive.release()
    assert other.acquire()
    other.release()


@on_postgres
def test_a_process_that_slept_through_its_lease_writes_nothing_more(
    replicas: Callable[[], Database], clock: Clock
) -> None:
    """Not even what it had begun before it slept; and it finds out, and may come again under a term of its own."""
    sleeper, heir = replicas(), replicas()
    slept, taken = row_lease(sleeper), row_lease(heir)
    assert slept.acquire()

    def sleep_in_the_middle() -> None:
        with sleeper.fenced(slept.fence), sleeper.write() as session:
            note(session)
            clock.now += LEASE
            assert taken.acquire()

    with pytest.raises(LeaseLost):
        sleep_in_the_middle()
    assert notes(heir) == 0
    assert not slept.held
    taken.release()
    assert slept.acquire()
    assert slept.term == 3
    slept.release()


@on_postgres
def test_the_lease_is_not_taken_between_the_last_look_and_the_commit(
    replicas: Callable[[], Database], clock: Clock
) -> None:
    holder, other = replicas(), replicas()
    mine, theirs = row_lease(holder), row_lease(other)
    assert mine.acquire()
    with holder.write() as session:
        mine.fence(session)
        clock.now += 2 * LEASE
        assert not theirs.acquire()
    assert theirs.acquire()


@on_postgres
def test_a_lease_is_kept_while_the_database_is_away_for_a_moment(
    replicas: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = replicas()
    lease = RowLease(database, "tests", renew_seconds=0.01)
    assert lease.acquire()
    tries: list[int] = []

    def away(_database: Database) -> Any:
        tries.append(len(tries))
        raise OperationalError("", {}, OSError("away"))

    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", away)
        until(lambda: len(tries) > 2, "renewals to fail")
    assert lease.held
    assert wrote(database, lease.fence)
    lease.release()


@on_postgres
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["acquire", "write", "write", "finish", "release", "renew", "kill"]), st.integers(0, 2)
        )
        | st.tuples(st.just("wait"), st.integers(1, 5)),
        max_size=30,
    )
)
def test_never_two_write_under_one_term_whatever_happens_in_which_order(
    make_database: MakeDatabase, steps: list[tuple[str, int]]
) -> None:
    """Replicas that take, lose and give up the lease, are killed and come again: what is committed under the lease has
    terms that grow, each of one holder."""
    clock = Clock()
    first = make_database("orchestrator", clock=clock)
    written: list[tuple[int, str]] = []
    with ExitStack() as opened:
        databases = [opened.enter_context(closing(Database(first.url, "orchestrator", clock=clock))) for _ in range(3)]
        leases = [row_lease(database) for database in databases]
        for step, number in steps:
            database, lease = databases[number % 3], leases[number % 3]
            if step == "wait":
                clock.now += timedelta(seconds=number)
            elif step == "acquire":
                lease.acquire()
            elif step == "release":
                lease.release()
            elif step == "kill":  # nothing of it is given up; its successor is another holder
                leases[number % 3] = row_lease(database)
            elif step == "renew":
                lease.renew()
            elif step in ("write", "finish"):
                term = lease.term
                if wrote(database, lease.finish if step == "finish" else lease.fence):
                    assert term is not None
                    written.append((term, lease._holder))
        for lease in leases:
            lease.release()
    assert [term for term, _ in written] == sorted(term for term, _ in written)
    assert len(set(written)) == len({term for term, _ in written})


def test_rounds_are_had_where_the_lead_is_held_and_by_the_other_when_it_stops(
    replicas: Callable[[], Database],
) -> None:
    rounds: list[str] = []
    stops: dict[str, threading.Event] = {}
    threads: list[threading.Thread] = []

    def start(name: str) -> None:
        stops[name] = threading.Event()
        leadership = Leadership(replicas())
        tasks = leadership.where_held(Periodic("tests", 0.01, lambda: rounds.append(name)))
        everything: list[BackgroundTask] = [leadership, *tasks]
        for task in everything:
            thread = threading.Thread(target=task.run, args=(stops[name],))
            thread.start()
            threads.append(thread)

    start("one")
    until(lambda: len(rounds) > 2, "rounds of the first")
    start("other")
    until(lambda: len(rounds) > 20, "more rounds")
    assert set(rounds) == {"one"}
    stops["one"].set()
    until(lambda: rounds[-1] == "other", "the other to go on")
    stops["other"].set()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()


@on_postgres
def test_a_round_ends_where_the_lead_is_lost_and_counts_as_no_defect(
    replicas: Callable[[], Database], clock: Clock
) -> None:
    database, heir = replicas(), row_lease(replicas())
    lease = row_lease(database)
    leadership = Leadership(database, lease)
    seen: list[str] = []

    def sweep() -> None:
        for number in range(3):
            try:
                with database.write() as session:
                    note(session)
                    clock.now += LEASE
                    heir.acquire()
            except Exception:  # noqa: BLE001 - as sweepers do, for whom one row must not be the end of the others
                seen.append(f"an error of row {number}")
            seen.append(f"row {number}")

    [task] = leadership.where_held(Periodic("tests", NEVER, sweep))
    task._action()
    assert seen == [], "it does not lead yet"
    assert lease.acquire()
    task._action()
    assert seen == [], "the first row showed that another leads"
    assert notes(database) == 0
    assert not lease.held
    task._action()
    assert seen == []


def test_on_sqlite_a_lease_ends_with_its_process_at_once(tmp_path: Any) -> None:
    """A file that is closed, as the system does when a process dies, is free: nobody waits for it to lapse."""
    with closing(Database(f"sqlite:///{tmp_path}/tests.db", "tests")) as database:
        first, second = FileLease(database, "tests"), FileLease(database, "tests")
        assert first.acquire()
        assert not second.acquire()
        assert first._file is not None
        first._file.close()
        assert second.acquire()
        second.release()
