"""The order of handling and what may be committed, without Kafka."""

from dataclasses import dataclass

import pytest

from services.kit.events import backlog as backlogs
from services.kit.events.backlog import Backlog, Work
from tests.clocks import MonotonicClock

P0 = ("topic", 0)
P1 = ("topic", 1)


@dataclass(frozen=True)
class Raw:
    offset: int
    key: bytes = b"k"
    value: bytes = b""
    topic: str = "topic"
    partition: int = 0
    headers: tuple[tuple[str, bytes | None], ...] = ()


@pytest.fixture
def clock() -> MonotonicClock:
    return MonotonicClock(0)


@pytest.fixture
def backlog(clock: MonotonicClock) -> Backlog:
    backlog = Backlog(clock)
    backlog.assign([P0, P1])
    return backlog


def take(backlog: Backlog) -> Work:
    work = backlog.take(0)
    assert work is not None
    return work


def test_records_come_in_order_of_arrival(backlog: Backlog) -> None:
    backlog.put(P0, [Raw(0), Raw(1, b"l")])
    backlog.put(P1, [Raw(7)])

    assert [take(backlog).record.offset for _ in range(3)] == [0, 1, 7]
    assert backlog.take(0) is None


def test_keys_take_turns(backlog: Backlog) -> None:
    backlog.put(P0, [Raw(offset, b"a") for offset in range(4)])
    assert take(backlog).record.offset == 0
    backlog.put(P0, [Raw(4, b"b"), Raw(5, b"b")])
    backlog.put(P1, [Raw(9, b"c")])

    assert [take(backlog).record.offset for _ in range(6)] == [1, 4, 9, 2, 5, 3]


def test_only_what_is_done_from_the_bottom_may_be_committed(backlog: Backlog) -> None:
    backlog.put(P0, [Raw(10), Raw(11), Raw(12)])
    first, second, third = take(backlog), take(backlog), take(backlog)
    assert backlog.committable() == {P0: 10}
    backlog.done(second)
    assert backlog.committable() == {P0: 10}
    backlog.done(first)
    assert backlog.committable() == {P0: 12}
    backlog.committed({P0: 12})
    assert backlog.committable() == {}
    backlog.done(third)
    assert backlog.committable() == {P0: 13}


def test_a_retried_record_holds_back_its_key_and_nothing_else(backlog: Backlog, clock: MonotonicClock) -> None:
    backlog.put(P0, [Raw(0, b"a"), Raw(1, b"b"), Raw(2, b"a"), Raw(3, b"c"), Raw(4, b"a")])
    backlog.retry(take(backlog), 5)

    for offset in (1, 3):
        work = take(backlog)
        assert work.record.offset == offset
        backlog.done(work)
    assert backlog.take(0) is None
    assert backlog.committable() == {P0: 0}

    clock.now = 5
    again = take(backlog)
    assert again.record.offset == 0
    assert backlog.take(0) is None
    backlog.done(again)
    assert [take(backlog).record.offset for _ in range(2)] == [2, 4]


def test_a_record_that_is_retried_twice_keeps_its_key_waiting(backlog: Backlog, clock: MonotonicClock) -> None:
    backlog.put(P0, [Raw(0, b"a"), Raw(1, b"a")])
    backlog.retry(take(backlog), 1)
    clock.now = 1
    backlog.retry(take(backlog), 1)
    assert backlog.take(0) is None
    clock.now = 2
    backlog.done(take(backlog))

    assert take(backlog).record.offset == 1


def test_the_next_of_a_key_may_be_retried_as_well(backlog: Backlog, clock: MonotonicClock) -> None:
    backlog.put(P0, [Raw(0, b"a"), Raw(1, b"a"), Raw(2, b"a")])
    backlog.retry(take(backlog), 1)
    clock.now = 1
    backlog.done(take(backlog))
    backlog.retry(take(backlog), 1)
    assert backlog.take(0) is None
    clock.now = 2

    assert take(backlog).record.offset == 1
    assert backlog.take(0) is None


def test_a_revoked_partition_is_forgotten_and_its_record_in_hand_changes_nothing(backlog: Backlog) -> None:
    backlog.put(P0, [Raw(0), Raw(1)])
    in_hand = take(backlog)
    backlog.revoke([P0])
    backlog.assign([P0])
    backlog.put(P0, [Raw(0)])
    backlog.done(in_hand)

    assert backlog.committable() == {P0: 0}
    assert take(backlog).record.offset == 0
    assert backlog.take(0) is None


def test_a_retry_of_a_revoked_partition_is_forgotten(backlog: Backlog, clock: MonotonicClock) -> None:
    backlog.put(P0, [Raw(0)])
    waiting = take(backlog)
    backlog.retry(waiting, 1)
    backlog.revoke()
    backlog.retry(waiting, 1)
    clock.now = 10

    assert backlog.take(0) is None
    assert len(backlog) == 0


def test_records_of_a_partition_that_is_not_ours_are_not_kept(backlog: Backlog) -> None:
    backlog.revoke([P0])
    backlog.put(P0, [Raw(0)])

    assert len(backlog) == 0


def test_a_full_partition_pauses_until_half_of_it_is_done(backlog: Backlog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlogs, "FULL_RECORDS", 4)
    backlog.put(P0, [Raw(offset) for offset in range(4)])
    assert backlog.pauses() == ([P0], [])
    assert backlog.paused
    backlog.done(take(backlog))
    backlog.done(take(backlog))
    assert backlog.pauses() == ([], [])
    backlog.done(take(backlog))
    assert backlog.pauses() == ([], [P0])


def test_large_records_fill_a_partition_too(backlog: Backlog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlogs, "FULL_BYTES", 100)
    backlog.put(P0, [Raw(0, value=b"x" * 101)])

    assert backlog.pauses() == ([P0], [])


def test_waking_ends_the_waiting(backlog: Backlog) -> None:
    backlog.put(P0, [Raw(0)])
    backlog.wake()

    assert backlog.take(60) is None
