"""Topics, created explicitly with their partition counts."""

import logging
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from kafka.admin import KafkaAdminClient, NewPartitions, NewTopic
from kafka.errors import IncompatibleBrokerVersion, KafkaError, TopicAlreadyExistsError

from services.kit.events import local_broker
from services.kit.events.connection import BrokerUnavailable, connect
from services.kit.events.topics import DEAD_LETTER_RETENTION, SEGMENT, TOPICS, Topic, dead_letters

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.2
_BROKER_DEFAULT = -1


def ensure_topics(bootstrap: str, topics: Iterable[Topic] = TOPICS, *, timeout_seconds: float = 10.0) -> None:
    """Creates what is missing of `topics` and their dead-letter topics, and corrects too small partition counts.

    More partitions than listed are an operator's choice and stay. On a broker that cannot add partitions, which Apache
    Kafka can, the topic is replaced. Safe to call from every process at once. Raises BrokerUnavailable.
    """
    wanted = [new for topic in topics for new in as_made(topic)]
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            admin = connect(KafkaAdminClient, bootstrap, "admin")
            try:
                _ensure(admin, wanted)
            finally:
                admin.close()
        except (BrokerUnavailable, KafkaError, OSError) as error:
            if time.monotonic() >= deadline:
                raise BrokerUnavailable(f"topics could not be ensured: {error}") from error
            log.info("topics are not ensured yet: %s", error)
            time.sleep(RETRY_SECONDS)
        else:
            return


def as_made(topic: Topic) -> tuple[NewTopic, NewTopic]:
    """What the brokers are told of a topic and of its dead letters."""
    return (
        _kept_for(topic.name, topic.partitions, topic.retention),
        _kept_for(dead_letters(topic), topic.partitions, DEAD_LETTER_RETENTION),
    )


def _kept_for(name: str, partitions: int, retention: timedelta) -> NewTopic:
    times = {"retention.ms": retention, "segment.ms": min(retention, SEGMENT)}
    configs = {setting: str(int(length.total_seconds() * 1000)) for setting, length in times.items()}
    return NewTopic(name, partitions, _BROKER_DEFAULT, topic_configs=configs)


def _ensure(admin: Any, wanted: list[NewTopic]) -> None:
    present = _partition_counts(admin, wanted)
    for new in wanted:
        count = present.get(new.name)
        if count is not None and count < new.num_partitions:
            log.warning("topic %s has %d partitions instead of %d", new.name, count, new.num_partitions)
            # Looked at once more: another process may have made it anew in the meantime.
            if not _add_partitions(admin, new) and _partition_counts(admin, [new]).get(new.name) == count:
                local_broker.replace(admin, new)
                count = None
        if count is None:
            _create(admin, new)


def _partition_counts(admin: Any, wanted: list[NewTopic]) -> dict[str, int]:
    """Partitions of each topic that exists. Asked of all topics at once: to name one may create it."""
    return {
        described["name"]: len(described["partitions"])
        for described in admin.describe_topics()
        if described["error_code"] == 0 and described["name"] in {new.name for new in wanted}
    }


def _add_partitions(admin: Any, new: NewTopic) -> bool:
    try:
        admin.create_partitions({new.name: NewPartitions(new.num_partitions)})
    except IncompatibleBrokerVersion:
        return False
    return True


def _create(admin: Any, new: NewTopic) -> None:
    try:
        admin.create_topics([new])
    except TopicAlreadyExistsError:
        return
    log.info("created topic %s with %d partitions", new.name, new.num_partitions)
