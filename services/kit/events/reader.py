"""The Kafka client under a `Consumer`: one connection, used by one thread, from assignment to commit."""

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import CorruptRecordError, KafkaError
from kafka.structs import OffsetAndMetadata
from prometheus_client import Gauge

from services.kit.events import kafka_python
from services.kit.events.admin import Needs, ensure_topics, reading
from services.kit.events.backlog import Backlog, Partition
from services.kit.events.brokers import Brokers
from services.kit.events.connection import connect
from services.kit.events.local_broker import FetchWait, RecreatedTopics
from services.kit.events.topics import Topic

log = logging.getLogger(__name__)

LAG = Gauge(
    "stemwright_consumer_lag_records",
    "Records in the partitions that this process reads, which are not handled yet.",
    ["consumer", "topic"],
)

COMMIT_INTERVAL_SECONDS = 0.1
COMMIT_TIMEOUT_SECONDS = 2.0
JOIN_SECONDS = 0.5
LONGEST_HEARTBEAT_SECONDS = 1.0
POSITION_TIMEOUT_SECONDS = 3.0


class TopicsLost(Exception):
    """Topics were made anew, so positions mean nothing any more; the connection has to be made anew too."""


@dataclass(frozen=True)
class Unreadable:
    """Stands for a record that the Kafka client itself cannot read."""

    topic: str
    partition: int
    offset: int
    reason: str
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Reader:
    """Fetches records into a backlog and commits what is done there, for one thread; any may look at `ready`.

    Three ways to read: as a member of a group; as the sole reader of a group's offsets, without membership; and without
    a group at all, from the end, committing nothing.
    """

    def __init__(
        self,
        brokers: Brokers,
        backlog: Backlog,
        fetch_wait: FetchWait,
        *,
        name: str,
        group: str | None,
        sole: bool,
        topics: Sequence[Topic],
        assignments: Mapping[Topic, Sequence[int]] | None,
        writes: Needs,
        session_seconds: float,
        poll_limit_seconds: float,
    ) -> None:
        if group is not None and assignments is not None:
            raise ValueError("a group assigns its partitions itself")
        self.ready = threading.Event()
        self._brokers = brokers
        self._backlog = backlog
        self._fetch_wait = fetch_wait
        self._name = name
        self._group = None if group is None else brokers.named(group)
        self._member = group is not None and not sole
        self._needs = {**writes, **reading(topics)}
        self._topics = {brokers.named(topic.name): topic for topic in topics}
        """By their names at the brokers, which nobody but this class and its client knows."""
        self._assignments = assignments
        self._membership = {
            "session_timeout_ms": int(session_seconds * 1000),
            # By a heartbeat a member learns that its group shares out anew, and all wait for the last to learn it.
            "heartbeat_interval_ms": int(min(session_seconds * 300, LONGEST_HEARTBEAT_SECONDS * 1000)),
            "max_poll_interval_ms": int(poll_limit_seconds * 1000),
        }
        self._client: Any = None
        self._recreated = RecreatedTopics(self._topics)
        self._positions: dict[Partition, int] = {}
        """Where to go on, without a group, after the connection was lost."""
        self._committed_at = 0.0

    def open(self) -> None:
        """Connects, with the topics in place. Raises KafkaError, OSError or BrokerUnavailable."""
        ensure_topics(self._brokers, self._needs, timeout_seconds=0)
        self._client = connect(
            KafkaConsumer,
            self._brokers,
            self._name,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_min_bytes=1,
            fetch_max_wait_ms=self._fetch_wait.milliseconds(),
            fetch_max_bytes=8 * 1024 * 1024,
            max_partition_fetch_bytes=1024 * 1024,
            max_poll_records=500,
            allow_auto_create_topics=False,
            **self._membership,
            metrics_enabled=False,
        )
        if self._member:
            self._client.subscribe(sorted(self._topics), listener=_Rebalances(self))
        else:
            self._assign()

    def close(self) -> None:
        """Commits what is done, leaves the group and disconnects."""
        self.ready.clear()
        self._forget_lag()
        client, self._client = self._client, None
        if client is None:
            return
        try:
            self._commit(client)
        finally:
            self._backlog.revoke()
            try:
                client.close(timeout_ms=1000)
            except (KafkaError, OSError) as error:
                log.debug("%s: a lost connection was closed: %s", self._name, error)

    def poll(self, timeout_seconds: float) -> None:
        """Moves what arrives within the timeout into the backlog, and commits what is done.

        Raises KafkaError, OSError or TopicsLost, after which the reader has to be closed.
        """
        client = self._client
        kafka_python.set_fetch_wait(client, self._fetch_wait.milliseconds())
        kafka_python.release_parked(client)
        if kafka_python.keep_joining(client):
            timeout_seconds = max(timeout_seconds, JOIN_SECONDS)
        try:
            arrived = client.poll(timeout_ms=int(timeout_seconds * 1000))
        except CorruptRecordError as error:
            self._step_over(error)
            return
        except (KafkaError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever the client's parser raises at a malformed record
            self._step_over(error)
            return
        void = self._check_topics()
        if self.ready.is_set() and self._recreated.take_rejoin():
            raise TopicsLost("joins its group once more, for all of the partitions")
        for source, records in arrived.items():
            if source.topic in void:
                continue
            self._backlog.put(self._listed(source), map(self._as_listed, records))
            if self._group is None:
                self._positions[self._listed(source)] = records[-1].offset + 1
        stop, go = self._backlog.pauses()
        if stop:
            client.pause(*map(self._named, stop))
        if go:
            client.resume(*map(self._named, go))
        if time.monotonic() - self._committed_at >= COMMIT_INTERVAL_SECONDS:
            self._commit(client)
            self._tell_lag(client)

    def _tell_lag(self, client: Any) -> None:
        lag = {topic.name: 0 for topic in self._topics.values()}
        for partition, position in self._backlog.positions().items():
            with suppress(KafkaError):  # it is not ours any more
                lag[partition[0]] += max(0, (client.highwater(self._named(partition)) or position) - position)
        for topic, records in lag.items():
            LAG.labels(self._name, topic).set(records)

    def _forget_lag(self) -> None:
        """Without a connection nobody knows how far behind it is."""
        for topic in self._topics.values():
            with suppress(KeyError):
                LAG.remove(self._name, topic.name)

    def assigned(self, partitions: Iterable[Any]) -> None:
        """The group gave us partitions."""
        mine = list(partitions)
        self._backlog.assign(map(self._listed, mine))
        self._rewind(mine)
        self.ready.set()
        log.info("%s: reads %d partitions", self._name, len(mine))

    def revoked(self, partitions: Iterable[Any]) -> None:
        """The group takes partitions away; what is done and not committed comes again, here or elsewhere."""
        self.ready.clear()
        self._backlog.revoke(map(self._listed, partitions))

    def _assign(self) -> None:
        """Takes partitions by ourselves: all of them, or those we were told."""
        told = self._assignments or {}
        mine = [
            TopicPartition(name, number)
            for name, topic in self._topics.items()
            for number in told.get(topic, sorted(self._client.partitions_for_topic(name)))
        ]
        self._client.assign(mine)
        self._backlog.assign(map(self._listed, mine))
        self._client.poll(timeout_ms=0)
        self._recreated.look(self._client)
        if self._group is None:
            for partition in mine:
                known = self._positions.get(self._listed(partition))
                if known is None:
                    self._client.seek_to_end(partition)
                else:
                    self._client.seek(partition, known)
        self._rewind(mine)
        for partition in mine:
            # Seeking is lazy; whoever waits for `ready` counts on the position.
            position = self._client.position(partition, timeout_ms=int(POSITION_TIMEOUT_SECONDS * 1000))
            self._positions[self._listed(partition)] = position
        self.ready.set()
        log.info("%s: reads %d partitions", self._name, len(mine))

    def _rewind(self, partitions: Iterable[Any]) -> None:
        """Begins topics that were made anew at their beginning: older positions count records that are gone."""
        for partition in partitions:
            if partition.topic in self._recreated.names:
                self._client.seek_to_beginning(partition)
        self._recreated.names.clear()

    def _commit(self, client: Any) -> None:
        self._committed_at = time.monotonic()
        positions = self._backlog.committable() if self._group is not None else {}
        if not positions:
            return
        offsets = {self._named(partition): OffsetAndMetadata(at, "", -1) for partition, at in positions.items()}
        try:
            client.commit(offsets, timeout_ms=int(COMMIT_TIMEOUT_SECONDS * 1000))
        except (KafkaError, OSError) as error:
            # What is not committed comes again, and handlers are used to that.
            log.info("%s: offsets are not committed yet: %s", self._name, error)
        else:
            self._backlog.committed(positions)

    def _check_topics(self) -> set[str]:
        """Starts over with topics that were made anew, so that nothing of the old ones is committed to them.

        Returns those topics: what was fetched from them just now is void, it comes again.
        """
        if not self._recreated.look(self._client):
            return set()
        void = set(self._recreated.names)
        lost = ", ".join(sorted(void))
        if not self._member:
            self._backlog.revoke()
            raise TopicsLost(f"made anew: {lost}")
        # A member stays: whoever leaves in the middle of a rebalance is waited for until its session ends.
        log.warning("%s: starts over with topics that were made anew: %s", self._name, lost)
        mine = [partition for partition in self._client.assignment() if partition.topic in void]
        self._backlog.renew(map(self._listed, mine))
        if mine:
            # Otherwise they are rewound when the group gives us partitions again.
            self._rewind(mine)
        self._recreated.check_partitions(self._client, void)
        ensure_topics(self._brokers, self._needs, timeout_seconds=0)
        return void

    def _step_over(self, error: Exception) -> None:
        """Goes on behind a record that the client cannot parse; polling again in place would never return."""
        where = kafka_python.unreadable_partition(self._client)
        if where is None:
            raise error
        offset = self._client.position(where)
        self._client.seek(where, offset + 1)
        reason = f"the record cannot be read: {error}"
        partition = self._listed(where)
        self._backlog.put(partition, [Unreadable(*partition, offset, reason)])

    def _listed(self, partition: Any) -> Partition:
        """A partition as everybody else knows it."""
        return self._brokers.listed(partition.topic), partition.partition

    def _named(self, partition: Partition) -> Any:
        """A partition as the brokers know it."""
        return TopicPartition(self._brokers.named(partition[0]), partition[1])

    def _as_listed(self, record: Any) -> Any:
        return record._replace(topic=self._brokers.listed(record.topic)) if self._brokers.prefix else record


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc] # the client has no type information
    """Called by the client's own thread, beside the one that polls; nothing here may wait for the brokers."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        self._reader.revoked(revoked)

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        self._reader.assigned(assigned)
