"""What the consumer promises, on the real broker, in each of its three ways to read."""

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from services.kit.events.codec import Event, OutgoingEvent, Record, encode
from services.kit.events.consumer import Consumer, Stalled
from services.kit.events.outcomes import InvalidMessage, RetryLater
from services.kit.events.producer import EventProducer
from services.kit.events.topics import ASSIGNMENTS, PROGRESS, UPLOADS, assignments_partition
from services.kit.protos import separation_pb2, uploads_pb2
from services.kit.telemetry import current_traceparent, span
from tests.broker import Broker
from tests.ids import numbered
from tests.messages import sample
from tests.services.kit.events.consuming import (
    PATIENCE_SECONDS,
    Running,
    Seen,
    headers_of,
    progress,
    read_dead_letters,
    until,
    write_raw,
)

pytestmark = pytest.mark.kafka

MakeConsumer = Callable[..., Consumer]
WAYS: dict[str, dict[str, Any]] = {
    "member of a group": {"group": "test", "session_seconds": 2.0},
    "sole reader of a group": {"group": "test", "sole": True},
    "without a group": {"group": None},
}


@pytest.fixture(params=WAYS)
def consumer(request: pytest.FixtureRequest, broker: Broker) -> MakeConsumer:
    """Makes consumers of separation.progress.v1 that read in one of the three ways."""
    return partial(progress_consumer, broker, **WAYS[request.param])


@pytest.fixture(params=[way for way in WAYS if way != "without a group"])
def group_consumer(request: pytest.FixtureRequest, broker: Broker) -> MakeConsumer:
    """Only the ways that commit."""
    return partial(progress_consumer, broker, **WAYS[request.param])


@pytest.fixture
def sole_consumer(broker: Broker) -> MakeConsumer:
    """Where the way makes no difference: the quickest one."""
    return partial(progress_consumer, broker, **WAYS["sole reader of a group"])


@pytest.fixture
def producer(broker: Broker) -> Iterator[EventProducer]:
    with EventProducer(broker.bootstrap, "tests") as made:
        yield made


def progress_consumer(broker: Broker, handle: Callable[[Event], None], **options: Any) -> Consumer:
    return Consumer(
        broker.bootstrap,
        **{
            "name": "tests",
            "topics": [PROGRESS],
            "handlers": {separation_pb2.SeparationProgress: handle},
            **options,
        },
    )


def has(seen: Seen, count: int) -> bool:
    return len(seen.events) == count


def jobs(count: int) -> list[str]:
    return [numbered("job", number) for number in range(count)]


def test_every_event_is_handled_once_and_in_order_per_key(consumer: MakeConsumer, producer: EventProducer) -> None:
    seen = Seen()
    with Running(consumer(seen)):
        for step in range(5):
            for job in jobs(10):
                producer.send(progress(job, step / 5))
        until(lambda: len(seen.events) >= 50, "50 events")

    assert len(seen.events) == 50
    for job in jobs(10):
        assert [event.data.fraction for event in seen.events if event.key == job] == [0, 0.2, 0.4, 0.6, 0.8]


def test_records_written_before_it_came_are_read_by_a_group_only(broker: Broker, producer: EventProducer) -> None:
    producer.send(progress(numbered("job", 71)))
    seen = Seen()
    with Running(progress_consumer(broker, seen, group="test", sole=True)):
        until(lambda: seen.keys == [numbered("job", 71)], "the early event")


def test_the_handler_runs_in_the_trace_of_the_event(sole_consumer: MakeConsumer, producer: EventProducer) -> None:
    traces: list[str | None] = []
    with Running(sole_consumer(lambda event: traces.append(current_traceparent()))), span("request"):
        sent = current_traceparent()
        producer.send(progress(numbered("job", 1)))
        until(lambda: traces, "the event")

    assert sent is not None
    assert traces[0] is not None
    assert traces[0].split("-")[1] == sent.split("-")[1]


def test_types_without_a_handler_are_skipped(broker: Broker, producer: EventProducer) -> None:
    seen = Seen()
    consumer = Consumer(
        broker.bootstrap,
        name="tests",
        group="test",
        sole=True,
        topics=[UPLOADS],
        handlers={uploads_pb2.UploadReady: seen},
    )
    with Running(consumer):
        producer.send(OutgoingEvent(UPLOADS, numbered("upl", 1), created(1)))
        producer.send(OutgoingEvent(UPLOADS, numbered("upl", 1), sample(uploads_pb2.UploadReady)))
        until(lambda: seen.events, "the event")

    assert [event.type for event in seen.events] == ["stemwright.events.v1.UploadReady"]


def test_a_handler_for_a_type_of_another_topic_is_refused() -> None:
    with pytest.raises(ValueError, match="UploadReady"):
        Consumer("x", name="t", group=None, topics=[PROGRESS], handlers={uploads_pb2.UploadReady: Seen()})


def test_an_invalid_message_becomes_a_dead_letter_and_others_go_on(
    consumer: MakeConsumer, producer: EventProducer, broker: Broker
) -> None:
    seen = Seen()

    def handle(event: Event) -> None:
        if event.key == numbered("job", 1):
            raise InvalidMessage("no such thing")
        seen(event)

    with Running(consumer(handle)):
        for job in jobs(3):
            producer.send(progress(job))
        until(lambda: len(seen.events) == 2, "the two good events")
        (letter,) = read_dead_letters(broker.bootstrap, PROGRESS, 1)

    headers = headers_of(letter)
    assert headers["dlq_reason"] == "no such thing"
    assert headers["dlq_consumer"] == "tests"
    assert headers["dlq_topic"] == PROGRESS.name
    assert int(headers["dlq_partition"]) in range(PROGRESS.partitions)
    assert headers["dlq_offset"] == "0" or int(headers["dlq_offset"]) > 0
    assert headers["ce_type"] == "stemwright.events.v1.SeparationProgress"
    assert letter.key == numbered("job", 1).encode()
    assert separation_pb2.SeparationProgress.FromString(letter.value).job_id == numbered("job", 1)


def test_garbage_becomes_dead_letters_and_the_neighbours_are_handled(
    sole_consumer: MakeConsumer, producer: EventProducer, broker: Broker
) -> None:
    good = encode(progress(numbered("job", 72)))
    garbage = [
        Record(PROGRESS.name, numbered("job", 73).encode(), b"", []),
        Record(PROGRESS.name, numbered("job", 73).encode(), b"\xff\xff", good.headers),
        Record(PROGRESS.name, b"\xff", good.value, good.headers),
        Record(PROGRESS.name, numbered("job", 72).encode(), b"x" * 900_000, good.headers),
        Record(PROGRESS.name, numbered("job", 72).encode(), good.value, [("ce_id", b"\xff"), *good.headers[2:]]),
        Record(PROGRESS.name, numbered("job", 74).encode(), good.value, good.headers),
    ]
    seen = Seen()
    with Running(sole_consumer(seen)):
        write_raw(broker.bootstrap, *garbage)
        producer.send(progress(numbered("job", 72)))
        until(lambda: seen.keys == [numbered("job", 72)], "the good event")
        letters = read_dead_letters(broker.bootstrap, PROGRESS, len(garbage))

    assert all(headers_of(letter).get("dlq_reason") for letter in letters if letter.key != numbered("job", 72).encode())
    sizes = [dict(letter.headers)["dlq_value_bytes"] for letter in letters]
    assert b"900000" in sizes


def test_a_record_that_the_client_cannot_parse_does_not_hold_up_its_partition(
    sole_consumer: MakeConsumer, producer: EventProducer, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen()
    with Running(sole_consumer(seen)):
        with monkeypatch.context() as patch:
            broken_headers(patch)
            write_raw(
                broker.bootstrap,
                Record(PROGRESS.name, numbered("job", 1).encode(), b"x", [("broken", b"")], partition=0),
            )
        for job in jobs(20):
            producer.send(progress(job))
        until(lambda: len(seen.events) >= 20, "the events after it")
        (letter,) = read_dead_letters(broker.bootstrap, PROGRESS, 1)

    assert headers_of(letter)["dlq_reason"].startswith("the record cannot be read:")


def broken_headers(patch: pytest.MonkeyPatch) -> None:
    """Makes producers write header names that are not UTF-8, as programs in other languages can."""
    import kafka.record.default_records as records

    real = records.DefaultRecordBatchBuilder.append

    class Name(str):
        def encode(self, *_: object) -> bytes:
            return b"\xff\xfe"

    def append(self: Any, *args: Any, **options: Any) -> Any:
        changed = [
            [(Name(name), value) for name, value in argument] if isinstance(argument, list) else argument
            for argument in args
        ]
        return real(self, *changed, **options)

    patch.setattr(records.DefaultRecordBatchBuilder, "append", append)


def test_dead_letters_of_a_topic_have_a_budget_and_what_is_beyond_it_waits(
    sole_consumer: MakeConsumer, producer: EventProducer, broker: Broker
) -> None:
    """A bad deploy does not empty a topic; nor does anybody's record end the process or hold up the others."""
    seen = Seen()

    def handle(event: Event) -> None:
        if event.data.fraction:
            raise InvalidMessage("a bad deploy")
        seen(event)

    options = {"dead_letters_at_once": 5, "dead_letter_pause_seconds": 600.0}
    with Running(sole_consumer(handle, **options)) as running:
        for job in jobs(50):
            producer.send(progress(job))
        for job in jobs(60)[50:]:
            producer.send(progress(job, 0.0))
        until(lambda: len(seen.events) == 10, "the good events behind them")
        letters = read_dead_letters(broker.bootstrap, PROGRESS, 5)
        assert not running.ended
    assert len(letters) == 5

    with Running(sole_consumer(seen)):
        until(lambda: len(set(seen.keys)) == 55, "those that waited, once they can be handled")


def test_good_events_of_another_topic_give_back_no_budget(broker: Broker, producer: EventProducer) -> None:
    seen = Seen()

    def refuse(event: Event) -> None:
        raise InvalidMessage("no")

    consumer = Consumer(
        broker.bootstrap,
        name="tests",
        group="test",
        sole=True,
        topics=[PROGRESS, UPLOADS],
        handlers={separation_pb2.SeparationProgress: seen, uploads_pb2.UploadCreated: refuse},
        dead_letters_at_once=2,
        dead_letter_pause_seconds=600.0,
    )
    with Running(consumer):
        for number, job in enumerate(jobs(6)):
            producer.send(OutgoingEvent(UPLOADS, numbered("upl", number), created(number)))
            producer.send(progress(job))
        until(lambda: len(seen.events) == 6, "the good events")
        until(lambda: len(consumer._backlog) == 4, "four refused ones to wait")


def created(number: int) -> uploads_pb2.UploadCreated:
    return uploads_pb2.UploadCreated(upload_id=numbered("upl", number), account_id=numbered("usr"))


def test_retry_later_lets_others_go_on_and_keeps_the_order_of_its_key(
    consumer: MakeConsumer, producer: EventProducer
) -> None:
    seen = Seen()
    refusals = iter([True, True])

    def handle(event: Event) -> None:
        if event.key == numbered("job", 1) and next(refusals, False):
            raise RetryLater(0.3)
        seen(event)

    with Running(consumer(handle)):
        for step in (0.1, 0.2):
            producer.send(progress(numbered("job", 1), step))
        for job in jobs(12)[2:]:
            producer.send(progress(job))
        until(lambda: len(seen.events) == 12, "all events")

    assert set(seen.keys[:10]) == set(jobs(12)[2:])
    assert [event.data.fraction for event in seen.events[10:]] == [0.1, 0.2]


def test_an_error_that_passes_is_tried_again_before_later_events_of_its_key(
    consumer: MakeConsumer, producer: EventProducer
) -> None:
    seen = Seen()
    failures = iter([LookupError("not yet"), OverflowError("not yet")])

    def handle(event: Event) -> None:
        if event.key == numbered("job", 1) and (failure := next(failures, None)):
            raise failure
        seen(event)

    with Running(consumer(handle, pause_seconds=0.05)):
        for step in (0.1, 0.2):
            producer.send(progress(numbered("job", 1), step))
        producer.send(progress(numbered("job", 2)))
        until(lambda: len(seen.events) == 3, "all events")

    assert [event.data.fraction for event in seen.events if event.key == numbered("job", 1)] == [0.1, 0.2]


def test_a_record_that_always_fails_is_a_dead_letter_and_ends_nothing(
    consumer: MakeConsumer, producer: EventProducer, broker: Broker
) -> None:
    seen = Seen()

    def handle(event: Event) -> None:
        if event.key == numbered("job", 1):
            raise LookupError("what the record held")
        seen(event)

    with Running(consumer(handle, tries=3, pause_seconds=0.02)) as running:
        for job in (1, 2, 1):
            producer.send(progress(numbered("job", job)))
        letters = read_dead_letters(broker.bootstrap, PROGRESS, 2)
        until(lambda: seen.keys == [numbered("job", 2)], "its neighbour")
        assert not running.ended

    assert [headers_of(letter)["dlq_reason"] for letter in letters] == ["its handler failed 3 times: LookupError"] * 2


def test_a_graceful_stop_finishes_the_record_in_hand_and_commits(
    group_consumer: MakeConsumer, producer: EventProducer
) -> None:
    entered, released, seen = threading.Event(), threading.Event(), Seen()

    def handle(event: Event) -> None:
        seen(event)
        entered.set()
        assert released.wait(PATIENCE_SECONDS)

    with Running(group_consumer(handle, grace_seconds=PATIENCE_SECONDS)) as running:
        for job in jobs(3):
            producer.send(progress(job))
        assert entered.wait(PATIENCE_SECONDS)
        running.stop.set()
        until(running.consumer._end_handling.is_set, "the stop to begin")
        released.set()
        running.end()
    first = len(seen.events)
    with Running(group_consumer(seen)):
        until(lambda: len(set(seen.keys)) == 3, "the rest")

    assert first == 1
    assert len(seen.events) == 3


def test_a_replay_from_the_start_is_the_same_events(broker: Broker, producer: EventProducer) -> None:
    for job in jobs(5):
        producer.send(progress(job))
    ids = []
    for group in ("one", "two"):
        seen = Seen()
        with Running(progress_consumer(broker, seen, group=group, sole=True)):
            until(partial(has, seen, 5), "all events")
        ids.append({event.id for event in seen.events})

    assert ids[0] == ids[1]


def test_a_slow_handler_loses_no_partitions(broker: Broker, producer: EventProducer) -> None:
    """Longer than the session and than the limit between polls: both go on beside the handler."""
    seen = Seen()

    def handle(event: Event) -> None:
        if not seen.events:
            time.sleep(5)
        seen(event)

    options = {"group": "test", "session_seconds": 2.0, "poll_limit_seconds": 3.0}
    with Running(progress_consumer(broker, handle, **options)) as running:
        for job in jobs(3):
            producer.send(progress(job))
        until(lambda: len(seen.events) == 3, "all events")
        assert running.consumer.is_ready

    assert sorted(seen.keys) == jobs(3)


def test_a_handler_that_hangs_ends_the_run_and_the_next_one_does_not_meet_its_record(
    sole_consumer: MakeConsumer, producer: EventProducer, broker: Broker
) -> None:
    release = threading.Event()

    def hang(event: Event) -> None:
        release.wait(20)

    with Running(sole_consumer(hang, handler_limit_seconds=0.5, grace_seconds=0.5)) as running:
        producer.send(progress(numbered("job", 1)))
        until(lambda: running.ended, "the consumer to end", 20)

    assert isinstance(running.fault, Stalled)
    [letter] = read_dead_letters(broker.bootstrap, PROGRESS, 1)
    assert headers_of(letter)["dlq_reason"] == "its handler did not return"
    seen = Seen()
    with Running(sole_consumer(seen)):
        producer.send(progress(numbered("job", 2)))
        until(lambda: seen.keys == [numbered("job", 2)], "the next process to go on behind it")
    release.set()


def test_members_of_a_group_share_the_events(broker: Broker, producer: EventProducer) -> None:
    first, second = Seen(), Seen()
    with (
        Running(progress_consumer(broker, first, group="test", name="one", session_seconds=2.0)),
        Running(progress_consumer(broker, second, group="test", name="two", session_seconds=2.0)),
    ):
        sent = 0

        def both_work() -> bool:
            nonlocal sent
            producer.send(progress(numbered("job", sent)))
            sent += 1
            return bool(first.events and second.events)

        until(both_work, "both members to get something", 60)
        until(lambda: len({*first.keys, *second.keys}) == sent, "every event")


def test_a_worker_reads_its_own_partition_of_the_assignments(broker: Broker, producer: EventProducer) -> None:
    workers = [numbered("wrk", 1), numbered("wrk", 2), numbered("wrk", 3), numbered("wrk", 4), numbered("wrk", 5)]
    mine = assignments_partition(numbered("wrk", 1))
    seen = Seen()
    consumer = Consumer(
        broker.bootstrap,
        name="worker",
        group=None,
        topics=[ASSIGNMENTS],
        assignments={ASSIGNMENTS: [mine]},
        handlers={separation_pb2.SeparationAssigned: seen},
    )
    with Running(consumer):
        for worker in [*workers[1:], workers[0]]:
            assigned = sample(separation_pb2.SeparationAssigned)
            assigned.worker_id = worker
            producer.send(OutgoingEvent(ASSIGNMENTS, worker, assigned, partition=assignments_partition(worker)))
        until(lambda: numbered("wrk", 1) in seen.keys, "the assignment")

    assert {event.partition for event in seen.events} == {mine}


def test_a_full_backlog_pauses_and_everything_is_still_handled(
    consumer: MakeConsumer, producer: EventProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More in one partition than one poll brings, so that the client holds records of paused partitions."""
    monkeypatch.setattr("services.kit.events.backlog.FULL_RECORDS", 100)
    seen, go = Seen(), threading.Event()

    def handle(event: Event) -> None:
        go.wait(20)
        seen(event)

    with Running(consumer(handle)):
        failures = producer.send_records([encode(progress(job)) for job in jobs(3000)], 60)
        assert failures == [None] * 3000
        go.set()
        until(lambda: len(seen.events) == 3000, "all events")

    assert sorted(seen.keys) == sorted(jobs(3000))


def test_records_that_wait_in_the_log_are_all_read(broker: Broker, producer: EventProducer) -> None:
    producer.send_records([encode(progress(job)) for job in jobs(3000)], 60)
    seen = Seen()
    with Running(progress_consumer(broker, seen, group="test", sole=True)):
        until(lambda: len(seen.events) == 3000, "all events")
