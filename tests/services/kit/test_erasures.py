"""What every service does alike about an erased account: note it, forget it piece by piece, answer whoever asks."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select

from services.kit import outbox
from services.kit.database import Database
from services.kit.erasures import REMEMBERED, AccountGone, Eraser, check_open, count, is_erased
from services.kit.events.codec import OutgoingEvent
from services.kit.events.topics import GONE_AFTER, JOBS_INTERNAL
from services.kit.protos import jobs_pb2
from services.kit.tables import ERASED_ACCOUNTS, IDEMPOTENCY, OUTBOX
from tests.databases import MakeDatabase
from tests.erasing import counts_of, hear, publish, receipts
from tests.ids import numbered
from tests.services.kit.events.consuming import until

ADA, BOB = numbered("usr", 1), numbered("usr", 2)


class Service:
    """Has some things of accounts, and deletes one of them each time it is asked."""

    def __init__(self, database: Database, **things: int) -> None:
        self._database = database
        self.things = dict(things)
        self.broken = False

    def forget(self, account_id: str) -> bool:
        if self.broken:
            raise OSError("the store is away")
        if self.things.get(account_id):
            with self._database.write() as session:
                self.things[account_id] -= 1
                count(session, account_id, "things", 1)
        return not self.things.get(account_id)


def ask(account_id: str) -> OutgoingEvent:
    return OutgoingEvent(JOBS_INTERNAL, account_id, jobs_pb2.BalanceRequested(account_id=account_id))


def test_the_answer_comes_when_nothing_is_left_and_says_how_much_there_was(database: Database) -> None:
    service = Service(database, **{ADA: 3, BOB: 1})
    eraser = Eraser(database, service.forget)

    hear(eraser, ADA)
    assert eraser.erase() is False
    assert eraser.erase() is False
    assert receipts(database) == []
    assert eraser.erase() is True

    [receipt] = receipts(database)
    assert (receipt.account_id, receipt.service, counts_of(receipt)) == (ADA, database.service, {"things": 3})
    assert service.things == {ADA: 0, BOB: 1}


def test_whoever_is_told_again_answers_again_with_the_same(database: Database) -> None:
    service = Service(database, **{ADA: 1})
    eraser = Eraser(database, service.forget)

    hear(eraser, ADA)
    hear(eraser, ADA)
    assert receipts(database) == []
    eraser.erase()
    hear(eraser, ADA)
    hear(eraser, ADA)

    first, *others = receipts(database)
    assert others == [first, first]


def test_an_account_that_trips_us_does_not_keep_others_and_is_tried_again(database: Database) -> None:
    service = Service(database)
    eraser = Eraser(database, lambda account_id: service.forget(account_id) if account_id == ADA else True)
    service.broken = True
    hear(eraser, ADA)
    hear(eraser, BOB)

    assert eraser.erase() is False
    assert [receipt.account_id for receipt in receipts(database)] == [BOB]
    service.broken = False
    assert eraser.erase() is True
    assert [receipt.account_id for receipt in receipts(database)] == [BOB, ADA]


def test_another_process_goes_on_where_one_was_killed(database: Database) -> None:
    """Nothing is in memory that a service needs to go on, and what was counted stays counted."""
    service = Service(database, **{ADA: 2})
    first = Eraser(database, service.forget)
    hear(first, ADA)
    first.erase()

    second = Eraser(database, service.forget)
    assert second.erase() is True

    assert counts_of(receipts(database)[0]) == {"things": 2}


def test_what_was_told_of_the_account_leaves_before_the_receipt_and_is_not_kept(database: Database) -> None:
    with database.write() as session:
        outbox.add(session, ask(ADA))
        outbox.add(session, ask(BOB))
        for account_id in (ADA, BOB):
            session.execute(
                insert(IDEMPOTENCY).values(
                    account_id=account_id,
                    key="k",
                    operation="o",
                    request_hash="h",
                    resource_id="r",
                    created_at=session.now(),
                )
            )
    eraser = Eraser(database, lambda _account_id: True)
    hear(eraser, ADA)

    assert eraser.erase() is False
    publish(database)
    assert eraser.erase() is True

    with database.read() as session:
        keys = session.execute(select(OUTBOX.c.key, OUTBOX.c.topic)).all()
        assert session.execute(select(IDEMPOTENCY.c.account_id)).scalars().all() == [BOB]
    assert [(key.decode(), topic) for key, topic in keys] == [(BOB, "jobs.internal.v1"), (ADA, "accounts.receipts.v1")]


def test_an_erased_account_makes_nothing_new(database: Database) -> None:
    eraser = Eraser(database, lambda _account_id: True)
    with database.write() as session:
        check_open(session, ADA)
    hear(eraser, ADA)

    with pytest.raises(AccountGone), database.write() as session:
        check_open(session, ADA)
    with database.write() as session:
        assert is_erased(session, ADA)
        assert not is_erased(session, BOB)


@pytest.mark.postgres
def test_what_is_made_at_the_same_moment_is_made_before_the_news_is_noted(database: Database) -> None:
    """Else it could appear after everything was deleted."""
    eraser = Eraser(database, lambda _account_id: True)
    heard = threading.Event()

    def news() -> None:
        hear(eraser, ADA)
        heard.set()

    with database.write() as session:
        check_open(session, ADA)
        thread = threading.Thread(target=news)
        thread.start()
        assert not heard.wait(0.2)
    thread.join(180)
    assert heard.is_set()


def test_the_note_outlives_every_record_about_the_account_and_then_goes(make_database: MakeDatabase) -> None:
    now = datetime.now(UTC)
    database = make_database("orchestrator", clock=lambda: now)
    eraser = Eraser(database, lambda _account_id: True)
    hear(eraser, ADA)
    eraser.erase()

    def noted() -> int:
        eraser.erase()
        with database.read() as session:
            return len(session.execute(select(ERASED_ACCOUNTS)).all())

    now += GONE_AFTER + timedelta(days=1)
    assert noted() == 1
    now += REMEMBERED
    assert noted() == 0


def test_the_task_begins_with_the_news_and_tries_again_by_itself(database: Database) -> None:
    service = Service(database, **{ADA: 3})
    eraser = Eraser(database, service.forget, interval_seconds=3600)
    stop = threading.Event()
    thread = threading.Thread(target=eraser.run, args=(stop,))
    thread.start()
    try:
        hear(eraser, ADA)
        until(lambda: receipts(database) != [], "the receipt")
    finally:
        stop.set()
        thread.join(180)
    assert not thread.is_alive()


def test_what_was_deleted_is_gone_from_the_file_of_the_database(
    database: Database, remembers: Callable[[str], bool]
) -> None:
    """SQLite leaves deleted rows in free pages, and earlier versions of pages in its journal, unless told otherwise."""
    if not database.is_sqlite:
        pytest.skip("PostgreSQL's vacuum sees to it")
    with database.write() as session:
        outbox.add(session, OutgoingEvent(JOBS_INTERNAL, ADA, jobs_pb2.BalanceRequested(account_id=ADA)))
    publish(database)
    assert remembers(ADA)
    with database.write() as session:
        assert outbox.forget(session, ADA)

    database.drop_remains()

    assert not remembers(ADA)


@pytest.fixture
def remembers(database: Database) -> Callable[[str], bool]:
    """Whether a text is anywhere in the files of a SQLite database."""

    def look(text: str) -> bool:
        assert database.file is not None
        files = database.file.parent.glob(database.file.name + "*")
        return any(text.encode() in file.read_bytes() for file in files)

    return look
