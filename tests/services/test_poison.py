"""Records that nobody means, on every topic that a service reads, over a real broker: none stops it or others."""

import json
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from google.protobuf.message import Message

from services.accounts.accounts import Accounts
from services.accounts.consumers import job_consumer
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings as AccountsSettings
from services.gateway.consumers import news_consumer
from services.gateway.hub import Hub
from services.kit.erasures import Eraser
from services.kit.events.codec import Draft, OutgoingEvent, Record, decode, encode
from services.kit.events.consumer import HANDLED, Consumer
from services.kit.events.errors import InvalidMessage
from services.kit.events.topics import ASSIGNMENTS, JOBS_EVENTS, TOPICS, Topic, assignments_partition
from services.orchestrator.consumers import Handlers
from services.orchestrator.jobs.lifecycle import Lifecycle
from services.orchestrator.settings import Settings as OrchestratorSettings
from services.orchestrator.signals import Signals
from services.orchestrator.workers.heartbeats import HeartbeatMonitor
from services.upload.consumers import upload_consumer
from services.upload.settings import Settings as UploadSettings
from services.upload.signals import WorkSignal
from services.worker.consumers import assignments_consumer
from services.worker.service import WorkerService
from tests.broker import Broker
from tests.databases import MakeDatabase
from tests.ids import numbered
from tests.messages import ACCOUNT, JOB, SAMPLES, UPLOAD, WORKER, extremes_of, fields_of, with_value
from tests.services.kit.events.consuming import Running, read_dead_letters, until, write_raw

pytestmark = pytest.mark.kafka

PUBLIC_JOB = {
    "id": JOB,
    "upload_id": UPLOAD,
    "account_id": ACCOUNT,
    "mode": "full",
    "status": "succeeded",
    "attempt": 1,
    "price_credits": 2,
    "created_at": "2026-01-01T00:00:00Z",
}
NONSENSE: tuple[object, ...] = (
    *(None, "", "x" * 5000, numbered("usr", 99), "\ud800", "9999-12-31T23:59:59-23:59"),
    *(-1, 1e300, 10**30, [], {}),
)
TOPIC_OF: dict[type[Message], Topic] = {kind: topic for topic in TOPICS for kind in topic.messages}


def orchestrator(broker: Broker, make_database: MakeDatabase) -> Consumer:
    settings = OrchestratorSettings(kafka_bootstrap_servers=broker.bootstrap, kafka_sole_consumers=True)
    signals = Signals()
    database = make_database("orchestrator")
    handlers = Handlers(database, Lifecycle(settings, signals), signals, HeartbeatMonitor(30.0))
    return handlers.consumer(settings, Eraser(database, lambda _account_id: True))


def accounts(broker: Broker, make_database: MakeDatabase) -> Consumer:
    settings = AccountsSettings(kafka_bootstrap_servers=broker.bootstrap, kafka_sole_consumers=True)
    return job_consumer(settings, Accounts.build(settings, make_database("accounts"), SigningKeys.generate()))


def upload(broker: Broker, make_database: MakeDatabase) -> Consumer:
    settings = UploadSettings(kafka_bootstrap_servers=broker.bootstrap, kafka_sole_consumers=True)
    database = make_database("upload")
    return upload_consumer(settings, database, Eraser(database, lambda _account_id: True), WorkSignal())


def worker(broker: Broker) -> Consumer:
    return assignments_consumer(broker.brokers, WorkerService(worker_id=WORKER, slots=1))


def gateway(broker: Broker) -> Consumer:
    return news_consumer(broker.brokers, Hub())


def good(message: Message) -> Record:
    topic = TOPIC_OF[type(message)]
    partition = assignments_partition(WORKER) if topic is ASSIGNMENTS else None
    return encode(OutgoingEvent(topic, getattr(message, topic.messages[type(message)]), message, partition=partition))


def good_public() -> Record:
    return encode(OutgoingEvent(JOBS_EVENTS, ACCOUNT, {"job": PUBLIC_JOB}, type="job.succeeded"))


def with_header(record: Record, name: str, value: bytes) -> list[tuple[str, bytes]]:
    return [(other, value if other == name else content) for other, content in record.headers]


def garbled(record: Record) -> Iterator[Record]:
    """The same record with something wrong around its message."""
    for value in (b"", b"\xff\xff\xff", b"\0" * 100, b"x" * 900_000, b"[" * 5000):
        yield Record(record.topic, record.key, value, record.headers, record.partition)
    for key in (b"", b"\xff", b"x" * 5000, b"../x"):
        yield Record(record.topic, key, record.value, record.headers, record.partition)
    for name, value in (
        ("ce_time", b"9999-12-31T23:59:59-23:59"),
        ("ce_time", b"0001-01-01T00:00:00+23:59"),
        ("ce_id", b"\xff"),
        ("ce_type", b"evil.v1.Thing"),
        ("ce_specversion", b"2.0"),
        ("content-type", b"text/html"),
    ):
        yield Record(record.topic, record.key, record.value, with_header(record, name, value), record.partition)
    yield Record(record.topic, record.key, record.value, [], record.partition)


def spoiled(message: Message) -> Iterator[Record]:
    """Well-formed records whose message says what nobody means."""
    original, topic = good(message), TOPIC_OF[type(message)]
    for path, field in fields_of(message):
        for extreme in extremes_of(field):
            bad = with_value(message, path, extreme)
            key = str(getattr(bad, topic.messages[type(message)])).encode() or b"none"
            value = bad.SerializeToString()
            yield Record(original.topic, key, value, original.headers, original.partition)


def spoiled_public(record: Record) -> Iterator[Record]:
    for name in PUBLIC_JOB:
        for value in NONSENSE:
            content = json.dumps({"job": {**PUBLIC_JOB, name: value}}).encode()
            yield Record(record.topic, record.key, content, record.headers)
    for text in ('{"job": NaN}', '{"job": 1e999}', '{"job":' * 2000, "[]", '{"job": {"id": 1}, "job": {}}'):
        yield Record(record.topic, record.key, text.encode(), record.headers)


def is_malformed(record: Record, consumer: Consumer) -> bool:
    try:
        decode(Draft(record), consumer._handlers.keys())
    except InvalidMessage:
        return True
    return False


def handled(consumer: str, topic: Topic) -> float:
    return float(HANDLED.labels(consumer, topic.name, "handled")._value.get())


@pytest.mark.parametrize("service", [orchestrator, accounts, upload])
def test_no_record_stops_a_service_or_its_neighbours(
    service: Callable[[Broker, MakeDatabase], Consumer], broker: Broker, make_database: MakeDatabase
) -> None:
    survives(service(broker, make_database), broker)


@pytest.mark.parametrize("service", [worker, gateway])
def test_no_record_stops_what_has_no_database(service: Callable[[Broker], Consumer], broker: Broker) -> None:
    survives(service(broker), broker)


def survives(consumer: Consumer, broker: Broker) -> None:
    read = [topic for topic in TOPICS if topic.name in consumer._reader._topics]
    messages = [message for message in SAMPLES if TOPIC_OF[type(message)] in read]
    originals = [good(message) for message in messages]
    poison = [record for message in messages for record in (*garbled(good(message)), *spoiled(message))]
    if JOBS_EVENTS in read:
        originals.append(good_public())
        poison += [*garbled(good_public()), *spoiled_public(good_public())]
    malformed = Counter(record.topic for record in poison if is_malformed(record, consumer))
    before = {topic: handled(consumer.name, topic) for topic in read}

    with Running(consumer) as running:
        write_raw(broker.brokers, *poison, *originals)
        for topic in read:
            assert malformed[topic.name] > 20
            read_dead_letters(broker.brokers, topic, malformed[topic.name])
        until(lambda: all(handled(consumer.name, topic) > before[topic] for topic in read), "the neighbours")
        until(lambda: len(consumer._backlog) == 0, "every record")
        assert not running.ended, running.fault
