"""From the networks' fractions to the vocals of every bin and channel."""

import numpy as np
import pytest
from numpy.typing import NDArray

from separation.estimates import estimated_vocals, presence, ratio_mask, residual_mask, wiener_vocals
from separation.settings import SeparationSettings

STEREO = np.eye(2, dtype=np.float32)
MASKS_ONLY = SeparationSettings(wiener_share=0, extension_gain=1, presence_floor_db=None)


def _fractions(vocals: float, accompaniment: float, frames: int = 3) -> NDArray[np.float32]:
    return np.stack([np.full((2, frames, 1024), level, np.float32) for level in (vocals, accompaniment)])


def _noise(frames: int, bins: int, seed: int = 0) -> NDArray[np.complex64]:
    random = np.random.default_rng(seed)
    return (random.standard_normal((frames, bins)) + 1j * random.standard_normal((frames, bins))).astype(np.complex64)


@pytest.mark.parametrize("exponent", [0.625, 1.0, 1.5, 2.0])
def test_ratio_masks_share_the_mixture_out(exponent: float) -> None:
    fractions = np.random.default_rng(0).random((2, 2, 8, 4)).astype(np.float32)
    vocals, rest = (ratio_mask(fractions, stem, exponent) for stem in (0, 1))
    np.testing.assert_allclose(vocals + rest, 1, rtol=1e-5)
    np.testing.assert_allclose(vocals / rest, (fractions[0] / fractions[1]) ** exponent, rtol=1e-3)


def test_nothing_estimated_is_not_a_division_by_zero() -> None:
    assert not ratio_mask(np.zeros((2, 2, 8, 4), np.float32), 0, 2).any()


def test_the_residual_is_shared_in_equal_parts() -> None:
    np.testing.assert_allclose(residual_mask(_fractions(0.5, 0.1), 0), 0.7)
    np.testing.assert_allclose(residual_mask(_fractions(0.9, 0.9), 0), 0.5)
    fractions = np.random.default_rng(0).random((2, 2, 8, 4)).astype(np.float32)
    vocals, rest = (residual_mask(fractions, stem) for stem in (0, 1))
    np.testing.assert_allclose(vocals + rest, 1, rtol=1e-6)
    assert vocals.min() >= 0
    four = np.random.default_rng(0).random((4, 2, 8, 4)).astype(np.float32)
    assert 0 <= residual_mask(four, 0).min() <= residual_mask(four, 0).max() <= 1


def test_estimates_apply_to_the_band_and_extend_above_it() -> None:
    spectra = np.full((3, 2, 2049), 2 + 1j, np.complex64)
    fractions = _fractions(0.5, 0.5)
    fractions[0, ..., -32:], fractions[1, ..., -32:] = 0.25, 0.75
    masked = estimated_vocals(spectra, fractions, 0, STEREO, MASKS_ONLY)
    np.testing.assert_allclose(masked[..., :900], 1 + 0.5j)
    np.testing.assert_allclose(masked[..., 1024:], (2 + 1j) / 4)
    assert not estimated_vocals(spectra, fractions, 0, STEREO, SeparationSettings.spleeter())[..., 1024:].any()


def test_masks_are_routed_to_channels() -> None:
    spectra = np.ones((1, 3, 2049), np.complex64)
    vocals = np.stack([np.full((1, 1024), 0.2), np.full((1, 1024), 0.6)]).astype(np.float32)
    routing = np.array([[1, 0], [0.5, 0.5], [0, 0]], np.float32)
    masked = estimated_vocals(spectra, np.stack([vocals, 1 - vocals]), 0, routing, MASKS_ONLY)
    np.testing.assert_allclose(masked[0, :, 5], [0.2, 0.4, 0], rtol=1e-6)


def test_the_wiener_filter_knows_where_a_source_stands() -> None:
    """A voice on the left, a band on the right: from masks that know little the filter learns to tell them apart."""
    voice, band = _noise(512, 32, 1), _noise(512, 32, 2)
    sources = [voice[:, None] * np.array([[1], [0.1]]), band[:, None] * np.array([[0.1], [1]])]
    mixture = (sources[0] + sources[1]).astype(np.complex64)
    mask = np.full(mixture.shape, 0.5, np.float32)
    mask[:, 0], mask[:, 1] = 0.7, 0.3
    errors = [
        np.square(np.abs(estimate - sources[0])).sum()
        for estimate in (mask * mixture, wiener_vocals(mixture, mask, mask))
    ]
    assert errors[1] < 0.3 * errors[0]


def test_the_wiener_filter_is_finite_and_close_to_the_mask_without_directions() -> None:
    mono = np.repeat(_noise(512, 16)[:, None], 2, axis=1)
    mask = np.random.default_rng(1).random((512, 1, 16)).astype(np.float32).repeat(2, axis=1)
    vocals = wiener_vocals(mono, mask, mask)
    np.testing.assert_allclose(vocals[:, 0], vocals[:, 1], rtol=1e-3, atol=1e-5)
    expected = mask**2 / (mask**2 + (1 - mask) ** 2)
    np.testing.assert_allclose(vocals, expected * mono, rtol=0.01, atol=0.01)
    silence, half = np.zeros((20, 2, 16), np.complex64), np.full((20, 2, 16), 0.5, np.float32)
    assert not wiener_vocals(silence, half, half).any()
    nothing = np.zeros(mono.shape, np.float32)
    assert np.isfinite(wiener_vocals(mono, nothing, nothing)).all()


def test_the_vocals_fade_where_nobody_sings() -> None:
    spectra = np.repeat(_noise(512, 16)[:, None], 2, axis=1)
    mask = np.full(spectra.shape, 0.5, np.float32)
    mask[:200] = 0.01
    gain = presence(spectra, mask, -26)
    assert (gain[:100] < 0.01).all()
    assert (gain[300:] > 0.99).all()
    assert gain[130:270].min() >= gain[:100].min()
    at_the_floor = np.full(spectra.shape, 10 ** (-26 / 20), np.float32)
    np.testing.assert_allclose(presence(spectra, at_the_floor, -26), 0.5, rtol=1e-3)
    assert not presence(np.zeros_like(spectra), mask, -26).any()
