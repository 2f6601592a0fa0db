"""The budget of dead letters, on a clock in the test's hand."""

from services.kit.events.dead_letter_limit import DeadLetterLimit
from tests.clocks import MonotonicClock


def test_some_are_taken_at_once_and_then_one_after_each_pause() -> None:
    clock = MonotonicClock()
    limit = DeadLetterLimit(burst=3, interval_seconds=10.0, clock=clock)
    for _ in range(3):
        assert limit.wait_seconds("a") == 0
        limit.count("a")
    assert limit.wait_seconds("a") == 10
    clock.now += 10
    assert limit.wait_seconds("a") == 0
    limit.count("a")
    assert limit.wait_seconds("a") == 10


def test_each_topic_has_its_own() -> None:
    limit = DeadLetterLimit(burst=1, interval_seconds=10.0, clock=MonotonicClock())
    limit.count("a")
    assert limit.wait_seconds("a") == 10
    assert limit.wait_seconds("b") == 0


def test_time_gives_the_budget_back_and_no_more_than_that() -> None:
    clock = MonotonicClock()
    limit = DeadLetterLimit(burst=2, interval_seconds=10.0, clock=clock)
    for _ in range(2):
        limit.count("a")
    clock.now += 1_000_000
    for _ in range(2):
        assert limit.wait_seconds("a") == 0
        limit.count("a")
    assert limit.wait_seconds("a") == 10
