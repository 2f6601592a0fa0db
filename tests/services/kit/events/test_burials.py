"""The budget of dead letters, on a clock in the test's hand."""

from services.kit.events.burials import Burials


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_some_are_taken_at_once_and_then_one_after_each_pause() -> None:
    clock = Clock()
    burials = Burials(at_once=3, pause_seconds=10.0, clock=clock)
    for _ in range(3):
        assert burials.wait_seconds("a") == 0
        burials.buried("a")
    assert burials.wait_seconds("a") == 10
    clock.seconds += 10
    assert burials.wait_seconds("a") == 0
    burials.buried("a")
    assert burials.wait_seconds("a") == 10


def test_each_topic_has_its_own() -> None:
    burials = Burials(at_once=1, pause_seconds=10.0, clock=Clock())
    burials.buried("a")
    assert burials.wait_seconds("a") == 10
    assert burials.wait_seconds("b") == 0


def test_time_gives_the_budget_back_and_no_more_than_that() -> None:
    clock = Clock()
    burials = Burials(at_once=2, pause_seconds=10.0, clock=clock)
    for _ in range(2):
        burials.buried("a")
    clock.seconds += 1_000_000
    for _ in range(2):
        assert burials.wait_seconds("a") == 0
        burials.buried("a")
    assert burials.wait_seconds("a") == 10
