"""What the consumer promises, on the real broker, in each of its three ways to read."""

import threading
import time
from functools import partial

import pytest
from prometheus_client import REGISTRY

from services.kit.events.brokers import Brokers
from services.kit.events.codec import Event, OutgoingEvent, encode
from services.kit.events.consumer import Consumer, Stalled
from services.kit.events.errors import RetryLater
from services.kit.events.producer import EventProducer
from services.kit.events.reader import LAG
from services.kit.events.topics import ASSIGNMENTS, PROGRESS, UPLOADS, assignments_partition
from services.kit.protos import separation_pb2, uploads_pb2
from services.kit.telemetry import current_traceparent, span
from tests.broker import PATIENCE_SECONDS, Broker
from tests.ids import numbered
from tests.messages import sample
from tests.services.kit.events.conftest import MakeConsumer
from tests.services.kit.events.consuming import (
    Running,
    Seen,
    created,
    has,
    headers_of,
    jobs,
    progress,
    progress_consumer,
    read_dead_letters,
    until,
)

pytestmark = pytest.mark.kafka


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
        broker.brokers,
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
        Consumer(Brokers("x"), name="t", group=None, topics=[PROGRESS], handlers={uploads_pb2.UploadReady: Seen()})


def test_retry_later_lets_others_go_on_and_keeps_the_order_of_its_key(
    consumer: MakeConsumer, producer: EventProducer
) -> None:
    seen = Seen()

    def handle(event: Event) -> None:
        if event.key == numbered("job", 1) and len(seen.events) < 10:
            raise RetryLater(0.05)
        seen(event)

    with Running(consumer(handle)):
        for step in (0.1, 0.2):
            producer.send(progress(numbered("job", 1), step))
        for job in jobs(12)[2:]:
            producer.send(progress(job))
        until(lambda: len(seen.events) == 12, "all events")

    assert set(seen.keys[:10]) == set(jobs(12)[2:])
    assert [event.data.fraction for event in seen.events[10:]] == [0.1, 0.2]


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


@pytest.mark.slow
def test_a_slow_handler_loses_no_partitions(broker: Broker, producer: EventProducer) -> None:
    """Longer than the session and than the limit between polls: both go on beside the handler."""
    seen = Seen()

    def handle(event: Event) -> None:
        if not seen.events:
            time.sleep(12)
        seen(event)

    options = {"group": "test", "session_seconds": 10.0, "poll_limit_seconds": 10.0}
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
        release.wait(PATIENCE_SECONDS)

    with Running(sole_consumer(hang, handler_limit_seconds=0.5, grace_seconds=0.5)) as running:
        producer.send(progress(numbered("job", 1)))
        until(lambda: running.ended, "the consumer to end")
    # What it has committed by then counts, and its poller may be slow to commit.
    until(lambda: "tests-poll" not in {thread.name for thread in threading.enumerate()}, "its poller to end")

    assert isinstance(running.fault, Stalled)
    [letter] = read_dead_letters(broker.brokers, PROGRESS, 1)
    assert headers_of(letter)["dlq_reason"] == "its handler did not return"
    seen = Seen()
    with Running(sole_consumer(seen)):
        producer.send(progress(numbered("job", 2)))
        until(lambda: seen.keys == [numbered("job", 2)], "the next process to go on behind it")
    release.set()


def test_members_of_a_group_share_the_events(broker: Broker, producer: EventProducer) -> None:
    first, second = Seen(), Seen()
    with (
        Running(progress_consumer(broker, first, group="test", name="one", session_seconds=6.0)),
        Running(progress_consumer(broker, second, group="test", name="two", session_seconds=6.0)),
    ):
        sent = 0

        def both_work() -> bool:
            nonlocal sent
            producer.send(progress(numbered("job", sent)))
            sent += 1
            return bool(first.events and second.events)

        until(both_work, "both members to get something")
        until(lambda: len({*first.keys, *second.keys}) == sent, "every event")


def test_a_worker_reads_its_own_partition_of_the_assignments(broker: Broker, producer: EventProducer) -> None:
    workers = [numbered("wrk", 1), numbered("wrk", 2), numbered("wrk", 3), numbered("wrk", 4), numbered("wrk", 5)]
    mine = assignments_partition(numbered("wrk", 1))
    seen = Seen()
    consumer = Consumer(
        broker.brokers,
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
        go.wait(PATIENCE_SECONDS)
        seen(event)

    with Running(consumer(handle)):
        failures = producer.send_records([encode(progress(job)) for job in jobs(3000)])
        assert failures == [None] * 3000
        go.set()
        until(lambda: len(seen.events) == 3000, "all events")

    assert sorted(seen.keys) == sorted(jobs(3000))


def test_records_that_wait_in_the_log_are_all_read(broker: Broker, producer: EventProducer) -> None:
    producer.send_records([encode(progress(job)) for job in jobs(3000)])
    seen = Seen()
    with Running(progress_consumer(broker, seen, group="test", sole=True)):
        until(lambda: len(seen.events) == 3000, "all events")


def test_how_far_behind_it_is_can_be_read_while_it_is_connected(broker: Broker, producer: EventProducer) -> None:
    go, name = threading.Event(), "lagging"

    def lag() -> float | None:
        return REGISTRY.get_sample_value(LAG._name, {"consumer": name, "topic": PROGRESS.name})

    def handle(_event: Event) -> None:
        go.wait(PATIENCE_SECONDS)

    with Running(progress_consumer(broker, handle, name=name, group=name, sole=True)):
        for step in range(3):
            producer.send(progress(numbered("job", 1), step / 3))
        until(lambda: lag() == 3, "three records that are not handled")
        go.set()
        until(lambda: lag() == 0, "nothing more to do")
    assert lag() is None
