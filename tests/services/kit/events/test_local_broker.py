"""What our clients do where the local broker is not like Apache Kafka. Against the broker itself: test_recovery.py."""

from types import SimpleNamespace

import pytest

from services.kit.events.local_broker import REJOIN_SECONDS, FetchWait, RecreatedTopics
from services.kit.events.topics import PROGRESS, WORKERS
from tests.clocks import MonotonicClock

TOPICS = {topic.name: topic for topic in (PROGRESS, WORKERS)}


class Metadata:
    """What a Kafka client knows of the topics; a consumer carries it at the same place."""

    def __init__(self) -> None:
        self.ids: dict[str, object] = {}
        self.partitions: dict[str, set[int]] = {}
        self._client = SimpleNamespace(cluster=self)

    def topic_id(self, name: str) -> object | None:
        return self.ids.get(name)

    def partitions_for_topic(self, name: str) -> set[int] | None:
        return self.partitions.get(name)


@pytest.mark.parametrize(("quiet_seconds", "milliseconds"), [(0, 100), (2.5, 100), (10, 400), (25, 1000), (3600, 1000)])
def test_a_fetch_waits_longer_the_longer_it_was_quiet(quiet_seconds: float, milliseconds: int) -> None:
    clock = MonotonicClock()
    wait = FetchWait(clock)
    clock.now += quiet_seconds
    assert wait.milliseconds() == milliseconds
    wait.record_came()
    assert wait.milliseconds() == 100


def test_a_topic_with_another_id_was_made_anew_and_is_told_once() -> None:
    known, recreated = Metadata(), RecreatedTopics(TOPICS)
    assert not recreated.look(known), "nothing is known yet"
    known.ids = {PROGRESS.name: "a", WORKERS.name: "b", "of.others": "c"}
    assert not recreated.look(known), "the first id of a topic is no news"

    known.ids = {PROGRESS.name: "a2", WORKERS.name: "b", "of.others": "c2"}
    assert recreated.look(known)
    assert not recreated.look(known)
    assert recreated.names == {PROGRESS.name}


def test_too_few_partitions_are_a_reason_to_join_again_once_the_group_is_settled() -> None:
    clock, known = MonotonicClock(), Metadata()
    recreated = RecreatedTopics(TOPICS, clock)
    enough = set(range(PROGRESS.partitions))
    known.partitions = {PROGRESS.name: enough, WORKERS.name: {0}}

    recreated.check_partitions(known, [PROGRESS.name])
    clock.now += REJOIN_SECONDS
    assert not recreated.take_rejoin(), "it has all of them"

    recreated.check_partitions(known, [PROGRESS.name, WORKERS.name])
    assert not recreated.take_rejoin(), "not yet"
    clock.now += REJOIN_SECONDS
    assert recreated.take_rejoin()
    assert not recreated.take_rejoin(), "once"
