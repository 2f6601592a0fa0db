"""Where the broker of one machine is not like Apache Kafka, and what our clients do about it. No other module knows.

`stemwright up` starts a broker that speaks Kafka's protocol and keeps everything in memory. Where a cluster is given
instead, the same code runs:

| the local broker                                    | hence             | on Apache Kafka                            |
| --------------------------------------------------- | ----------------- | ------------------------------------------ |
| looks for records only at the middle and the end of | `FetchWait`       | records come at once, so the wait is no    |
| a fetch that waits                                  |                   | latency; an idle consumer asks each second |
| comes back empty from a restart, its topics anew    | `RecreatedTopics` | the same after a topic was deleted         |
| makes a topic with four partitions when one asks    | `is_local`,       | never: topics are asked for by name, and   |
| for it, and cannot add any                          | `deleted`         | get the partitions that they lack          |
| takes up to 14 s to let a member join a group       | the setting       | left at its default, false                 |
|                                                     | `kafka_sole_consumers` |                                       |
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kafka.admin import NewTopic
from kafka.errors import KafkaError

from services.kit.events import kafka_python
from services.kit.events.brokers import LOCAL_CLUSTER_ID
from services.kit.events.topics import Topic

SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 1.0
SHARE_OF_QUIET = 0.04
REJOIN_SECONDS = 3.0


class FetchWait:
    """How long the next fetch of one consumer may wait at the brokers. Safe to use from several threads.

    There the wait is latency, a quarter of it on average, and short waits cost processor time for nothing while nobody
    works. So it is a few per cent of the time since the last record that others may follow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._record_at = clock()

    def record_came(self) -> None:
        """A record came that others may follow soon."""
        self._record_at = self._clock()

    def milliseconds(self) -> int:
        """For the next fetch."""
        quiet = self._clock() - self._record_at
        return int(1000 * min(max(quiet * SHARE_OF_QUIET, SHORTEST_SECONDS), LONGEST_SECONDS))


class RecreatedTopics:
    """Which of a consumer's topics were made anew while it ran: they have other ids. Used by one thread.

    Positions in such a topic count records that are gone, so it is read from its beginning. Outlives connections.
    """

    def __init__(self, topics: Mapping[str, Topic], clock: Callable[[], float] = time.monotonic) -> None:
        self.names: set[str] = set()
        """Those that are still to be read from their beginning, whatever was committed."""
        self._topics = topics
        self._clock = clock
        self._ids: dict[str, object] = {}
        self._rejoin_at = math.inf

    def look(self, consumer: Any) -> bool:
        """Notes the ids that the client knows; True if one is another than before."""
        news = False
        for name in self._topics:
            topic_id = kafka_python.topic_id(consumer, name)
            if topic_id is not None and self._ids.setdefault(name, topic_id) != topic_id:
                self._ids[name] = topic_id
                self.names.add(name)
                news = True
        return news

    def check_partitions(self, consumer: Any, names: Iterable[str]) -> None:
        """Plans to join the group again where one of these topics has fewer partitions than it should.

        The group may have shared out too few of them, and nothing else makes it look again.
        """
        if any(len(kafka_python.known_partitions(consumer, name)) < self._topics[name].partitions for name in names):
            self._rejoin_at = self._clock() + REJOIN_SECONDS

    def take_rejoin(self) -> bool:
        """Whether it is time to join again; says so once."""
        due = self._clock() >= self._rejoin_at
        if due:
            self._rejoin_at = math.inf
        return due


def is_local(client: Any) -> bool:
    """Whether a client's brokers are the one of a machine: clusters of Apache Kafka have ids of another form."""
    return kafka_python.cluster_id(client).startswith(LOCAL_CLUSTER_ID)


def deleted(admin: Any, topic: NewTopic, partitions: int) -> bool:
    """Deletes a topic with too few partitions, for it to be created again: what is in memory is soon lost anyway.

    False where another process has made it anew meanwhile. Raises KafkaError on any other broker, which keeps it.
    """
    if not is_local(admin):
        raise KafkaError(f"topic {topic.name} has {partitions} partitions, and these brokers cannot add any")
    present = {each["name"]: len(each["partitions"]) for each in admin.describe_topics()}
    if present.get(topic.name) != partitions:
        return False
    admin.delete_topics([topic.name])
    return True
