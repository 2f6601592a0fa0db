"""The kit's clients on Apache Kafka itself: what the broker of one machine cannot show."""

import base64
import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import jwt
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ACLOperation, ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic, ResourceType
from pydantic import SecretStr

from services.kit.errors import Unavailable
from services.kit.events import kafka_python, topic_plan
from services.kit.events.admin import EVERY_TOPIC, TopicsMissing, as_made, ensure_topics, reading, writing
from services.kit.events.brokers import Brokers
from services.kit.events.codec import OutgoingEvent, encode
from services.kit.events.connection import BrokerRefuses, connect
from services.kit.events.consumer import Consumer
from services.kit.events.dead_letter_box import DeadLetter, DeadLetterBox
from services.kit.events.errors import InvalidMessage
from services.kit.events.producer import EventProducer
from services.kit.events.rights import grants, writes_of
from services.kit.events.topics import AUDIT, PROGRESS, TOPICS, UPLOADS
from services.kit.protos import separation_pb2, uploads_pb2
from tests.apache_kafka import ApacheKafka, rights_of
from tests.broker import PATIENCE_SECONDS
from tests.ids import numbered
from tests.services.kit.events.consuming import Running, Seen, created, jobs, progress, until

pytestmark = [pytest.mark.apache_kafka, pytest.mark.usefixtures("clients")]


@pytest.fixture
def clients(patient_clients: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patient, but for a single request: a broker that has just begun may leave one without an answer."""
    monkeypatch.setattr("services.kit.events.connection.REQUEST_SECONDS", 10.0)


@pytest.fixture
def topics(kafka_brokers: Brokers) -> Brokers:
    """Apache Kafka with every topic of ours, under this test's prefix."""
    topic_plan.apply(kafka_brokers)
    return kafka_brokers


def consumer_of(brokers: Brokers, handle: Any, **options: Any) -> Consumer:
    return Consumer(
        brokers,
        **{
            "name": "tests",
            "group": "tests",
            "topics": [PROGRESS],
            "handlers": {separation_pb2.SeparationProgress: handle},
            **options,
        },
    )


# Topics


def test_a_plan_tells_what_differs_and_applying_it_makes_that(kafka_brokers: Brokers) -> None:
    wanted = replace(kafka_brokers, min_insync_replicas=1)
    names = [new.name for new in as_made(wanted, EVERY_TOPIC)]
    assert [(each.topic, each.what) for each in topic_plan.plan(wanted)] == [(name, "topic") for name in names]
    admin = connect(KafkaAdminClient, wanted, "tests")
    try:
        admin.create_topics([NewTopic(names[0], 1, 1, topic_configs={"retention.ms": "1000"})])
        until(lambda: len(topic_plan.plan(wanted)) > len(names), "the first topic to be seen")

        first = [each for each in topic_plan.plan(wanted) if each.topic == names[0]]
        assert [(each.what, each.present) for each in first][:2] == [("partitions", "1"), ("retention.ms", "1000")]

        topic_plan.apply(wanted)
        until(lambda: topic_plan.plan(wanted) == [], "the topics to be as they should be")
        resource = ConfigResource(ConfigResourceType.TOPIC, names[0])
        configs = admin.describe_configs([resource], config_filter="all")["topic"][names[0]]
        assert {name: configs[name]["value"] for name in ("retention.ms", "segment.ms", "min.insync.replicas")} == (
            {"retention.ms": "604800000", "segment.ms": "86400000", "min.insync.replicas": "1"}
        )
    finally:
        admin.close()

    more = topic_plan.plan(replace(wanted, replication_factor=3))
    assert {each.what for each in more} == {"replicas"}
    assert not any(each.is_ours for each in more)


def test_who_makes_no_topics_says_at_once_which_are_missing(kafka_brokers: Brokers) -> None:
    brokers = replace(kafka_brokers, makes_topics=False)
    with pytest.raises(TopicsMissing, match=brokers.named(UPLOADS.name)):
        ensure_topics(brokers, reading([UPLOADS]), timeout_seconds=0)
    with EventProducer(brokers, "tests", writing([UPLOADS])) as producer:
        [failure] = producer.send_records([encode(OutgoingEvent(UPLOADS, numbered("upl", 1), created(1)))])
    assert isinstance(failure, TopicsMissing)
    assert f"{brokers.named(UPLOADS.name)} (0 partitions)" in str(failure)
    # Nobody made it by asking for it.
    assert {each.what for each in topic_plan.plan(brokers)} == {"topic"}


# Records


def test_events_go_through_a_group_under_a_prefix_in_order_and_the_next_member_goes_on(topics: Brokers) -> None:
    seen = Seen()
    with EventProducer(topics, "tests", timeout_seconds=PATIENCE_SECONDS) as producer:
        with Running(consumer_of(topics, seen)):
            for step in range(4):
                records = [encode(progress(job, step / 4)) for job in jobs(20)]
                assert producer.send_records(records) == [None] * 20
            until(lambda: len(seen.events) == 80, "80 events")
        for job in jobs(20):
            assert [event.data.fraction for event in seen.events if event.key == job] == [0, 0.25, 0.5, 0.75]
        assert {event.topic for event in seen.events} == {PROGRESS.name}

        producer.send(progress(numbered("job", 99)))
        second = Seen()
        with Running(consumer_of(topics, second)):
            until(lambda: second.events, "the event after the first member")
    assert second.keys == [numbered("job", 99)]


def test_two_members_share_the_partitions_and_nothing_is_lost_when_one_goes(topics: Brokers) -> None:
    first, second = Seen(), Seen()
    with EventProducer(topics, "tests", timeout_seconds=PATIENCE_SECONDS) as producer:
        with Running(consumer_of(topics, first)), Running(consumer_of(topics, second)) as leaving:
            number = 0

            def shared() -> bool:
                nonlocal number
                number += 20
                producer.send_records([encode(progress(numbered("job", number + each))) for each in range(20)])
                return bool(first.events and second.events)

            until(shared, "both to read")
            leaving.end()
            producer.send_records([encode(progress(numbered("job", number + 100 + each))) for each in range(20)])
            wanted = {numbered("job", number + 100 + each) for each in range(20)}
            until(lambda: wanted <= set(first.keys), "the rest")
        heard = set(first.keys) | set(second.keys)
    assert {numbered("job", each) for each in range(20, number + 20)} <= heard


def test_what_cannot_be_handled_is_found_among_the_dead_letters(topics: Brokers) -> None:
    def refuse(event: Any) -> None:
        raise InvalidMessage("not today")

    with Running(consumer_of(topics, refuse, group=None)):
        with EventProducer(topics, "tests", timeout_seconds=PATIENCE_SECONDS) as producer:
            producer.send(progress(numbered("job", 1)))
        box = DeadLetterBox(topics, "tests")
        found: list[DeadLetter] = []

        def looked() -> bool:
            # Leaders of topics that were just made are not known at once.
            with suppress(Unavailable):
                found[:] = box.newest()
            return bool(found)

        until(looked, "the dead letter")
    [letter] = found
    assert (letter.topic, letter.key, letter.reason) == (PROGRESS, numbered("job", 1), "not today")
    whole = box.find(letter.name)
    assert whole is not None
    assert whole.record().topic == PROGRESS.name


@pytest.mark.parametrize("group", ["one", "two", "three"])
def test_a_member_that_polls_for_moments_takes_up_its_partitions(topics: Brokers, group: str) -> None:
    """The client alone joins without knowing the topic, then with its partitions, and misses the second answer."""
    name = topics.named(PROGRESS.name)
    client = connect(KafkaConsumer, topics, "tests", group_id=topics.named(group), enable_auto_commit=False)
    try:
        client.subscribe([name])

        def assigned() -> set[TopicPartition]:
            kafka_python.keep_joining(client)
            client.poll(timeout_ms=2)
            taken: set[TopicPartition] = client.assignment()
            return taken

        until(assigned, "its partitions")
        assert client.assignment() == {TopicPartition(name, number) for number in range(PROGRESS.partitions)}
    finally:
        client.close()


# Who is let in


def test_brokers_that_do_not_let_us_in_are_told_with_the_cause(apache_kafka: ApacheKafka, topics: Brokers) -> None:
    user = topics.named("ann")
    apache_kafka.add_user(topics, user)
    good = apache_kafka.signing_in(user, topics)
    connect(KafkaAdminClient, good, "tests").close()
    ours = apache_kafka.at("by certificate", security_protocol="SSL", ca_file=apache_kafka.certificate)
    refusals = {
        "refuse the user '.*ann'": replace(good, password=SecretStr("another")),
        "refuse the user 'nobody'": replace(good, username="nobody"),
        "signed by nobody whom we trust": replace(good, ca_file=None),
        "is for another name": replace(good, addresses=good.addresses.replace("127.0.0.1", "localhost")),
        "it may expect TLS": replace(topics, addresses=good.addresses),
        "it may speak no TLS": replace(good, addresses=topics.addresses),
        "expects nobody to sign in": replace(good, addresses=topics.addresses, security_protocol="SASL_PLAINTEXT"),
        "wants a certificate of ours": ours,
    }
    for said, brokers in refusals.items():
        with pytest.raises(BrokerRefuses, match=said):
            connect(KafkaAdminClient, brokers, "tests")


def test_other_ways_to_say_who_one_is(apache_kafka: ApacheKafka, kafka_brokers: Brokers) -> None:
    key = apache_kafka.certificate.with_name("key.pem")
    with token_endpoint("client", "its secret") as url:
        ways = [
            apache_kafka.signing_in("plain", kafka_brokers, sasl_mechanism="PLAIN"),
            apache_kafka.signing_in(
                "client",
                kafka_brokers,
                sasl_mechanism="OAUTHBEARER",
                password=SecretStr("its secret"),
                token_url=url,
            ),
            apache_kafka.at(
                "by certificate",
                security_protocol="SSL",
                ca_file=apache_kafka.certificate,
                certificate_file=apache_kafka.certificate,
                certificate_key_file=key,
            ),
        ]
        for way in ways:
            connect(KafkaProducer, way, "tests").close()


@contextmanager
def token_endpoint(client: str, secret: str) -> Iterator[str]:
    """An identity provider that gives one client tokens which nobody signed."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            pair = f"{client}:{secret}".replace(" ", "+")
            if self.headers["Authorization"] != f"Basic {base64.b64encode(pair.encode()).decode()}":
                self.send_error(401)
                return
            now = time.time()
            token = jwt.encode({"sub": client, "iat": now, "exp": now + 600}, "", algorithm="none")
            body = f'{{"access_token": "{token}", "expires_in": 600}}'.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/token"
        finally:
            server.shutdown()
            thread.join()


def test_each_service_works_with_the_rights_that_are_listed_for_it_and_has_no_others(
    apache_kafka: ApacheKafka, topics: Brokers
) -> None:
    users = {}
    for service in ("upload", "orchestrator"):
        users[service] = topics.named(service)
        apache_kafka.add_user(topics, users[service], *rights_of(grants(service, topics)))
    upload = apache_kafka.signing_in(users["upload"], topics)
    orchestrator = apache_kafka.signing_in(users["orchestrator"], topics)

    seen = Seen()
    reader = Consumer(
        orchestrator,
        name="orchestrator",
        group="orchestrator",
        topics=[topic for topic in TOPICS if "orchestrator" in topic.consumers],
        handlers={uploads_pb2.UploadCreated: seen},
        writes=writes_of("orchestrator"),
    )
    with Running(reader), EventProducer(upload, "upload", writes_of("upload")) as producer:
        producer.send(OutgoingEvent(UPLOADS, numbered("upl", 1), created(1)), timeout_seconds=PATIENCE_SECONDS)
        until(lambda: seen.keys == [numbered("upl", 1)], "the event")

    with pytest.raises(BrokerRefuses, match=f"may not even know of {topics.named(AUDIT.name)}"):
        ensure_topics(upload, writing([AUDIT]), timeout_seconds=0)
    with pytest.raises(BrokerRefuses, match="lacks READ"):
        ensure_topics(upload, {UPLOADS.name: "READ"}, timeout_seconds=0)
    with pytest.raises(BrokerRefuses, match="may not"):
        topic_plan.apply(replace(upload, makes_topics=True, prefix=f"{topics.prefix}another."))


def test_a_consumer_without_a_right_is_not_ready_and_says_which(apache_kafka: ApacheKafka, topics: Brokers) -> None:
    user = topics.named("deaf")
    described = (ACLOperation.DESCRIBE, ResourceType.TOPIC, topics.named(PROGRESS.name))
    dead = (ACLOperation.WRITE, ResourceType.TOPIC, topics.named(f"{PROGRESS.name}.dlq"))
    apache_kafka.add_user(topics, user, described, dead)
    brokers = apache_kafka.signing_in(user, topics)
    lacking = consumer_of(brokers, Seen())
    with Running(lacking, ready=False):
        until(lambda: "lacks READ" in lacking.problem, "the reason")
        assert not lacking.is_ready
        assert topics.named(PROGRESS.name) in lacking.problem

    read = (ACLOperation.READ, ResourceType.TOPIC, topics.named(PROGRESS.name))
    apache_kafka.add_user(topics, user, read)
    with Running(consumer_of(brokers, Seen()), ready=False) as running:
        until(lambda: "GroupAuthorizationFailed" in running.consumer.problem, "the reason of the group")
        apache_kafka.add_user(topics, user, (ACLOperation.READ, ResourceType.GROUP, topics.named("tests")))
        until(lambda: running.consumer.is_ready, "the right to arrive")
