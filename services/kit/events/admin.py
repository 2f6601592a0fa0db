"""Topics: whether a client's own are there and it may use them, and their making, with explicit partition counts."""

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Literal

from kafka.admin import KafkaAdminClient, NewPartitions, NewTopic
from kafka.errors import (
    IncompatibleBrokerVersion,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from services.kit.events import local_broker
from services.kit.events.brokers import Brokers
from services.kit.events.connection import BrokerRefuses, BrokerUnavailable, connect
from services.kit.events.topics import DEAD_LETTER_RETENTION, SEGMENT, TOPICS, Topic, dead_letters

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.2

Right = Literal["READ", "WRITE"]
Needs = Mapping[str, Right | None]
"""What a client does with topics, by their names in the closed list; None: they only have to be there."""

EVERY_TOPIC: Needs = MappingProxyType({name: None for topic in TOPICS for name in (topic.name, dead_letters(topic))})


NOTHING: Needs = MappingProxyType({})


class TopicsMissing(BrokerUnavailable):
    """Topics are not there, or too small, and this client does not make any."""


def writing(topics: Iterable[Topic]) -> Needs:
    """Of a client that writes to these topics."""
    return {topic.name: "WRITE" for topic in topics}


def reading(topics: Collection[Topic]) -> Needs:
    """Of a client that reads these topics, and writes what it can never handle to their dead letters."""
    return {**{topic.name: "READ" for topic in topics}, **writing_dead_letters(topics)}


def writing_dead_letters(topics: Iterable[Topic]) -> Needs:
    """Of a client that writes what can never be handled of these topics."""
    return {dead_letters(topic): "WRITE" for topic in topics}


def ensure_topics(brokers: Brokers, needs: Needs = EVERY_TOPIC, *, timeout_seconds: float = 10.0) -> None:
    """Makes sure that topics are there, have their partitions, and may be used as is needed; asks about no others.

    What is missing is made, and too small partition counts are corrected, where these brokers let clients make topics;
    more partitions than listed are an operator's choice and stay. Safe to call from every process at once. Raises
    BrokerUnavailable: TopicsMissing, or BrokerRefuses where a right is missing.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            admin = connect(KafkaAdminClient, brokers, "admin")
            try:
                _ensure(admin, brokers, needs)
            finally:
                admin.close()
        except (BrokerUnavailable, KafkaError, OSError) as error:
            if time.monotonic() >= deadline:
                if isinstance(error, BrokerUnavailable):
                    raise
                raise BrokerUnavailable(f"topics could not be ensured: {error}") from error
            log.info("topics are not ensured yet: %s", error)
            time.sleep(RETRY_SECONDS)
        else:
            return


def as_made(brokers: Brokers, names: Iterable[str]) -> list[NewTopic]:
    """What the brokers are told of topics, by their names in the closed list."""
    return [_made(brokers, name) for name in names]


def _made(brokers: Brokers, name: str) -> NewTopic:
    partitions, retention = _LISTED[name]
    times = {"retention.ms": retention, "segment.ms": min(retention, SEGMENT)}
    configs = {setting: str(int(length.total_seconds() * 1000)) for setting, length in times.items()}
    configs["min.insync.replicas"] = str(brokers.min_insync_replicas)
    return NewTopic(brokers.named(name), partitions, brokers.replication_factor, topic_configs=configs)


_LISTED: dict[str, tuple[int, timedelta]] = {
    **{topic.name: (topic.partitions, topic.retention) for topic in TOPICS},
    **{dead_letters(topic): (topic.partitions, DEAD_LETTER_RETENTION) for topic in TOPICS},
}


def describe(admin: Any, brokers: Brokers, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What the brokers say of topics, by their names there; of those that exist and that we may know of.

    The local broker makes a topic when somebody asks for it by name, so it is asked for all that it has.
    """
    wanted = [brokers.named(name) for name in names]
    found = admin.describe_topics(None if local_broker.is_local(admin) else wanted)
    topics = {topic["name"]: topic for topic in found if topic["name"] in wanted}
    for topic in topics.values():
        problem = for_code(topic["error_code"])
        if problem is TopicAuthorizationFailedError:
            raise BrokerRefuses(f"{_user(brokers)} may not even know of {topic['name']}: it needs a right to it")
        if topic["error_code"] and problem is not UnknownTopicOrPartitionError:
            raise problem(topic["name"])
    return {name: topic for name, topic in topics.items() if not topic["error_code"]}


def _ensure(admin: Any, brokers: Brokers, needs: Needs) -> None:
    present = describe(admin, brokers, needs)
    wrong = [new for new in as_made(brokers, needs) if _partitions(present, new.name) < new.num_partitions]
    if wrong and not brokers.makes_topics:
        names = ", ".join(f"{new.name} ({_partitions(present, new.name)} partitions)" for new in wrong)
        raise TopicsMissing(f"topics are missing or too small: {names}; `stemwright topics apply` makes them")
    make(admin, wrong, {new.name: _partitions(present, new.name) for new in wrong})
    for name, right in needs.items():
        # Where nobody is asked for rights, or the brokers do not tell them, there are none in the answer.
        rights = present.get(brokers.named(name), {}).get("authorized_operations") or [right]
        if right is not None and right not in rights and "ALL" not in rights:
            raise BrokerRefuses(f"{_user(brokers)} may not {right.lower()} {brokers.named(name)}: it lacks {right}")


def make(admin: Any, topics: Iterable[NewTopic], present: Mapping[str, int]) -> None:
    """Makes topics that have no partitions at `present`, and gives those that have some what they lack.

    Raises BrokerRefuses or KafkaError.
    """
    missing = []
    for new in topics:
        partitions = present[new.name]
        if partitions:
            log.warning("topic %s has %d partitions instead of %d", new.name, partitions, new.num_partitions)
        if not partitions or not _add_partitions(admin, new, partitions):
            missing.append(new)
    if not missing:
        return
    for made in admin.create_topics(missing, raise_errors=False)["topics"]:
        problem = for_code(made["error_code"])
        if problem is TopicAuthorizationFailedError:
            raise BrokerRefuses(f"this client may not make the topic {made['name']}")
        # Another process may have been quicker.
        if made["error_code"] and problem is not TopicAlreadyExistsError:
            raise problem(f"{made['name']}: {made.get('error_message')}")
    log.info("created the topics %s", ", ".join(new.name for new in missing))


def _partitions(present: Mapping[str, dict[str, Any]], name: str) -> int:
    return len(present[name]["partitions"]) if name in present else 0


def _add_partitions(admin: Any, new: NewTopic, partitions: int) -> bool:
    """Whether the topic is as it should be; False where it has to be made anew."""
    try:
        admin.create_partitions({new.name: NewPartitions(new.num_partitions)})
    except IncompatibleBrokerVersion:
        return not local_broker.deleted(admin, new, partitions)
    return True


def _user(brokers: Brokers) -> str:
    return repr(brokers.username) if brokers.username else "this client"
