"""The outbox against a producer in the test's hand; the producer against the real broker is tested with the events."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import func, select

from services.kit import outbox
from services.kit.database import Database
from services.kit.events.codec import OutgoingEvent, Record
from services.kit.events.producer import EventProducer, RecordRefused
from services.kit.events.topics import ASSIGNMENTS, JOBS_INTERNAL
from services.kit.outbox import OutboxRelay
from services.kit.protos import jobs_pb2, separation_pb2
from services.kit.tables import OUTBOX, OUTBOX_REFUSED
from tests.databases import MakeDatabase
from tests.ids import numbered
from tests.messages import sample
from tests.services.kit.events.consuming import until


class Broker:
    """Takes records, or refuses those it is told to refuse."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.refused: set[str] = set()
        self.impossible: set[str] = set()
        self.closed = False

    def send_records(self, records: Sequence[Record]) -> list[Exception | None]:
        outcomes: list[Exception | None] = []
        for record in records:
            name = record.key.decode()
            if name in self.impossible:
                outcomes.append(RecordRefused("too large"))
            elif name in self.refused:
                outcomes.append(OSError("away"))
            else:
                self.taken.append(name)
                outcomes.append(None)
        return outcomes

    def close(self) -> None:
        self.closed = True


def relay_of(database: Database, broker: Any) -> OutboxRelay:
    return OutboxRelay(database, cast("EventProducer", broker), poll_seconds=0.05)


def ask(upload_id: str) -> OutgoingEvent:
    return OutgoingEvent(JOBS_INTERNAL, upload_id, jobs_pb2.UploadStatusRequested(upload_id=upload_id))


def waiting(database: Database) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).where(OUTBOX.c.published_at.is_(None))).scalar_one()


def test_an_event_of_a_transaction_that_fails_is_never_published(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as session:
        outbox.add(session, ask(numbered("upl", 1)))
        raise RuntimeError
    broker = Broker()
    assert relay_of(database, broker).publish_batch() == 0
    assert broker.taken == []
    assert not database.outbox_ready.is_set()


def test_events_leave_in_the_order_of_their_ids_and_once(database: Database) -> None:
    with database.write() as session:
        for number in range(5):
            outbox.add(session, ask(numbered("upl", number)))
    broker = Broker()
    relay = relay_of(database, broker)
    assert relay.publish_batch() == 5
    assert relay.publish_batch() == 0
    assert broker.taken == [numbered("upl", number) for number in range(5)]


def test_a_thousand_events_of_one_key_keep_no_other_waiting(database: Database) -> None:
    with database.write() as session:
        for number in [*[1] * 600, 2]:
            outbox.add(session, ask(numbered("upl", number)))
    broker = Broker()
    relay = relay_of(database, broker)
    relay.publish_batch()
    assert numbered("upl", 2) in broker.taken
    assert len(broker.taken) < 100
    while relay.publish_batch():
        pass
    assert len(broker.taken) == 601


def test_what_the_broker_refuses_stays_and_comes_again(database: Database) -> None:
    with database.write() as session:
        for name in (numbered("upl", 1), numbered("upl", 2), numbered("upl", 3)):
            outbox.add(session, ask(name))
    broker = Broker()
    broker.refused = {numbered("upl", 2)}
    relay = relay_of(database, broker)
    assert relay.publish_batch() == 2
    assert waiting(database) == 1
    broker.refused = set()
    assert relay.publish_batch() == 1
    assert broker.taken == [numbered("upl", 1), numbered("upl", 3), numbered("upl", 2)]


def test_what_the_broker_will_never_take_is_set_aside_and_holds_up_nothing(database: Database) -> None:
    upload_ids = [numbered("upl", number) for number in range(20)]
    with database.write() as session:
        for upload_id in upload_ids:
            outbox.add(session, ask(upload_id))
    broker = Broker()
    broker.impossible = {upload_ids[0], upload_ids[7]}
    relay = relay_of(database, broker)
    assert relay.publish_batch() == 20
    assert relay.publish_batch() == 0
    assert broker.taken == [upload_id for upload_id in upload_ids if upload_id not in broker.impossible]
    with database.read() as session:
        aside = session.execute(select(OUTBOX_REFUSED)).all()
    assert [(row.key.decode(), row.reason) for row in aside] == [
        (upload_ids[0], "too large"),
        (upload_ids[7], "too large"),
    ]
    with database.write() as session:
        outbox.purge_refused(session, timedelta(0))
        assert session.scalar(select(func.count()).select_from(OUTBOX_REFUSED)) == 0


def test_work_for_a_worker_goes_before_what_one_account_left_in_the_outbox(make_database: MakeDatabase) -> None:
    database = make_database("orchestrator")
    assigned = sample(separation_pb2.SeparationAssigned)
    with database.write() as session:
        for number in range(600):
            outbox.add(session, ask(numbered("upl", number)))
        outbox.add(session, OutgoingEvent(ASSIGNMENTS, assigned.worker_id, assigned, partition=1))
    broker = Broker()
    relay = relay_of(database, broker)
    assert relay.publish_batch() == 500
    assert broker.taken[:2] == [assigned.worker_id, numbered("upl", 0)]


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_row_with_a_lower_id_that_commits_late_is_published_all_the_same(database: Database) -> None:
    """Ids are given out before commit. SQLite has one writer at a time; there this cannot happen."""
    broker = Broker()
    relay = relay_of(database, broker)
    with database.write() as late:
        outbox.add(late, ask(numbered("upl", 70)))
        late.flush()
        with database.write() as quick:
            outbox.add(quick, ask(numbered("upl", 75)))
        assert relay.publish_batch() == 1
    assert relay.publish_batch() == 1
    assert broker.taken == [numbered("upl", 75), numbered("upl", 70)]


def test_the_running_relay_is_woken_by_a_commit_and_ends_when_told(database: Database) -> None:
    broker = Broker()
    relay = OutboxRelay(database, cast("EventProducer", broker), poll_seconds=60)
    stop = threading.Event()
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    done = threading.Event()
    with database.write() as session:
        outbox.add(session, ask(numbered("upl", 1)))
        session.after_commit(done.set)
    assert done.wait(60)
    until(lambda: broker.taken, "the relay to wake")
    assert broker.taken == [numbered("upl", 1)]
    stop.set()
    relay.wake()
    thread.join(60)
    assert not thread.is_alive()
    assert broker.closed


def test_only_one_of_two_relays_publishes_and_the_other_takes_over(database: Database) -> None:
    second_database = Database(database.url, database.service)
    first, second = relay_of(database, Broker()), relay_of(second_database, Broker())
    assert first._turn.acquire()
    assert not second._turn.acquire()
    first._turn.release()
    assert second._turn.acquire()
    second._turn.release()
    second_database.close()


def test_what_any_process_commits_is_published_without_waiting_for_another(database: Database) -> None:
    """Neither looks by itself within the test: each has to be woken by its own commits, and to find the lock free."""
    databases = [database, Database(database.url, database.service)]
    brokers = [Broker(), Broker()]
    relays = [
        OutboxRelay(each, cast("EventProducer", broker), poll_seconds=3600)
        for each, broker in zip(databases, brokers, strict=True)
    ]
    stop = threading.Event()
    threads = [threading.Thread(target=relay.run, args=(stop,)) for relay in relays]
    for thread in threads:
        thread.start()
    names = [numbered("upl", number) for number in range(20)]
    for number, name in enumerate(names):
        with databases[number % 2].write() as session:
            outbox.add(session, ask(name))
        until(lambda: waiting(database) == 0, f"{name} to be published")
    stop.set()
    for relay, thread in zip(relays, threads, strict=True):
        relay.wake()
        thread.join(60)
        assert not thread.is_alive()
    databases[1].close()

    assert sorted(brokers[0].taken + brokers[1].taken) == names
    assert brokers[0].taken
    assert brokers[1].taken


def test_an_event_that_breaks_its_topics_contract_is_the_callers_fault(database: Database) -> None:
    wrong = OutgoingEvent(JOBS_INTERNAL, "other", jobs_pb2.UploadStatusRequested(upload_id=numbered("upl", 1)))
    with pytest.raises(ValueError, match="key"), database.write() as session:
        outbox.add(session, wrong)


def test_a_round_that_fails_is_not_the_end_of_the_relay(database: Database) -> None:
    class Broken(Broker):
        def send_records(self, records: Sequence[Record]) -> list[Exception | None]:
            if not self.taken:
                self.taken.append("nothing")
                raise LookupError("a defect")
            return super().send_records(records)

    broker, stop = Broken(), threading.Event()
    with database.write() as session:
        outbox.add(session, ask(numbered("upl", 1)))
    relay = relay_of(database, broker)
    thread = threading.Thread(target=relay.run, args=(stop,))
    thread.start()
    until(lambda: broker.taken == ["nothing", numbered("upl", 1)], "the next round")
    stop.set()
    relay.wake()
    thread.join(60)
    assert not thread.is_alive()
