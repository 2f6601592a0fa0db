"""What the brokers are told of topics."""

from datetime import timedelta
from typing import Any

import pytest

from services.kit.events.admin import as_made
from services.kit.events.brokers import Brokers
from services.kit.events.topics import GONE_AFTER, TOPICS, Topic, dead_letters

BROKERS = Brokers("127.0.0.1:9092")


def time_of(new: Any, setting: str) -> timedelta:
    return timedelta(milliseconds=int(new.topic_configs[setting]))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_no_record_outlives_its_retention_by_more_than_a_segment_which_is_a_day_at_most(topic: Topic) -> None:
    """A broker deletes whole segments, and by itself writes to one for seven days."""
    for new in as_made(BROKERS, [topic.name, dead_letters(topic)]):
        retention, segment = time_of(new, "retention.ms"), time_of(new, "segment.ms")
        assert segment <= timedelta(days=1)
        assert retention + segment <= GONE_AFTER


def test_a_topic_is_made_as_it_is_listed_and_its_dead_letters_stay_two_weeks() -> None:
    for topic in TOPICS:
        own, dead = as_made(BROKERS, [topic.name, dead_letters(topic)])
        assert (own.name, time_of(own, "retention.ms")) == (topic.name, topic.retention)
        assert (dead.name, time_of(dead, "retention.ms")) == (f"{topic.name}.dlq", timedelta(days=14))
