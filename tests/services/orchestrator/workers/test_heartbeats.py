from services.orchestrator.workers.heartbeats import HeartbeatMonitor
from tests.clocks import MonotonicClock


def test_heartbeats_are_steady_once_heartbeats_have_been_coming_for_longer_than_a_gap() -> None:
    clock = MonotonicClock()
    heartbeats = HeartbeatMonitor(4.0, clock)
    assert not heartbeats.are_steady()
    for _ in range(3):
        heartbeats.received()
        clock.now += 2
    assert heartbeats.are_steady()


def test_after_a_gap_it_begins_anew() -> None:
    clock = MonotonicClock()
    heartbeats = HeartbeatMonitor(4.0, clock)
    for _ in range(5):
        heartbeats.received()
        clock.now += 2
    clock.now += 5
    assert not heartbeats.are_steady()
    heartbeats.received()
    assert not heartbeats.are_steady()
    for _ in range(3):
        clock.now += 2
        heartbeats.received()
    assert heartbeats.are_steady()
