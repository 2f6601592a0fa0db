import os
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, ProgrammingError

from services.kit.database import Database, DatabaseContended, service_url
from services.kit.settings import sqlite_url
from services.orchestrator.credits.models import KnownBalance
from services.orchestrator.workers.models import Worker
from tests.ids import numbered


def balance(database: Database) -> int:
    with database.read() as session:
        return session.get_one(KnownBalance, "usr_1").available_credits


@pytest.fixture
def with_balance(database: Database) -> Database:
    with database.write() as session:
        session.add(KnownBalance(account_id="usr_1", available_credits=0, version=0))
    return database


def test_a_block_that_raises_leaves_nothing_behind(with_balance: Database) -> None:
    done: list[str] = []
    with pytest.raises(RuntimeError), with_balance.write() as session:
        session.execute(update(KnownBalance).values(available_credits=7))
        session.after_commit(lambda: done.append("committed"))
        raise RuntimeError
    assert balance(with_balance) == 0
    assert done == []


def test_actions_run_after_the_commit_only(with_balance: Database) -> None:
    seen: list[int] = []
    with with_balance.write() as session:
        session.execute(update(KnownBalance).values(available_credits=7))
        session.after_commit(lambda: seen.append(balance(with_balance)))
    assert seen == [7]


def test_nothing_can_be_written_through_a_reading_session(with_balance: Database) -> None:
    with pytest.raises(RuntimeError), with_balance.read() as session:
        session.get_one(KnownBalance, "usr_1").available_credits = 9
        session.flush()
    assert balance(with_balance) == 0


def test_read_modify_write_by_many_threads_loses_no_update(with_balance: Database) -> None:
    def add_one(_: int) -> None:
        with with_balance.write() as session:
            row = session.scalars(select(KnownBalance).with_for_update()).one()
            row.available_credits += 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(200)))
    assert balance(with_balance) == 200


def test_readers_are_not_kept_waiting_by_a_writer(with_balance: Database) -> None:
    with with_balance.write() as session:
        session.execute(update(KnownBalance).values(available_credits=5))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(balance, with_balance).result(timeout=60) == 0
    assert balance(with_balance) == 5


def test_times_come_back_in_utc_and_naive_ones_are_refused(database: Database) -> None:
    facts = {
        "id": "wrk_1",
        "sequence": 1,
        "slots": 1,
        "assignments_partition": 0,
        "running": [],
        "models": {},
        "device": "cpu",
        "speed": 0.0,
        "stopping": False,
        "host": "",
        "first_seen_at": datetime(2026, 11, 22, 12, 0, 0, 5, tzinfo=UTC),
    }
    with database.write() as session:
        session.add(Worker(**facts, last_seen_at=datetime(2026, 11, 22, 12, tzinfo=UTC)))
    with database.read() as session:
        assert session.get_one(Worker, "wrk_1").first_seen_at == facts["first_seen_at"]
        assert session.now().tzinfo is UTC
    with pytest.raises(Exception, match="naive"), database.write() as session:
        session.execute(update(Worker).values(last_seen_at=datetime(2026, 11, 22, 12)))  # noqa: DTZ001 - the point


def test_an_accepted_write_survives_a_process_that_dies_in_the_next(tmp_path: Path) -> None:
    """The file is copied as it lies in the middle of a transaction, as a SIGKILL would leave it."""
    from services.kit.migrations import migrate

    url = f"sqlite:///{tmp_path}/{{service}}.db"
    migrate(url, "orchestrator")
    database = Database(url, "orchestrator")
    with database.write() as session:
        session.add(KnownBalance(account_id="usr_1", available_credits=3, version=0))
    left = tmp_path / "left"
    left.mkdir()
    with database.write() as session:
        session.execute(update(KnownBalance).values(available_credits=4))
        for file in tmp_path.glob("orchestrator.db*"):
            (left / file.name).write_bytes(file.read_bytes())
    database.close()
    after = Database(f"sqlite:///{left}/{{service}}.db", "orchestrator")
    assert balance(after) == 3
    after.close()
    with sqlite3.connect(left / "orchestrator.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_database_that_is_not_there_says_so(tmp_path: Path) -> None:
    database = Database("postgresql://nobody@127.0.0.1:9/none", "orchestrator")
    with pytest.raises(OperationalError):
        database.ping()
    database.close()
    folder = tmp_path / "folder.db"
    folder.mkdir()
    with pytest.raises(OperationalError):
        Database(f"sqlite:///{folder}", "orchestrator").ping()


def test_a_defect_is_told_apart_from_a_database_that_is_away(database: Database) -> None:
    with pytest.raises(ProgrammingError), database.read() as session:
        session.execute(text("SELECT nothing FROM balances"))


def test_asking_for_the_time_does_not_write_what_is_only_half_filled_in(database: Database) -> None:
    with database.write() as session:
        row = KnownBalance(account_id="usr_2")
        session.add(row)
        assert session.now().tzinfo is UTC
        row.available_credits, row.version = 1, 1


def test_a_limit_that_is_counted_holds_under_parallel_writers(with_balance: Database) -> None:
    def add_while_there_is_room(number: int) -> bool:
        with with_balance.write() as session:
            session.serialize("balances")
            if session.scalars(select(KnownBalance)).all()[1:]:
                return False
            session.add(KnownBalance(account_id=numbered("usr", number), available_credits=0, version=0))
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add_while_there_is_room, range(8))) == 1


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_deadlock_is_told_apart_from_a_database_that_is_away(with_balance: Database) -> None:
    with with_balance.write() as session:
        session.add(KnownBalance(account_id="usr_2", available_credits=0, version=0))
    both_hold_one = threading.Barrier(2, timeout=60)

    def lock(first: str, second: str) -> type[BaseException] | None:
        try:
            with with_balance.write() as session:
                session.execute(select(KnownBalance).where(KnownBalance.account_id == first).with_for_update())
                both_hold_one.wait()
                session.execute(select(KnownBalance).where(KnownBalance.account_id == second).with_for_update())
        except OperationalError as error:
            return type(error)
        return None

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lock, ("usr_1", "usr_2"), ("usr_2", "usr_1")))
    assert sorted(outcomes, key=str) == [DatabaseContended, None]


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT repeat('x', 1073741824)", DataError),
        ("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", OperationalError),
        ("DO $$ BEGIN RAISE SQLSTATE '57014'; END $$", DatabaseContended),
        ("DO $$ BEGIN RAISE SQLSTATE '25006'; END $$", OperationalError),
        ("DO $$ BEGIN RAISE SQLSTATE '22001'; END $$", DataError),
    ],
)
def test_what_a_server_says_is_read_by_its_code(database: Database, statement: str, kind: type[Exception]) -> None:
    with pytest.raises(DBAPIError) as caught, database.write() as session:
        session.execute(text(statement))
    assert type(caught.value) is kind


def test_values_are_not_repeated_in_errors(with_balance: Database) -> None:
    with pytest.raises(IntegrityError) as caught, with_balance.write() as session:
        session.execute(insert(KnownBalance).values(account_id="a-secret", available_credits=None, version=0))
    assert "a-secret" not in str(caught.value)


def test_each_service_has_a_database_of_its_own() -> None:
    assert service_url("sqlite:////data/{service}.db", "upload") == "sqlite:////data/upload.db"
    assert service_url("postgres://u@h/stems", "upload") == "postgresql+psycopg://u@h/stems"


@pytest.mark.parametrize(
    "name",
    [
        "with space",
        "it's",
        'do"uble',
        "q?x=1",
        "h#ash",
        "pct%41",
        "pct%zz",
        "{service}",
        "{x}",
        "plus+",
        "at@a:b",
        "ünï",
    ],
)
def test_a_database_lies_in_its_folder_whatever_the_folder_is_called(tmp_path: Path, name: str) -> None:
    database = Database(sqlite_url(tmp_path / name / "data"), "upload")
    with database.write_engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE songs (title)")
    database.close()
    assert list(tmp_path.rglob("*.db")) == [tmp_path / name / "data" / "upload.db"]


def test_writers_of_one_process_wait_for_each_other(with_balance: Database) -> None:
    inside = threading.Event()
    order: list[str] = []

    def second() -> None:
        inside.wait(60)
        with with_balance.write() as session:
            session.scalars(select(KnownBalance).with_for_update()).one()
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        with with_balance.write() as session:
            session.scalars(select(KnownBalance).with_for_update()).one()
            inside.set()
            order.append("first")
        waiting.result(timeout=60)
    assert order == ["first", "second"]


def test_what_is_committed_survives_a_power_cut(tmp_path: Path) -> None:
    """SQLite waits for the disk at every commit. The databases of other tests do not (`tests.databases`)."""
    database = Database(f"sqlite:///{tmp_path}/{{service}}.db", "upload")
    with database.write() as session:
        assert session.execute(text("PRAGMA synchronous")).scalar_one() == 2, "FULL"
        assert session.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
    database.close()


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=oct)
def test_a_database_on_this_machine_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        database = Database(f"sqlite:///{tmp_path}/data/{{service}}.db", "upload")
        with database.write() as session:
            session.execute(text("CREATE TABLE songs (name TEXT)"))
            found = [tmp_path / "data", *(tmp_path / "data").iterdir()]
            modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in found}
        database.close()
    finally:
        os.umask(before)

    assert modes.pop("data") == "0o700"
    assert set(modes) > {"upload.db"}, "with its journals"
    assert set(modes.values()) == {"0o600"}
