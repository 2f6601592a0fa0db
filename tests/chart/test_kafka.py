"""Strimzi's topics and users are those of the closed list, and each service signs in as its own."""

from typing import Any

import pytest

from services.kit.events.brokers import Brokers
from services.kit.events.rights import SERVICES, grants, grants_of_partner_topics
from tests.chart import kafka
from tests.chart.rendering import containers, environment, named, objects, of_kind

PREFIX = "songs."


def test_the_chart_knows_the_topics_and_rights_of_the_code() -> None:
    """`make chart` writes them anew."""
    assert kafka.FILE.read_text() == kafka.content()


def test_topics_are_made_with_the_prefix_and_the_copies_that_values_say() -> None:
    made = [one for one in objects("air-gapped", f"kafka.prefix={PREFIX}") if one["kind"] == "KafkaTopic"]
    names = {one["spec"]["topicName"] for one in made}
    assert len(made) == len(names) > 20
    assert all(name.startswith(PREFIX) for name in names)
    for one in made:
        assert one["spec"]["replicas"] == 3
        assert one["spec"]["config"]["min.insync.replicas"] == "2"
        assert {"retention.ms", "segment.ms"} <= set(one["spec"]["config"])
        assert one["metadata"]["labels"]["strimzi.io/cluster"] == "events"


def test_a_user_may_do_what_its_service_does_and_nothing_else() -> None:
    users = [one for one in objects("air-gapped", f"kafka.prefix={PREFIX}") if one["kind"] == "KafkaUser"]
    assert {one["metadata"]["name"] for one in users} == {f"stemwright-{service}" for service in SERVICES}
    brokers = Brokers("kafka:9092", prefix=PREFIX)
    for service in SERVICES:
        (user,) = (one for one in users if one["metadata"]["name"] == f"stemwright-{service}")
        told = {
            (operation.upper(), acl["resource"]["type"], acl["resource"]["name"])
            for acl in user["spec"]["authorization"]["acls"]
            for operation in acl["operations"]
            if acl["resource"]["patternType"] == "literal"
        }
        assert told == {(grant.right, grant.kind, grant.name) for grant in grants(service, brokers)}


@pytest.mark.parametrize("where", ["settings", "notifier.settings"])
def test_the_notifier_may_make_topics_of_partners_where_they_are_offered(where: str) -> None:
    offered = objects("air-gapped", f"kafka.prefix={PREFIX}", f"{where}.STEMWRIGHT_NOTIFIER_PARTNER_TOPICS=true")
    more: dict[str, list[Any]] = {}
    for before, now in zip(objects("air-gapped", f"kafka.prefix={PREFIX}"), offered, strict=True):
        if now["kind"] == "KafkaUser":
            acls = [one["spec"]["authorization"]["acls"] for one in (before, now)]
            more[now["metadata"]["name"]] = [acl for acl in acls[1] if acl not in acls[0]]
    assert {user for user, acls in more.items() if acls} == {"stemwright-notifier"}
    told = {
        (operation.upper(), acl["resource"]["type"], acl["resource"].get("name"), acl["resource"].get("patternType"))
        for acl in more["stemwright-notifier"]
        for operation in acl["operations"]
    }
    assert told == {
        *((right, "topic", f"{PREFIX}partners.", "prefix") for right in ("CREATE", "DELETE", "WRITE")),
        ("ALTER", "cluster", None, None),
    }
    assert len(told) == len(list(grants_of_partner_topics(Brokers("kafka:9092"))))


def test_services_sign_in_as_their_own_users() -> None:
    for deployment in of_kind("air-gapped", "Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        user = f"stemwright-{container['name']}"
        told = environment(container)
        assert told["STEMWRIGHT_KAFKA_SASL_USERNAME"]["value"] == user
        assert told["STEMWRIGHT_KAFKA_SASL_PASSWORD"]["valueFrom"]["secretKeyRef"] == {"name": user, "key": "password"}
        assert named("air-gapped", "KafkaUser", user)["spec"]["authentication"] == {"type": "scram-sha-512"}


def test_nobody_but_the_migrate_step_makes_topics() -> None:
    for name in ("small", "production", "air-gapped"):
        for deployment in of_kind(name, "Deployment"):
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            assert environment(container)["STEMWRIGHT_KAFKA_MAKE_TOPICS"]["value"] == "false"
    topics = next(
        one
        for one in containers(named("production", "Job", "stemwright-migrate")["spec"]["template"])
        if one["name"] == "topics"
    )
    assert topics["args"] == ["topics", "apply"]
    assert environment(topics)["STEMWRIGHT_KAFKA_REPLICATION_FACTOR"]["value"] == "3"
