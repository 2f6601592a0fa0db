"""The compiled loops over samples against the same formulas in NumPy, for every processor that this machine can be."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from separation.audio import loops
from tests.separation.machine.processors import each_processor

FILTERS = np.array([[1.5, -2.6, 1.2, -1.6, 0.7], [1.0, -2.0, 1.0, -1.9, 0.91]])


_processor = each_processor(loops)


def _planes(channels: int, count: int, scale: float = 1.0) -> NDArray[np.float32]:
    """A stretch of longer planes, as the engine has them."""
    random = np.random.default_rng(channels * count)
    return (scale * random.standard_normal((channels, count + 7))).astype(np.float32)[:, 3 : 3 + count]


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("cuts", [[1000], [1, 99, 100, 101, 699], [333, 667]])
def test_energies_of_segments(channels: int, cuts: list[int]) -> None:
    from scipy.signal import lfilter  # a second of processor time, which collecting the tests need not take

    planes, weights = _planes(channels, 1000), np.linspace(0.5, 1.5, channels)
    states, filled, energies = np.zeros((channels, 5)), 0, list[float]()
    for begin, count in zip(np.cumsum([0, *cuts[:-1]]), cuts, strict=True):
        found = np.zeros((filled + count) // 100)
        loops.add_energies(planes[:, begin : begin + count], FILTERS, states, weights, 100, filled, found)
        filled = (filled + count) % 100
        energies += found.tolist()
    weighted = planes.astype(float)
    for b0, b1, b2, a1, a2 in FILTERS:
        weighted = lfilter([b0, b1, b2], [1, a1, a2], weighted)
    expected = (np.square(weighted).reshape(channels, 10, 100).mean(axis=2) * weights[:, None]).sum(axis=0)
    np.testing.assert_allclose(energies, expected, rtol=1e-9)


def test_what_silence_leaves_in_the_filters_ends() -> None:
    """Numbers that are smaller than a processor's normal ones would take a hundred times as long."""
    states = np.zeros((1, 5))
    for number in range(200):
        block = np.full((1, 1000), float(not number), np.float32)
        loops.add_energies(block, FILTERS, states, np.ones(1), 2000, number % 2 * 1000, np.zeros(number % 2))
    assert not states[:, :4].any()


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("stretch", [1, 15, 16, 37, 200])
def test_extremes_of_stretches(channels: int, stretch: int) -> None:
    planes = _planes(channels, 205) - np.float32(9)  # no zero among them
    lows, highs = loops.extremes(planes, stretch)
    whole = planes[:, : 205 // stretch * stretch].reshape(channels, -1, stretch)
    np.testing.assert_array_equal(lows, whole.min(axis=(0, 2)))
    np.testing.assert_array_equal(highs, whole.max(axis=(0, 2)))


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("count", [1, 16, 1003])
def test_what_is_split_into_whole_numbers_sums_to_the_rounded_mixture(bits: int, count: int) -> None:
    scale = 2 ** (bits - 1)
    mixture, source = (np.ascontiguousarray(_planes(2, count, scale)) for scale in (0.2, 0.3))
    parts = loops.split_whole(mixture, source, scale)
    np.testing.assert_array_equal(parts.whole, np.rint(mixture.astype(float) * scale))
    np.testing.assert_array_equal(parts.part, np.rint(source.astype(float) * scale))
    np.testing.assert_array_equal(parts.rest, parts.whole - parts.part)
    arrays = (parts.whole, parts.part, parts.rest)
    assert parts.lowest == min(0, *(array.min() for array in arrays))
    assert parts.highest == max(0, *(array.max() for array in arrays))
    error = np.square(parts.whole.astype(float) / scale - mixture).sum()
    assert parts.error == pytest.approx(error, rel=1e-6)


def test_halves_are_rounded_to_even() -> None:
    halves = np.array([[0.5, 1.5, 2.5, -0.5, -1.5, 2.0**22 + 0.5]], np.float32)
    found = loops.split_whole(halves, np.zeros_like(halves), 1).whole
    np.testing.assert_array_equal(found, [[0, 2, 2, 0, -2, 2.0**22]])


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(("bits", "kind", "step"), [(16, np.int16, 1), (24, np.int32, 256)])
def test_planes_are_interleaved(channels: int, bits: int, kind: type[np.signedinteger], step: int) -> None:
    limit = 2 ** (bits - 1)
    planes = np.clip(np.rint(_planes(channels, 501, limit)), -limit, limit - 1).astype(np.float32)
    frames = np.empty(planes.size, kind)
    loops.interleave(planes, bits, frames)
    np.testing.assert_array_equal(frames.reshape(501, channels), planes.T.astype(np.int64) * step)
    assert frames.min() == -limit * step


def test_arrays_that_the_loops_would_misread_are_refused() -> None:
    """Whatever the caller gets wrong: C would take another type for noise, and read beyond what has gaps."""
    planes, states, weights = np.ones((2, 8), np.float32), np.zeros((2, 5)), np.ones(2)
    side_by_side = np.ones((8, 2), np.float32).T
    wrong: list[Callable[[], object]] = [
        lambda: loops.add_energies(planes.astype(float), FILTERS, states, weights, 4, 0, np.zeros(2)),
        lambda: loops.add_energies(side_by_side, FILTERS, states, weights, 4, 0, np.zeros(2)),
        lambda: loops.add_energies(planes, FILTERS[:1], states, weights, 4, 0, np.zeros(2)),
        lambda: loops.add_energies(planes, FILTERS, states[:1], weights, 4, 0, np.zeros(2)),
        lambda: loops.add_energies(planes, FILTERS, states, weights[:1], 4, 0, np.zeros(2)),
        lambda: loops.add_energies(planes, FILTERS, states, weights, 4, 0, np.zeros(1)),
        lambda: loops.add_energies(planes, FILTERS.astype(np.float32), states, weights, 4, 0, np.zeros(2)),
        lambda: loops.extremes(side_by_side, 4),
        lambda: loops.split_whole(planes, planes[:1], 2),
        lambda: loops.split_whole(planes, side_by_side, 2),
        lambda: loops.interleave(planes, 16, np.empty(15, np.int16)),
        lambda: loops.interleave(planes, 16, np.empty(16, np.int32)),
        lambda: loops.interleave(planes, 24, np.empty(32, np.int32)[::2]),
    ]
    for call in wrong:
        with pytest.raises(ValueError, match=r"expected|fit|shape|size"):
            call()
