"""Gaps that times tell of, and stretches that are presented."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from separation.audio.timeline import Clock, Samples, Stretch, silence, stretches_of

MILLISECOND = Fraction(1, 1000)


def test_frames_without_a_gap_miss_nothing() -> None:
    clock = Clock(Fraction(1, 44100), 44100, 50)
    assert [clock.missing_before(1000 + 1024 * number, 1024) for number in range(5)] == [0] * 5


def test_a_gap_is_as_many_whole_frames_as_rounded_times_may_mean() -> None:
    clock = Clock(MILLISECOND, 48000, 480)
    assert clock.missing_before(0, 960) == 0
    assert clock.missing_before(61, 960) == 2 * 960


def test_times_that_waver_are_no_gaps() -> None:
    clock = Clock(MILLISECOND, 48000, 480)
    assert [clock.missing_before(time, 960) for time in (0, 28, 33, 68, 80)] == [0] * 5


def test_a_clock_that_drifts_makes_no_gaps() -> None:
    clock = Clock(Fraction(1, 48000), 48000, 480)
    assert not any(clock.missing_before(number * 970, 960) for number in range(1000))


def test_frames_without_a_time_follow_each_other() -> None:
    clock = Clock(Fraction(1, 44100), 44100, 50)
    times = [0, None, None, 4096]
    assert [clock.missing_before(time, 1024) for time in times] == [0, 0, 0, 1024]


@pytest.mark.parametrize("time", [2**60, -(2**60), 44100 * 3600])
def test_a_time_that_cannot_be_is_no_gap(time: int) -> None:
    clock = Clock(Fraction(1, 44100), 44100, 50)
    assert clock.missing_before(0, 1024) == 0
    assert clock.missing_before(time, 1024) == 0
    assert clock.missing_before(time + 1024, 1024) == 0


def test_gaps_of_hours_in_small_pieces_come_to_an_end() -> None:
    clock = Clock(Fraction(1, 8000), 8000, 50)
    missing = sum(clock.missing_before(number * 8000 * 300, 800) for number in range(100))
    assert missing <= 600 * 8000


def _blocks(length: int) -> Iterator[Samples]:
    whole = np.arange(2 * length, dtype=np.float32).reshape(length, 2)
    for begin in range(0, length, 7):
        yield whole[begin : begin + 7]


@pytest.mark.parametrize(
    ("stretches", "expected"),
    [
        ([Stretch(0, None)], list(range(50))),
        ([Stretch(10, None)], list(range(10, 50))),
        ([Stretch(3, 30)], list(range(3, 30))),
        ([Stretch(0, 7), Stretch(7, 14)], list(range(14))),
        ([Stretch(3, 5), Stretch(20, 22)], [3, 4, 20, 21]),
        ([Stretch(5, 8, silence=3)], [-1, -1, -1, 5, 6, 7]),
        ([Stretch(5, 6), Stretch(9, 10, silence=2)], [5, -1, -1, 9]),
        ([Stretch(45, 900)], list(range(45, 50))),
        ([Stretch(60, 70)], []),
        ([Stretch(4, 4)], []),
    ],
)
def test_what_stretches_present(stretches: list[Stretch], expected: list[int]) -> None:
    presented = [*stretches_of(_blocks(50), stretches, 2)]
    left = np.concatenate([np.zeros((0, 2)), *presented])[:, 0] / 2
    np.testing.assert_array_equal(left, [max(0, place) for place in expected])


def test_nothing_is_read_behind_the_last_stretch() -> None:
    blocks = _blocks(50)
    list(stretches_of(blocks, [Stretch(0, 10)], 2))
    assert next(blocks)[0, 0] == 2 * 14


def test_silence_lies_in_memory_as_sound_does() -> None:
    blocks = list(silence(200_000, 2))
    assert sum(len(block) for block in blocks) == 200_000
    assert all(block.T.flags.c_contiguous and not block.any() for block in blocks)
