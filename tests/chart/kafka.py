"""Topics and rights as Strimzi's objects need them, from the closed list of topics."""

from typing import Any

import yaml

from services.kit.events.admin import as_made
from services.kit.events.brokers import Brokers
from services.kit.events.rights import SERVICES, Grant, grants, grants_of_partner_topics
from services.kit.events.topics import TOPICS, dead_letters
from tests.chart.rendering import CHART

FILE = CHART / "files" / "kafka.yaml"
HEADING = (
    "# Made by `make chart` from services/kit/events: topics, what each service may do with topics and groups, and\n"
    "# what the notifier may besides where partners are offered topics of their own.\n"
)


def content() -> str:
    """What the file has to say."""
    brokers = Brokers("localhost:9092")
    names = [name for topic in TOPICS for name in (topic.name, dead_letters(topic))]
    topics = []
    for made in as_made(brokers, names):
        config = {name: value for name, value in made.topic_configs.items() if name != "min.insync.replicas"}
        topics.append({"name": made.name, "partitions": made.num_partitions, "config": config})
    rights: dict[str, Any] = {}
    for service in SERVICES:
        for grant in grants(service, brokers):
            kinds = rights.setdefault(service, {}).setdefault(grant.right.capitalize(), {})
            kinds.setdefault(grant.kind, []).append(grant.name)
    besides = [access_of(grant) for grant in grants_of_partner_topics(brokers)]
    told: str = yaml.safe_dump(
        {"topics": topics, "rights": rights, "partnerTopics": besides}, sort_keys=False, width=120
    )
    return HEADING + told


def access_of(grant: Grant) -> dict[str, str]:
    """In Strimzi's words, which has no name for the cluster and calls a prefix so."""
    access = {"right": grant.right.capitalize(), "kind": grant.kind}
    pattern = "prefix" if grant.pattern == "prefixed" else grant.pattern
    return access if grant.kind == "cluster" else {**access, "name": grant.name, "pattern": pattern}
