"""How the topics at the brokers differ from the closed list, and the making of what differs. Deletes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic
from kafka.errors import AuthorizationError, KafkaError

from services.kit.events import local_broker
from services.kit.events.admin import EVERY_TOPIC, as_made, describe, make
from services.kit.events.brokers import Brokers
from services.kit.events.connection import BrokerRefuses, BrokerUnavailable, connect

_CONFIGS = ("retention.ms", "segment.ms", "min.insync.replicas")


@dataclass(frozen=True)
class Difference:
    """Something about a topic that is not as it is listed. `present` is empty where the topic is missing."""

    topic: str
    what: Literal["topic", "partitions", "replicas", "retention.ms", "segment.ms", "min.insync.replicas"]
    present: str
    wanted: str

    @property
    def is_ours(self) -> bool:
        """Whether `apply` makes it as listed. Replicas are moved between brokers, which takes an operator's plan."""
        return self.what != "replicas"

    def __str__(self) -> str:
        if not self.present:
            return f"{self.topic}: is missing; {self.wanted}"
        ending = "" if self.is_ours else " (kafka-reassign-partitions changes it)"
        return f"{self.topic}: {self.what} {self.present} instead of {self.wanted}{ending}"


Work = Callable[[Brokers], list[Difference]]


def plan(brokers: Brokers) -> list[Difference]:
    """What differs, topic by topic in the order of the list. Changes nothing. Raises BrokerUnavailable."""
    return _with_administration(brokers, lambda admin: _differences(admin, brokers))


def apply(brokers: Brokers) -> list[Difference]:
    """Makes what differs, as far as that is ours; returns what did. Raises BrokerUnavailable.

    Whoever runs it needs rights to create and alter topics, unless nothing differs.
    """
    return _with_administration(brokers, lambda admin: _apply(admin, brokers))


def _with_administration(brokers: Brokers, work: Callable[[Any], list[Difference]]) -> list[Difference]:
    try:
        admin = connect(KafkaAdminClient, brokers, "topics")
        try:
            found = work(admin)
        finally:
            admin.close()
    except AuthorizationError as error:
        raise BrokerRefuses(f"this needs rights to topics that we do not have: {error}") from error
    except (KafkaError, OSError) as error:
        raise BrokerUnavailable(str(error)) from error
    return found


def _differences(admin: Any, brokers: Brokers) -> list[Difference]:
    present = describe(admin, brokers, EVERY_TOPIC)
    # The local broker keeps all that it has in memory, and knows no settings of topics.
    configs = {} if local_broker.is_local(admin) else _configs(admin, list(present))
    found = []
    for new in as_made(brokers, EVERY_TOPIC):
        topic = present.get(new.name)
        if topic is None:
            summary = f"{new.num_partitions} partitions on {new.replication_factor} brokers each"
            found.append(Difference(new.name, "topic", "", summary))
        else:
            found += _of_one(new, topic["partitions"], configs.get(new.name, {}))
    return found


def _of_one(new: NewTopic, partitions: list[dict[str, Any]], configs: Mapping[str, str]) -> list[Difference]:
    found = []
    if len(partitions) < new.num_partitions:
        found.append(Difference(new.name, "partitions", str(len(partitions)), str(new.num_partitions)))
    replicas = min(len(partition["replica_nodes"]) for partition in partitions)
    if configs and replicas != new.replication_factor:
        found.append(Difference(new.name, "replicas", str(replicas), str(new.replication_factor)))
    for setting, wanted in new.topic_configs.items():
        if configs.get(setting, wanted) != wanted:
            found.append(Difference(new.name, setting, configs[setting], wanted))
    return found


def _configs(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    """The settings in force of topics."""
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    told = admin.describe_configs(resources, config_filter="all")["topic"]
    return {name: {setting: each["value"] for setting, each in settings.items()} for name, settings in told.items()}


def _apply(admin: Any, brokers: Brokers) -> list[Difference]:
    found = _differences(admin, brokers)
    made = {new.name: new for new in as_made(brokers, EVERY_TOPIC)}
    changed: dict[str, dict[str, str]] = {}
    sizes = {each.topic: int(each.present or 0) for each in found if each.what in ("topic", "partitions")}
    make(admin, [made[name] for name in sizes], sizes)
    for difference in found:
        if difference.what in _CONFIGS:
            changed.setdefault(difference.topic, {})[difference.what] = difference.wanted
    if changed:
        admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, configs=configs) for name, configs in changed.items()],
            incremental=True,
        )
    return found
