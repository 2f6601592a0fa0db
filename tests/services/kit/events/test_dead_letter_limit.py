"""The budget of dead letters, on a clock in the test's hand."""

from services.kit.events.dead_letter_limit import DeadLetterLimit


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_some_are_taken_at_once_and_then_one_after_each_pause() -> None:
    clock = Clock()
    limit = DeadLetterLimit(burst=3, interval_seconds=10.0, clock=clock)
    for _ in range(3):
        assert limit.wait_seconds("a") == 0
        limit.count("a")
    assert limit.wait_seconds("a") == 10
    clock.seconds += 10
    assert limit.wait_seconds("a") == 0
    limit.count("a")
    assert limit.wait_seconds("a") == 10


def test_each_topic_has_its_own() -> None:
    limit = DeadLetterLimit(burst=1, interval_seconds=10.0, clock=Clock())
    limit.count("a")
    assert limit.wait_seconds("a") == 10
    assert limit.wait_seconds("b") == 0


def test_time_gives_the_budget_back_and_no_more_than_that() -> None:
    clock = Clock()
    limit = DeadLetterLimit(burst=2, interval_seconds=10.0, clock=clock)
    for _ in range(2):
        limit.count("a")
    clock.seconds += 1_000_000
    for _ in range(2):
        assert limit.wait_seconds("a") == 0
        limit.count("a")
    assert limit.wait_seconds("a") == 10
