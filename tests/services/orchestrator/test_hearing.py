from services.orchestrator.hearing import Hearing


class Clock:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_hearing_is_steady_once_heartbeats_have_been_coming_for_longer_than_a_gap() -> None:
    clock = Clock()
    hearing = Hearing(4.0, clock)
    assert not hearing.steady()
    for _ in range(3):
        hearing.heard()
        clock.time += 2
    assert hearing.steady()


def test_after_a_gap_it_begins_anew() -> None:
    clock = Clock()
    hearing = Hearing(4.0, clock)
    for _ in range(5):
        hearing.heard()
        clock.time += 2
    clock.time += 5
    assert not hearing.steady()
    hearing.heard()
    assert not hearing.steady()
    for _ in range(3):
        clock.time += 2
        hearing.heard()
    assert hearing.steady()
