"""Topics of the event log that belong to one partner each."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import GroupAuthorizationFailedError, KafkaError
from pydantic import SecretStr
from sqlalchemy import update

from services.kit.errors import Unavailable
from services.kit.events.admin import NOTHING
from services.kit.events.brokers import Brokers
from services.kit.events.codec import Record
from services.kit.events.connection import connect
from services.kit.events.producer import EventProducer
from services.kit.events.rights import grants, grants_of_partner_topics
from services.notifier.event_topics import asyncapi
from services.notifier.event_topics.brokers import KafkaPartners, PartnersBrokers
from services.notifier.event_topics.publisher import TopicPublisher
from services.notifier.event_topics.service import EventTopics
from services.notifier.events.models import PublicEvent
from services.notifier.settings import Settings
from tests.apache_kafka import ApacheKafka, rights_of
from tests.broker import PATIENCE_SECONDS
from tests.databases import on_sqlite
from tests.ids import numbered
from tests.services.kit.events.consuming import until
from tests.services.notifier.conftest import ADA, BOB, Notifier, job_event

JOB = numbered("job", 1)
EXAMPLE = Path(__file__).parents[3] / "examples" / "partner_topic.py"


class Log:
    """Takes records, unless a topic is told not to be there."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.missing: set[str] = set()

    def send_records(self, records: Sequence[Record]) -> list[Exception | None]:
        outcomes: list[Exception | None] = []
        for record in records:
            if record.topic in self.missing:
                outcomes.append(OSError("is not there"))
            else:
                self.records.append(record)
                outcomes.append(None)
        return outcomes


def publisher_of(notifier: Notifier, log: Any, brokers: PartnersBrokers | None = None) -> TopicPublisher:
    producer = cast("EventProducer", log)
    return TopicPublisher(notifier.database, producer, brokers or notifier.brokers, look_seconds=60)


def test_a_topic_is_made_once_shown_without_its_password_and_removed(notifier: Notifier) -> None:
    made = notifier.call("POST", "/v1/event-topics", status=201)
    assert made["topic"] == f"partners.{ADA}.v1"
    assert (made["username"], made["group_prefix"], made["password"]) == (ADA, f"{ADA}.", "password 1")
    assert notifier.call("POST", "/v1/event-topics", status=409)["code"] == "event_topic_exists"
    [shown] = notifier.get("/v1/event-topics")["items"]
    assert shown == {name: value for name, value in made.items() if name != "password"}
    assert notifier.get("/v1/event-topics", BOB)["items"] == []
    for token in (BOB, f"{ADA}:events", f"{ADA}:user"):
        status = 404 if token == BOB else 403
        notifier.call("DELETE", f"/v1/event-topics/{made['id']}", token, status=status)

    notifier.call("DELETE", f"/v1/event-topics/{made['id']}", status=204)
    assert notifier.get("/v1/event-topics")["items"] == []
    notifier.call("DELETE", f"/v1/event-topics/{made['id']}", status=404)
    assert notifier.call("POST", "/v1/event-topics", status=409)["code"] == "event_topic_exists"
    publisher_of(notifier, Log()).look()
    assert notifier.brokers.topics == set()
    assert notifier.call("POST", "/v1/event-topics", status=201)["password"] == "password 2"


def test_it_has_the_events_of_its_account_from_then_on_as_they_are_in_the_feed(notifier: Notifier) -> None:
    notifier.hear(job_event("queued", JOB))
    notifier.call("POST", "/v1/event-topics", status=201)
    notifier.hear(job_event("started", JOB), job_event("queued", numbered("job", 2), account_id=BOB))
    notifier.hear(job_event("succeeded", JOB))
    log = Log()
    publisher = publisher_of(notifier, log)
    publisher.look()
    publisher.look()

    assert [json.loads(record.value) for record in log.records] == notifier.feed(after=1)
    assert {record.topic for record in log.records} == {f"partners.{ADA}.v1"}
    headers = {name: value.decode() for name, value in log.records[0].headers}
    assert (headers["ce_type"], headers["ce_subject"], headers["ce_sequence"]) == ("job.started", JOB, "2")
    assert notifier.get("/v1/event-topics")["items"][0]["published_sequence"] == 3


@on_sqlite
def test_a_topic_that_is_not_there_keeps_no_other_waiting_and_misses_nothing(notifier: Notifier) -> None:
    for account in (ADA, BOB):
        notifier.call("POST", "/v1/event-topics", account, status=201)
    notifier.hear(job_event("queued", JOB), job_event("queued", numbered("job", 2), account_id=BOB))
    log = Log()
    log.missing = {f"partners.{ADA}.v1"}
    publisher_of(notifier, log).look()
    assert [record.topic for record in log.records] == [f"partners.{BOB}.v1"]
    log.missing.clear()
    publisher_of(notifier, log).look()  # another process: the first one leaves it alone for a while
    assert [record.topic for record in log.records][1:] == [f"partners.{ADA}.v1"]


@on_sqlite
def test_an_event_that_cannot_be_written_stops_no_topic_but_its_own(notifier: Notifier) -> None:
    for account in (ADA, BOB):
        notifier.call("POST", "/v1/event-topics", account, status=201)
    notifier.hear(job_event("queued", JOB), job_event("queued", numbered("job", 2), account_id=BOB))
    with notifier.database.write() as session:
        session.execute(update(PublicEvent).where(PublicEvent.account_id == ADA).values(type="job.foreseen"))
    log = Log()
    publisher_of(notifier, log).look()
    assert [record.topic for record in log.records] == [f"partners.{BOB}.v1"]


@on_sqlite
def test_brokers_that_are_away_are_503_and_removing_is_tried_again(notifier: Notifier) -> None:
    notifier.brokers.away = True
    assert notifier.call("POST", "/v1/event-topics", status=503)["code"] == "unavailable"
    notifier.brokers.away = False
    made = notifier.call("POST", "/v1/event-topics", status=201)
    notifier.call("DELETE", f"/v1/event-topics/{made['id']}", status=204)
    notifier.brokers.away = True
    publisher_of(notifier, Log()).look()
    notifier.brokers.away = False
    publisher_of(notifier, Log()).look()
    assert notifier.brokers.topics == set()


@on_sqlite
def test_where_they_are_not_offered_none_is_made(notifier: Notifier) -> None:
    refused = EventTopics(notifier.database, Settings(partner_topics=False), notifier.brokers)
    notifier.client.app.state.event_topics = refused  # type: ignore[attr-defined]
    assert notifier.call("POST", "/v1/event-topics", status=403)["code"] == "event_topics_not_offered"
    assert notifier.brokers.made == 0


def test_the_asyncapi_document_is_what_is_written(notifier: Notifier) -> None:
    assert asyncapi.DOCUMENT.read_text(encoding="utf-8") == asyncapi.render()
    notifier.call("POST", "/v1/event-topics", status=201)
    notifier.hear(job_event("queued", JOB))
    log = Log()
    publisher_of(notifier, log).look()
    [record] = log.records
    components = asyncapi.document()["components"]
    jsonschema.validate(json.loads(record.value), components["schemas"]["Event"])
    headers = {name: value.decode() for name, value in record.headers}
    jsonschema.validate(headers, components["messages"]["event"]["headers"])


# On Apache Kafka


@contextmanager
def reading(brokers: Brokers, topic: str, **options: Any) -> Iterator[Any]:
    """A partner's own program."""
    client = connect(
        KafkaConsumer, brokers, "partner", auto_offset_reset="earliest", enable_auto_commit=False, **options
    )
    try:
        client.subscribe([topic])
        yield client
    finally:
        client.close()


class Administration:
    """Brokers' administration that answers refusals, as they do, without raising them."""

    def __init__(self, *, password: str | None = None, rights: type[KafkaError] | None = None) -> None:
        self._password = password
        self._rights = rights

    def create_topics(self, _topics: Any) -> None:
        """Takes them."""

    def create_acls(self, _rights: Any) -> dict[str, list[Any]]:
        return {"succeeded": [], "failed": [self._rights] if self._rights else []}

    def alter_user_scram_credentials(self, changes: Sequence[Any]) -> dict[str, str | None]:
        assert len({change.user for change in changes}) == len(changes)
        return {change.user: self._password for change in changes}

    def close(self) -> None:
        """Has nothing open."""


@pytest.mark.parametrize("refusal", [{"password": "not this one"}, {"rights": GroupAuthorizationFailedError}])
def test_what_brokers_refuse_without_raising_it_shows_nobody_a_password(
    monkeypatch: pytest.MonkeyPatch, refusal: dict[str, Any]
) -> None:
    partners = KafkaPartners(Brokers("127.0.0.1:9092"))
    monkeypatch.setattr("services.notifier.event_topics.brokers.connect", lambda *_: Administration())
    assert partners.make(ADA)
    monkeypatch.setattr("services.notifier.event_topics.brokers.connect", lambda *_: Administration(**refusal))
    with pytest.raises(Unavailable):
        partners.make(ADA)


@on_sqlite
@pytest.mark.apache_kafka
@pytest.mark.usefixtures("patient_clients")
def test_a_partner_reads_its_own_topic_and_nothing_else(
    notifier: Notifier, apache_kafka: ApacheKafka, tmp_path: Path
) -> None:
    everything = apache_kafka.open()
    user = everything.named("notifier")
    listed = (*grants("notifier", everything), *grants_of_partner_topics(everything))
    apache_kafka.add_user(everything, user, *rights_of(listed))
    inside = apache_kafka.signing_in(user, everything)
    partners = KafkaPartners(inside)
    passwords = {account: partners.make(account) for account in (ADA, BOB)}
    for account in (ADA, BOB):
        notifier.call("POST", "/v1/event-topics", account, status=201)
    notifier.hear(job_event("queued", JOB), job_event("started", JOB))
    notifier.hear(job_event("queued", numbered("job", 2), account_id=BOB))
    with EventProducer(inside, "notifier", NOTHING, timeout_seconds=PATIENCE_SECONDS) as producer:
        publisher_of(notifier, producer, partners).look()

    own, other = (inside.named(f"partners.{account}.v1") for account in (ADA, BOB))
    ada = replace(apache_kafka.signing_in(ADA, inside), password=SecretStr(passwords[ADA]))
    heard: list[Any] = []
    with reading(ada, own, group_id=f"{ADA}.worker") as client:

        def came() -> bool:
            # Until something comes: what `keep_joining` of ours is there for happens to whoever polls for moments.
            for records in client.poll(timeout_ms=int(PATIENCE_SECONDS * 1000)).values():
                heard.extend(records)
            return len(heard) >= 2

        until(came, "two events")
        client.commit()
    assert [json.loads(record.value) for record in heard] == notifier.feed()

    with reading(ada, own, group_id=f"{BOB}.worker") as client, pytest.raises(GroupAuthorizationFailedError):
        until(lambda: client.poll(timeout_ms=200), "a refusal")
    with connected(replace(ada, sasl_mechanism="SCRAM-SHA-512")) as client:
        assert client.partitions_for_topic(own) == {0}
    with connected(ada) as client:
        assert client.partitions_for_topic(own) == {0}
        assert not client.partitions_for_topic(other)
        client.assign([TopicPartition(other, 0)])
        with pytest.raises(KafkaError):
            client.beginning_offsets([TopicPartition(other, 0)])

    printed = subprocess.Popen(
        [sys.executable, str(EXAMPLE), str(answer_of(tmp_path, ada, own)), str(apache_kafka.certificate)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert printed.stdout is not None
        lines = [printed.stdout.readline().split()[:2] for _ in range(2)]
    finally:
        printed.kill()
        printed.communicate()
    assert lines == [["1", "job.queued"], ["2", "job.started"]]

    partners.remove(ADA)
    with apache_kafka.administration(everything) as admin:
        until(lambda: own not in admin.list_topics(), "the topic to go")
        assert not admin.describe_user_scram_credentials([ADA])[ADA]["credential_infos"]
        assert other in admin.list_topics()
    partners.remove(ADA)


@contextmanager
def connected(brokers: Brokers) -> Iterator[Any]:
    client = connect(KafkaConsumer, brokers, "partner", enable_auto_commit=False)
    try:
        yield client
    finally:
        client.close()


def answer_of(folder: Path, brokers: Brokers, topic: str) -> Path:
    """What `POST /v1/event-topics` answers, as the example reads it."""
    answer = {
        "topic": topic,
        "bootstrap_servers": brokers.addresses,
        "username": brokers.username,
        "password": brokers.password.get_secret_value(),
        "group_prefix": f"{brokers.username}.",
    }
    file = folder / "topic.json"
    file.write_text(json.dumps(answer), encoding="utf-8")
    return file
