"""The transform and its inverse."""

import numpy as np
import pytest

from separation.spectral.stft import StreamingIstft, StreamingStft, frame_count, hann, overlap_weight
from tests.separation.signals import Samples, music

SIZE, HOP = 4096, 1024


def _round_trip(samples: Samples, block: int) -> Samples:
    transform, inverse = StreamingStft(2, SIZE, HOP), StreamingIstft(2, SIZE, HOP)
    frames = frame_count(len(samples), SIZE, HOP)
    pieces, seen = [], 0
    for begin in range(0, len(samples), block):
        spectra = transform.push(samples[begin : begin + block])
        seen += len(spectra)
        pieces.append(inverse.push(spectra))
    pieces.append(inverse.push(transform.finish(frames - seen)))
    return np.concatenate(pieces)[SIZE - HOP :][: len(samples)]


@pytest.mark.parametrize("length", [1, 2, 1023, 1024, 1025, 4096, 50_001])
def test_inverse_gives_the_samples_back(length: int) -> None:
    samples = music(2)[:length]
    np.testing.assert_allclose(_round_trip(samples, 7000), samples, atol=3e-7)


def test_blocks_do_not_change_a_single_bit() -> None:
    samples = music(1.3)
    whole = _round_trip(samples, len(samples))
    for block in (1152, 4096, 9999):
        assert np.array_equal(_round_trip(samples, block), whole)


@pytest.mark.parametrize("first", [1, 2])
def test_how_samples_lie_in_memory_does_not_matter(first: int) -> None:
    """With nothing or one sample before them NumPy would join them so that the channels lie side by side."""
    samples = music(0.3)
    expected = StreamingStft(2, SIZE, HOP, first_frame=3).push(samples)
    for laid_out in (np.ascontiguousarray(samples), np.asfortranarray(samples)):
        transform = StreamingStft(2, SIZE, HOP, first_frame=3)
        pieces = [transform.push(laid_out[: first - 1]), transform.push(laid_out[first - 1 :])]
        np.testing.assert_array_equal(np.concatenate(pieces), expected)


def test_windows_overlap_to_three_halves_everywhere() -> None:
    assert overlap_weight(SIZE, HOP) == pytest.approx(1.5, abs=1e-12)
    with pytest.raises(ValueError, match="do not overlap-add evenly"):
        overlap_weight(SIZE, SIZE // 2)


def test_window_is_periodic() -> None:
    assert hann(8)[0] == 0
    assert hann(8)[4] == pytest.approx(1)
    assert hann(8)[1] == pytest.approx(hann(8)[7])


def test_frames_equal_a_direct_transform() -> None:
    samples = music(1)
    spectra = StreamingStft(2, SIZE, HOP).push(samples)
    frame = 10
    begin = frame * HOP - (SIZE - HOP)
    direct = np.fft.rfft(samples[begin : begin + SIZE].astype(np.float64) * hann(SIZE)[:, None], axis=0)
    np.testing.assert_allclose(spectra[frame].T, direct, atol=1e-3)


def test_transform_may_begin_in_the_middle() -> None:
    samples = music(2)
    whole = StreamingStft(2, SIZE, HOP).push(samples)
    first = 20
    part = StreamingStft(2, SIZE, HOP, first).push(samples[first * HOP - (SIZE - HOP) :])
    assert np.array_equal(part, whole[first:])


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 4), (1024, 4), (1025, 5)])
def test_frame_count(samples: int, frames: int) -> None:
    assert frame_count(samples, SIZE, HOP) == frames
