"""From the networks' fractions to the vocals of every bin and channel."""

import numpy as np
import pytest
from numpy.typing import NDArray

from separation.models.mask.estimate import estimated_vocals, projection_mask, ratio_mask
from separation.settings import SeparationSettings
from separation.spectral.filter import WienerFilter
from separation.spectral.loops import divided_powers
from tests.separation.signals import complex_noise

STEREO = np.eye(2, dtype=np.float32)
MASKS_ONLY = SeparationSettings(wiener_share=0, extension_gain=1)


def _fractions(vocals: float, accompaniment: float, frames: int = 3) -> NDArray[np.float32]:
    return np.stack([np.full((2, frames, 1024), level, np.float32) for level in (vocals, accompaniment)])


@pytest.mark.parametrize("exponent", [0.625, 1.0, 1.5, 2.0])
def test_ratio_masks_share_the_mixture_out(exponent: float) -> None:
    fractions = np.random.default_rng(0).random((2, 2, 8, 4)).astype(np.float32)
    vocals, rest = (ratio_mask(fractions, stem, exponent) for stem in (0, 1))
    np.testing.assert_allclose(vocals + rest, 1, rtol=1e-5)
    np.testing.assert_allclose(vocals / rest, (fractions[0] / fractions[1]) ** exponent, rtol=1e-3)


def test_nothing_estimated_is_not_a_division_by_zero() -> None:
    assert not ratio_mask(np.zeros((2, 2, 8, 4), np.float32), 0, 2).any()


def test_the_projection_is_the_best_real_gain_for_known_magnitudes() -> None:
    voice, band = complex_noise(200, 64, 1), complex_noise(200, 64, 2)
    mixture = voice + band
    audible = np.abs(mixture) > np.maximum(np.abs(voice), np.abs(band))  # else a fraction is beyond 1
    fractions = np.stack([np.abs(voice), np.abs(band)])[:, :, None] / np.abs(mixture)[:, None]
    mask = projection_mask(fractions.astype(np.float32), 0)[:, 0]
    np.testing.assert_allclose(mask[audible], (voice / mixture).real[audible], atol=1e-4)
    ratio = ratio_mask(fractions.astype(np.float32), 0, 2)[:, 0]
    errors = [np.square(np.abs(gain * mixture - voice))[audible].sum() for gain in (mask, ratio)]
    assert errors[0] < errors[1]


def test_projections_share_the_mixture_out() -> None:
    np.testing.assert_allclose(projection_mask(_fractions(0.7, 0.3), 0), 0.7, rtol=1e-6)
    np.testing.assert_allclose(projection_mask(_fractions(0.9, 0.9), 0), 0.5)
    fractions = np.random.default_rng(0).random((2, 2, 8, 4)).astype(np.float32)
    vocals, rest = (projection_mask(fractions, stem) for stem in (0, 1))
    np.testing.assert_allclose(vocals + rest, 1, rtol=1e-6)
    assert vocals.min() >= 0
    four = np.random.default_rng(0).random((4, 2, 8, 4)).astype(np.float32)
    assert 0 <= projection_mask(four, 0).min() <= projection_mask(four, 0).max() <= 1


def test_estimates_apply_to_the_band_and_extend_above_it() -> None:
    spectra = np.full((3, 2, 2049), 2 + 1j, np.complex64)
    fractions = _fractions(0.5, 0.5)
    fractions[0, ..., -32:], fractions[1, ..., -32:] = 0.25, 0.75
    masked = estimated_vocals(spectra.copy(), fractions, 0, STEREO, MASKS_ONLY)
    np.testing.assert_allclose(masked[..., :900], 1 + 0.5j)
    np.testing.assert_allclose(masked[..., 1024:], (2 + 1j) / 4)
    banded = SeparationSettings(extension_gain=0)
    assert not estimated_vocals(spectra.copy(), fractions, 0, STEREO, banded)[..., 1024:].any()


def test_masks_are_routed_to_channels() -> None:
    spectra = np.ones((1, 3, 2049), np.complex64)
    vocals = np.stack([np.full((1, 1024), 0.2), np.full((1, 1024), 0.6)]).astype(np.float32)
    routing = np.array([[1, 0], [0.5, 0.5], [0, 0]], np.float32)
    masked = estimated_vocals(spectra.copy(), np.stack([vocals, 1 - vocals]), 0, routing, MASKS_ONLY)
    np.testing.assert_allclose(masked[0, :, 5], [0.2, 0.4, 0], rtol=1e-6)


def test_a_patch_is_estimated_the_same_in_one_piece_and_with_all_steps() -> None:
    spectra = np.stack([complex_noise(100, 2049, 1), complex_noise(100, 2049, 2)], axis=1)
    fractions = np.random.default_rng(3).random((2, 2, 100, 1024)).astype(np.float32)
    settings = SeparationSettings(wiener_share=0.6)
    estimate = estimated_vocals(spectra.copy(), fractions, 0, STEREO, settings)
    band, swapped = spectra[..., :1024], fractions.swapaxes(1, 2)
    wiener = WienerFilter(1024)
    wiener.learn(band, ratio_mask(swapped, 0, 2))
    band, filtered = np.ascontiguousarray(band), np.zeros(band.shape, np.complex64)
    powers = divided_powers(band, ratio_mask(swapped, 0, 0.625))
    wiener.add_to(filtered, np.zeros(band.shape, np.float32), band, powers, 1.0)
    expected = 0.4 * band * projection_mask(swapped, 0) + 0.6 * filtered
    np.testing.assert_allclose(estimate[..., :1024], expected, rtol=1e-3, atol=1e-4)
