from services.orchestrator.workers.heartbeats import HeartbeatMonitor


class Clock:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


def test_heartbeats_are_steady_once_heartbeats_have_been_coming_for_longer_than_a_gap() -> None:
    clock = Clock()
    heartbeats = HeartbeatMonitor(4.0, clock)
    assert not heartbeats.are_steady()
    for _ in range(3):
        heartbeats.received()
        clock.time += 2
    assert heartbeats.are_steady()


def test_after_a_gap_it_begins_anew() -> None:
    clock = Clock()
    heartbeats = HeartbeatMonitor(4.0, clock)
    for _ in range(5):
        heartbeats.received()
        clock.time += 2
    clock.time += 5
    assert not heartbeats.are_steady()
    heartbeats.received()
    assert not heartbeats.are_steady()
    for _ in range(3):
        clock.time += 2
        heartbeats.received()
    assert heartbeats.are_steady()
