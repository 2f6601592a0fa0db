"""The compiled loops against the same formulas in double precision, for every processor that this machine can be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from separation.errors import RuntimeMissing
from separation.machine.compiled import library_file, loaded
from separation.spectral import loops
from tests.separation.machine.processors import each_processor

BINS = [1, 37, 1024]
FRAMES = 5


_processor = each_processor(loops)


def _stereo(bins: int, seed: int = 0) -> NDArray[np.complex64]:
    """A band of wider spectra, as the engine has it."""
    random = np.random.default_rng(seed)
    whole = random.standard_normal((FRAMES, 2, bins + 9)) + 1j * random.standard_normal((FRAMES, 2, bins + 9))
    return whole.astype(np.complex64)[..., :bins]


def _gains(bins: int, channels: int, seed: int = 1) -> NDArray[np.float32]:
    """With the channels first in memory, as the networks answer."""
    random = np.random.default_rng(seed)
    return random.random((channels, FRAMES, bins)).astype(np.float32).swapaxes(0, 1)


@pytest.mark.parametrize("bins", BINS)
def test_magnitudes(bins: int) -> None:
    spectra = _stereo(bins)
    np.testing.assert_allclose(loops.magnitudes(spectra), np.abs(spectra.astype(complex)), rtol=1e-6)
    swapped = spectra[::2, ::-1]
    np.testing.assert_allclose(loops.magnitudes(swapped), np.abs(swapped.astype(complex)), rtol=1e-6)


@pytest.mark.parametrize(("channels", "size", "hop"), [(1, 8, 2), (2, 96, 24), (6, 64, 16)])
def test_overlap_add(channels: int, size: int, hop: int) -> None:
    random = np.random.default_rng(0)
    segments = random.standard_normal((7, channels, size)).astype(np.float32)
    window = random.random(size).astype(np.float32)
    expected = np.zeros((channels, 6 * hop + size))
    for number, segment in enumerate(segments):
        expected[:, number * hop : number * hop + size] += window * segment.astype(float)
    sums = np.zeros((channels, size), np.float32)
    parts = [loops.overlap_add(part, window, sums, hop) for part in (segments[:3], segments[3:])]
    np.testing.assert_allclose(np.concatenate(parts), expected[:, : 7 * hop].T, atol=1e-5)
    np.testing.assert_allclose(sums[:, : size - hop], expected[:, 7 * hop :], atol=1e-5)
    assert not sums[:, size - hop :].any()


@pytest.mark.parametrize("bins", BINS)
@pytest.mark.parametrize("channels", [1, 2])
def test_covariances_are_added(bins: int, channels: int) -> None:
    mixture, gains = _stereo(bins), _gains(bins, channels)
    sums = np.full((4, bins), 7.0)
    loops.add_covariances(mixture, gains, sums)
    left, right = (gains.astype(float) * mixture).swapaxes(0, 1)
    cross = (left * right.conj()).sum(axis=0)
    expected = [(abs(left) ** 2).sum(axis=0), (abs(right) ** 2).sum(axis=0), cross.real, cross.imag]
    np.testing.assert_allclose(sums - 7, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bins", BINS)
@pytest.mark.parametrize("channels", [1, 2])
def test_powers_are_divided(bins: int, channels: int) -> None:
    mixture, gains = _stereo(bins), _gains(bins, channels)
    own, rest = loops.divided_powers(mixture, gains)
    for answer, part in ((own, gains.astype(float)), (rest, 1 - gains.astype(float))):
        np.testing.assert_allclose(answer, (np.abs(part * mixture) ** 2).sum(axis=1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bins", BINS)
@pytest.mark.parametrize("in_place", [True, False])
def test_what_is_filtered_is_the_wiener_filters_answer(bins: int, in_place: bool) -> None:
    mixture, gains = _stereo(bins), _gains(bins, 1)
    random = np.random.default_rng(2)
    own, rest = (random.random((2, FRAMES, bins)) * 10).astype(np.float32)
    covariances = np.zeros((2, 4, bins), np.float32)
    for source in covariances:
        source[:] = random.random((4, bins))
        source[2:] *= 0.5 * np.sqrt(source[0] * source[1])
    answer = mixture if in_place else _stereo(bins, 5)
    before, heard = answer.astype(complex), mixture.astype(complex)

    matrices = np.empty((2, bins, 2, 2), complex)
    for matrix, (left, right, real, imaginary) in zip(matrices, covariances.astype(float), strict=True):
        matrix[:, 0, 0], matrix[:, 1, 1] = left, right
        matrix[:, 0, 1], matrix[:, 1, 0] = real + 1j * imaginary, real - 1j * imaginary
    noise = (0.01 * (own + rest) + 0.1)[..., None, None] * np.eye(2)
    total = own[..., None, None] * matrices[0] + rest[..., None, None] * matrices[1] + noise
    filters = own[..., None, None] * matrices[0] @ np.linalg.inv(total)
    filtered = (filters @ heard.swapaxes(1, 2)[..., None])[..., 0].swapaxes(1, 2)

    loops.add_filtered(*(answer, gains, mixture, (own, rest), covariances), regularisation=0.01, least=0.1, share=0.6)
    np.testing.assert_allclose(answer, gains * before + 0.6 * filtered, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bins", BINS)
@pytest.mark.parametrize(("stems", "channels"), [(2, 1), (2, 2), (4, 1)])
def test_powers_of_frames(bins: int, stems: int, channels: int) -> None:
    random = np.random.default_rng(0)
    mixture = random.random((2, FRAMES, bins)).astype(np.float32)
    fractions = random.random((stems, 2, FRAMES, bins)).astype(np.float32)[:, :channels]
    own, whole = loops.frame_powers(mixture, fractions, 1, 1e-10)
    squares = fractions.astype(float) ** 2
    masks = squares[1] / squares.sum(axis=0)
    np.testing.assert_allclose(own, ((masks * mixture) ** 2).sum(axis=(0, 2)), rtol=1e-5)
    np.testing.assert_allclose(whole, (mixture.astype(float) ** 2).sum(axis=(0, 2)), rtol=1e-5)


def test_powers_of_frames_in_which_nothing_is_found() -> None:
    own, whole = loops.frame_powers(np.ones((2, 3, 8), np.float32), np.zeros((2, 1, 3, 8), np.float32), 0, 1e-10)
    assert not own.any()
    np.testing.assert_array_equal(whole, 16)


def test_lines_are_interpolated() -> None:
    random = np.random.default_rng(0)
    lines = random.random((3, 4, 10)).astype(np.float32)
    places = random.integers(0, 10, (2, 7)).astype(np.int32)
    weights = random.random((2, 7)).astype(np.float32)
    expected = lines[..., places[0]] * weights[0] + lines[..., places[1]] * weights[1]
    np.testing.assert_allclose(loops.interpolate(lines, places, weights), expected, rtol=1e-6)
    np.testing.assert_array_equal(
        loops.interpolate(lines[:, ::2], places, weights), loops.interpolate(lines, places, weights)[:, ::2]
    )


def _filtered(answer: Any, gains: Any, mixture: Any, own: Any) -> None:
    covariances = np.ones((2, 4, mixture.shape[-1]), np.float32)
    loops.add_filtered(answer, gains, mixture, (own, own), covariances, regularisation=0.1, least=0.1, share=1.0)


def test_arrays_that_the_loops_would_misread_are_refused() -> None:
    """Whatever the caller gets wrong: C would take another type for noise, and read beyond what has gaps."""
    mixture, own = _stereo(8), np.ones((FRAMES, 8), np.float32)
    gains = np.ones((FRAMES, 1, 8), np.float32)
    fractions = np.ones((2, 1, FRAMES, 8), np.float32)
    heard = np.ones((2, FRAMES, 8), np.float32)
    segments, sums = np.ones((1, 1, 8), np.float32), np.zeros((1, 8), np.float32)
    places, weights = np.zeros((1, 4), np.int32), np.ones((1, 4), np.float32)
    wrong: list[Callable[[], object]] = [
        lambda: loops.magnitudes(np.ones((2, 2, 16), np.complex64)[..., ::2]),
        lambda: loops.magnitudes(mixture.astype(np.complex128)),
        lambda: _filtered(mixture.copy(), gains, mixture, own),  # without the gaps of the mixture
        lambda: _filtered(mixture, gains.astype(float), mixture, own),
        lambda: _filtered(mixture, gains, mixture, own.astype(float)),
        lambda: _filtered(mixture, gains, mixture, np.ones((FRAMES, 16), np.float32)[:, ::2]),
        lambda: loops.divided_powers(mixture, gains.astype(float)),
        lambda: loops.add_covariances(mixture, gains, np.zeros((4, 8), np.float32)),
        lambda: loops.frame_powers(heard, fractions.astype(float), 0, 1e-10),
        lambda: loops.frame_powers(heard, np.ones((2, 1, 2 * FRAMES, 8), np.float32)[:, :, ::2], 0, 1e-10),
        lambda: loops.frame_powers(heard.astype(float), fractions, 0, 1e-10),
        lambda: loops.overlap_add(segments.astype(float), sums[0], sums, 2),
        lambda: loops.interpolate(heard, places.astype(np.int64), weights),
        lambda: loops.interpolate(heard, places, weights.astype(float)),
    ]
    for call in wrong:
        with pytest.raises(ValueError, match=r"expected|next to each other|alike"):
            call()


def test_a_part_that_was_not_compiled_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissing, match=r"spectra-.*install Stemwright"):
        loaded(library_file(tmp_path, "spectra"), {})
