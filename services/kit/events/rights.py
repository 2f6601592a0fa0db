"""What each service may do with which topics and groups: from the closed list, for access lists and for readiness."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from services.kit.events.admin import Needs, Right, reading, writing
from services.kit.events.brokers import Brokers
from services.kit.events.topics import PARTNERS, TOPICS, Owner, dead_letters

Service = Literal["gateway", "upload", "accounts", "orchestrator", "notifier", "worker"]
SERVICES: tuple[Service, ...] = get_args(Service)
MEMBERS: tuple[Service, ...] = ("upload", "accounts", "orchestrator", "notifier")
"""Those that share their topics' partitions as members of a group of their own name."""
REPLAYS: Service = "orchestrator"
"""Where operators look at dead letters, of any topic, and have them written to it again."""
GIVES_TOPICS: Service = "notifier"
"""Makes and removes the topics of partners, with their users and access lists."""
CLUSTER = "kafka-cluster"
"""What brokers call the one cluster that they are."""


@dataclass(frozen=True)
class Grant:
    """A right to one topic or group, by its name at the brokers; to all that begin with it; or to the cluster.

    With WRITE or READ comes the right to know of a topic, with ALTER that to ask about the cluster.
    """

    right: Right | Literal["CREATE", "DELETE", "ALTER"]
    kind: Literal["topic", "group", "cluster"]
    name: str
    pattern: Literal["literal", "prefixed"] = "literal"


def writes_of(service: Owner) -> Needs:
    """The topics that a service writes to, without dead letters."""
    return writing(TOPICS if service == REPLAYS else (topic for topic in TOPICS if service in topic.writers))


def needs_of(service: str) -> Needs:
    """All topics that a service needs to be there, and what it does with them."""
    read = reading([topic for topic in TOPICS if service in topic.consumers])
    written = writing(TOPICS if service == REPLAYS else (topic for topic in TOPICS if service in topic.writers))
    # Of one that is read and written, reading is looked at: who may write to all of them was given it for that.
    return {**written, **read}


def grants(service: Service, brokers: Brokers) -> Iterator[Grant]:
    """All that a service needs of the brokers. Nobody needs more, but who makes topics."""
    for topic in TOPICS:
        if service in topic.consumers:
            yield Grant("READ", "topic", brokers.named(topic.name))
        if service in topic.writers or service == REPLAYS:
            yield Grant("WRITE", "topic", brokers.named(topic.name))
        if service == REPLAYS:
            yield Grant("READ", "topic", brokers.named(dead_letters(topic)))
        if service in topic.consumers:
            yield Grant("WRITE", "topic", brokers.named(dead_letters(topic)))
    if service in MEMBERS:
        yield Grant("READ", "group", brokers.named(service))


def grants_of_partner_topics(brokers: Brokers) -> Iterator[Grant]:
    """What `GIVES_TOPICS` needs besides, where partners are offered topics of their own."""
    rights: tuple[Literal["CREATE", "DELETE", "WRITE"], ...] = ("CREATE", "DELETE", "WRITE")
    for right in rights:
        yield Grant(right, "topic", brokers.named(PARTNERS), "prefixed")
    yield Grant("ALTER", "cluster", CLUSTER)
