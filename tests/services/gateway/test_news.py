"""Event streams fed by the real broker, and without it."""

import gc
from collections.abc import Iterator
from itertools import count

import pytest

from services.kit.events.codec import OutgoingEvent, encode
from services.kit.events.connection import connect
from services.kit.events.producer import EventProducer
from services.kit.events.topics import JOBS_EVENTS, PROGRESS
from services.kit.protos import separation_pb2
from tests.broker import PATIENCE_SECONDS, Broker
from tests.ids import numbered
from tests.services.gateway.standin import eventually, platform
from tests.services.gateway.watching import Job, watched

# kafka-python leaves the sockets of a broker that died to the garbage collector.
pytestmark = [pytest.mark.kafka, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]


@pytest.fixture(autouse=True)
def _sockets_are_collected_here() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def producer(broker: Broker, patient_clients: None) -> Iterator[EventProducer]:
    with EventProducer(broker.brokers, "test", timeout_seconds=PATIENCE_SECONDS) as running:
        yield running


def progress(fraction: float, *, attempt: int = 1, job_id: str = numbered("job", 1)) -> OutgoingEvent:
    message = separation_pb2.SeparationProgress(
        worker_id=numbered("wrk", 1),
        job_id=job_id,
        attempt=attempt,
        stage="separating",
        fraction=fraction,
        account_id=numbered("usr"),
    )
    return OutgoingEvent(PROGRESS, job_id, message)


def status_changed(job: Job) -> OutgoingEvent:
    now = "2026-01-01T00:00:00Z"
    content = {
        "id": numbered("job", 1),
        "upload_id": numbered("upl", 1),
        "account_id": numbered("usr"),
        "mode": "full",
        "status": job.status,
        "attempt": job.attempt,
        "price_credits": 1,
        "created_at": now,
    }
    return OutgoingEvent(
        JOBS_EVENTS, numbered("usr"), {"job": content}, type=f"job.{job.status}", subject=numbered("job", 1)
    )


def test_news_of_the_event_log_reach_the_stream(broker: Broker, producer: EventProducer) -> None:
    # Asking by itself is switched off: whatever comes, comes from the broker.
    with platform(brokers=broker.brokers, stream_poll_seconds=600) as gateway:
        job = Job()
        job.attempt = 1
        job.move("queued")
        with watched(gateway, job) as reader:
            eventually(lambda: reader.statuses() == ["queued"])
            producer.send(progress(0.1, job_id=numbered("job", 2)))
            for number in range(1, 6):
                producer.send(progress(number / 10))
                eventually(lambda last=number / 10: reader.fractions()[-1:] == [last])  # type: ignore[misc]
            job.move("succeeded")
            producer.send(status_changed(job))
            reader.wait_for_end()
        assert reader.fractions() == [0.1, 0.2, 0.3, 0.4, 0.5]
        assert reader.statuses() == ["queued", "succeeded"]
        eventually(lambda: gateway.hub.jobs == 0)


def test_bad_records_stop_no_news(broker: Broker, producer: EventProducer) -> None:
    from kafka import KafkaProducer

    with platform(brokers=broker.brokers, stream_poll_seconds=600) as gateway:
        raw = connect(KafkaProducer, broker.brokers, "tests")
        for number in range(30):
            raw.send(PROGRESS.name, b"nonsense %d" % number, partition=0)
        raw.flush(PATIENCE_SECONDS)
        raw.close()
        job = Job()
        job.move("queued")
        with watched(gateway, job) as reader:
            eventually(lambda: reader.statuses() == ["queued"])
            job.move("canceled")
            producer.send(status_changed(job))
            reader.wait_for_end()


def test_a_broker_that_restarts_empty_ends_no_stream(broker: Broker) -> None:
    with platform(brokers=broker.brokers, stream_poll_seconds=600) as gateway:
        job = Job()
        job.attempt = 1
        job.move("queued")
        with watched(gateway, job) as reader:
            eventually(lambda: reader.statuses() == ["queued"])
            broker.restart_empty()
            with EventProducer(broker.brokers, "test") as producer:
                # Progress is repeated by nature; each report may be the first that is heard again.
                reports = count(1)

                def hears_progress() -> bool:
                    producer.send_records([encode(progress(next(reports) / 10_000))])
                    return bool(reader.fractions())

                eventually(hears_progress)
                job.move("succeeded")

                def hears_the_end() -> bool:
                    # Each topic is found again by itself: what comes before that is not heard.
                    producer.send_records([encode(status_changed(job))])
                    return reader.ended.is_set()

                eventually(hears_the_end)
                reader.wait_for_end()


def test_without_a_broker_streams_still_end(broker: Broker) -> None:
    with platform(brokers=broker.brokers, stream_poll_seconds=0.2) as gateway:
        broker.kill()
        job = Job()
        job.attempt = 1
        job.move("queued")
        with watched(gateway, job) as reader:
            job.progress = {"stage": "separating", "fraction": 0.5}
            job.move("running")
            eventually(lambda: reader.fractions() == [0.5])
            job.move("succeeded")
            reader.wait_for_end()
        assert reader.statuses()[-1] == "succeeded"
