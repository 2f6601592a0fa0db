"""Which records become dead letters, on the real broker."""

from typing import Any

import pytest

from services.kit.events.codec import Event, OutgoingEvent, Record, encode
from services.kit.events.consumer import Consumer
from services.kit.events.errors import InvalidMessage
from services.kit.events.producer import EventProducer
from services.kit.events.topics import PROGRESS, UPLOADS
from services.kit.protos import separation_pb2, uploads_pb2
from tests.broker import Broker
from tests.ids import numbered
from tests.services.kit.events.conftest import MakeConsumer
from tests.services.kit.events.consuming import (
    Running,
    Seen,
    created,
    headers_of,
    jobs,
    progress,
    read_dead_letters,
    until,
    write_raw,
)

pytestmark = pytest.mark.kafka


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
        (letter,) = read_dead_letters(broker.brokers, PROGRESS, 1)

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
        write_raw(broker.brokers, *garbage)
        producer.send(progress(numbered("job", 72)))
        until(lambda: seen.keys == [numbered("job", 72)], "the good event")
        letters = read_dead_letters(broker.brokers, PROGRESS, len(garbage))

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
                broker.brokers,
                Record(PROGRESS.name, numbered("job", 1).encode(), b"x", [("broken", b"")], partition=0),
            )
        for job in jobs(20):
            producer.send(progress(job))
        until(lambda: len(seen.events) >= 20, "the events after it")
        (letter,) = read_dead_letters(broker.brokers, PROGRESS, 1)

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

    options = {"dead_letter_burst": 5, "dead_letter_interval_seconds": 600.0}
    with Running(sole_consumer(handle, **options)) as running:
        for job in jobs(50):
            producer.send(progress(job))
        for job in jobs(60)[50:]:
            producer.send(progress(job, 0.0))
        until(lambda: len(seen.events) == 10, "the good events behind them")
        letters = read_dead_letters(broker.brokers, PROGRESS, 5)
        assert not running.ended
    assert len(letters) == 5

    with Running(sole_consumer(seen)):
        until(lambda: len(set(seen.keys)) == 55, "those that waited, once they can be handled")


def test_good_events_of_another_topic_give_back_no_budget(broker: Broker, producer: EventProducer) -> None:
    seen = Seen()

    def refuse(event: Event) -> None:
        raise InvalidMessage("no")

    consumer = Consumer(
        broker.brokers,
        name="tests",
        group="test",
        sole=True,
        topics=[PROGRESS, UPLOADS],
        handlers={separation_pb2.SeparationProgress: seen, uploads_pb2.UploadCreated: refuse},
        dead_letter_burst=2,
        dead_letter_interval_seconds=600.0,
    )
    with Running(consumer):
        for number, job in enumerate(jobs(6)):
            producer.send(OutgoingEvent(UPLOADS, numbered("upl", number), created(number)))
            producer.send(progress(job))
        until(lambda: len(seen.events) == 6, "the good events")
        until(lambda: len(consumer._backlog) == 4, "four refused ones to wait")


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
        letters = read_dead_letters(broker.brokers, PROGRESS, 2)
        until(lambda: seen.keys == [numbered("job", 2)], "its neighbour")
        assert not running.ended

    assert [headers_of(letter)["dlq_reason"] for letter in letters] == ["its handler failed 3 times: LookupError"] * 2
