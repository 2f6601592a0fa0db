"""Block-wise resampling."""

import numpy as np
import pytest
import soxr

from separation.audio.resample import BlockResampler
from tests.separation.signals import Samples, music


def _resample(samples: Samples, rates: tuple[int, int], block: int = 10_000) -> Samples:
    resampler = BlockResampler(*rates, samples.shape[1])
    end = -(-len(samples) * rates[1] // rates[0])
    pieces = [resampler.push(samples[begin : begin + block]) for begin in range(0, len(samples), block)]
    return np.concatenate([*pieces, resampler.finish(end)])


@pytest.mark.parametrize(
    "rates", [(48000, 44100), (44100, 48000), (96000, 44100), (192000, 44100), (44100, 8000), (44100, 22051)]
)
def test_blocks_leave_no_trace(rates: tuple[int, int]) -> None:
    """Against one filter that runs through the whole signal, in silence: no difference but rounding."""
    samples = music(3.3, rate=rates[0])
    silence = np.zeros((rates[0], 2), np.float32)
    surrounded = np.concatenate([silence, samples, silence])
    whole = soxr.resample(surrounded, *rates, quality="HQ")[rates[1] : -rates[1]]
    ours = _resample(samples, rates)
    length = min(len(whole), len(ours))
    assert abs(len(whole) - len(ours)) <= 1
    assert np.abs(ours[:length] - whole[:length]).max() < 1e-6


@pytest.mark.parametrize("rates", [(48000, 44100), (44100, 96000), (22051, 44100)])
def test_a_later_beginning_gives_the_same_bits(rates: tuple[int, int]) -> None:
    samples = music(4, rate=rates[0], channels=1)
    whole = _resample(samples, rates)
    first = int(2.3 * rates[1])
    late = BlockResampler(*rates, 1, first)
    assert late.first_input > 0
    part = np.concatenate([late.push(samples[late.first_input :]), late.finish(len(whole))])
    assert np.array_equal(part, whole[first:])


def test_equal_rates_pass_samples_through() -> None:
    samples = music(0.5)
    assert np.array_equal(_resample(samples, (44100, 44100)), samples)
