"""Stems sum to the mixture, whatever the numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from separation.stems.split import split_float, split_integer
from tests.separation.signals import Samples

FLOATS = arrays(np.float32, (20, 2), elements=st.floats(-1.5, 1.5, width=32))
ANY = arrays(np.float32, (20, 2), elements=st.floats(-256, 256, width=32))
PCM16 = arrays(np.int32, (20, 2), elements=st.integers(-(2**15), 2**15 - 1))
PCM24 = arrays(np.int32, (20, 2), elements=st.integers(-(2**23), 2**23 - 1))
WITHIN = arrays(np.float32, (20, 2), elements=st.floats(-1, 1, width=32))


@given(PCM16, WITHIN)
def test_float_stems_of_16_bit_audio_sum_exactly(mixture: Samples, vocals: Samples) -> None:
    whole = (mixture / 2**15).astype(np.float32)
    estimate, rest = split_float(whole, vocals)
    assert np.array_equal(estimate + rest, whole)


@given(PCM24, arrays(np.float32, (20, 2), elements=st.floats(-0.25, 0.25, width=32)))
def test_float_stems_of_24_bit_audio_sum_exactly(mixture: Samples, vocals: Samples) -> None:
    # Up to the point where a stem needs a 25th bit: stems within full scale.
    whole = (mixture / 2**24).astype(np.float32)
    estimate, rest = split_float(whole, vocals)
    assert np.array_equal(estimate + rest, whole)


@given(ANY, ANY)
def test_float_stems_of_anything_sum_to_the_last_bit_of_the_larger_stem(mixture: Samples, vocals: Samples) -> None:
    estimate, rest = split_float(mixture, vocals)
    larger = np.maximum(np.abs(estimate), np.abs(rest)).astype(np.float64)
    assert (np.abs(estimate.astype(np.float64) + rest - mixture) <= np.maximum(larger * 2**-24, 2**-149)).all()
    largest = np.maximum(np.maximum(np.abs(mixture), np.abs(vocals)), larger)
    assert (np.abs(estimate.astype(np.float64) - vocals) <= np.maximum(largest * 2**-23, 2**-149)).all()


@given(FLOATS, ANY)
def test_integer_stems_stay_in_range_and_sum_within_half_a_step(mixture: Samples, vocals: Samples) -> None:
    for bits in (16, 24):
        scale = 2 ** (bits - 1)
        split = split_integer(mixture, vocals, bits)
        for stem in (split.mixture, split.vocals, split.instrumental):
            assert stem.min() >= -scale
            assert stem.max() < scale
        total = split.vocals.astype(np.int64) + split.instrumental
        assert np.abs(total - mixture.astype(np.float64) * scale).max() <= 0.5


def test_limited_samples_are_counted() -> None:
    mixture = np.array([[0.5], [0.0], [1.25]], np.float32)
    vocals = np.array([[-0.8], [0.1], [0.5]], np.float32)
    split = split_integer(mixture, vocals, 16)
    assert (split.stems_limited, split.mixture_limited) == (1, 1)
    assert split.instrumental[0, 0] == 2**15 - 1
    assert split.vocals[0, 0] == 2**14 - (2**15 - 1)
