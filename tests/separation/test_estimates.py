"""From the networks' fractions to the vocals of every bin and channel."""

import numpy as np
import pytest
from numpy.typing import NDArray

from separation.estimates import WienerFilter, estimated_vocals, power, projection_mask, ratio_mask
from separation.settings import SeparationSettings
from separation.spectra import divided_powers

STEREO = np.eye(2, dtype=np.float32)
MASKS_ONLY = SeparationSettings(wiener_share=0, extension_gain=1)


def _fractions(vocals: float, accompaniment: float, frames: int = 3) -> NDArray[np.float32]:
    return np.stack([np.full((2, frames, 1024), level, np.float32) for level in (vocals, accompaniment)])


def _noise(frames: int, bins: int, seed: int = 0) -> NDArray[np.complex64]:
    random = np.random.default_rng(seed)
    return (random.standard_normal((frames, bins)) + 1j * random.standard_normal((frames, bins))).astype(np.complex64)


def _filtered(spectra: NDArray[np.complex64], mask: NDArray[np.float32]) -> NDArray[np.complex64]:
    wiener = WienerFilter(spectra.shape[-1])
    for half in (slice(0, len(spectra) // 2), slice(len(spectra) // 2, None)):
        wiener.learn(spectra[half], mask[half])
    return _answer(wiener, spectra, mask)


def _answer(wiener: WienerFilter, spectra: NDArray[np.complex64], mask: NDArray[np.float32]) -> NDArray[np.complex64]:
    """The filter's alone, with the powers that the mask leaves."""
    answer = np.zeros(spectra.shape, np.complex64)
    spectra = np.ascontiguousarray(spectra)
    wiener.add_to(answer, np.zeros_like(mask), spectra, divided_powers(spectra, mask), 1.0)
    return answer


@pytest.mark.parametrize("exponent", [0.625, 1.0, 1.5, 2.0])
def test_ratio_masks_share_the_mixture_out(exponent: float) -> None:
    fractions = np.random.default_rng(0).random((2, 2, 8, 4)).astype(np.float32)
    vocals, rest = (ratio_mask(fractions, stem, exponent) for stem in (0, 1))
    np.testing.assert_allclose(vocals + rest, 1, rtol=1e-5)
    np.testing.assert_allclose(vocals / rest, (fractions[0] / fractions[1]) ** exponent, rtol=1e-3)


def test_nothing_estimated_is_not_a_division_by_zero() -> None:
    assert not ratio_mask(np.zeros((2, 2, 8, 4), np.float32), 0, 2).any()


def test_the_projection_is_the_best_real_gain_for_known_magnitudes() -> None:
    voice, band = _noise(200, 64, 1), _noise(200, 64, 2)
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
    assert not estimated_vocals(spectra.copy(), fractions, 0, STEREO, SeparationSettings.spleeter())[..., 1024:].any()


def test_masks_are_routed_to_channels() -> None:
    spectra = np.ones((1, 3, 2049), np.complex64)
    vocals = np.stack([np.full((1, 1024), 0.2), np.full((1, 1024), 0.6)]).astype(np.float32)
    routing = np.array([[1, 0], [0.5, 0.5], [0, 0]], np.float32)
    masked = estimated_vocals(spectra.copy(), np.stack([vocals, 1 - vocals]), 0, routing, MASKS_ONLY)
    np.testing.assert_allclose(masked[0, :, 5], [0.2, 0.4, 0], rtol=1e-6)


def test_the_wiener_filter_knows_where_a_source_stands() -> None:
    """A voice on the left, a band on the right: from masks that know little the filter learns to tell them apart."""
    voice, band = _noise(512, 32, 1), _noise(512, 32, 2)
    sources = [voice[:, None] * np.array([[1], [0.1]]), band[:, None] * np.array([[0.1], [1]])]
    mixture = (sources[0] + sources[1]).astype(np.complex64)
    mask = np.full(mixture.shape, 0.5, np.float32)
    mask[:, 0], mask[:, 1] = 0.7, 0.3
    errors = [np.square(np.abs(estimate - sources[0])).sum() for estimate in (mask * mixture, _filtered(mixture, mask))]
    assert errors[1] < 0.3 * errors[0]


def test_the_wiener_filter_is_finite_and_close_to_the_mask_without_directions() -> None:
    mono = np.repeat(_noise(512, 16)[:, None], 2, axis=1)
    mask = np.random.default_rng(1).random((512, 1, 16)).astype(np.float32).repeat(2, axis=1)
    vocals = _filtered(mono, mask)
    np.testing.assert_allclose(vocals[:, 0], vocals[:, 1], rtol=1e-3, atol=1e-5)
    expected = mask**2 / (mask**2 + (1 - mask) ** 2)
    np.testing.assert_allclose(vocals, expected * mono, rtol=0.01, atol=0.01)
    silence, half = np.zeros((20, 2, 16), np.complex64), np.full((20, 2, 16), 0.5, np.float32)
    assert not _filtered(silence, half).any()
    nothing = np.zeros(mono.shape, np.float32)
    assert np.isfinite(_filtered(mono, nothing)).all()


def test_a_patch_is_estimated_the_same_in_one_piece_and_with_all_steps() -> None:
    spectra = np.stack([_noise(100, 2049, 1), _noise(100, 2049, 2)], axis=1)
    fractions = np.random.default_rng(3).random((2, 2, 100, 1024)).astype(np.float32)
    settings = SeparationSettings(wiener_share=0.6)
    estimate = estimated_vocals(spectra.copy(), fractions, 0, STEREO, settings)
    band, swapped = spectra[..., :1024], fractions.swapaxes(1, 2)
    wiener = WienerFilter(1024)
    wiener.learn(band, ratio_mask(swapped, 0, 2))
    filtered = _answer(wiener, band, ratio_mask(swapped, 0, 0.625))
    expected = 0.4 * band * projection_mask(swapped, 0) + 0.6 * filtered
    np.testing.assert_allclose(estimate[..., :1024], expected, rtol=1e-3, atol=1e-4)


def test_refining_moves_the_estimate_towards_the_second_filters() -> None:
    spectra = np.stack([_noise(100, 2049, 1), _noise(100, 2049, 2)], axis=1)
    fractions = np.random.default_rng(3).random((2, 2, 100, 1024)).astype(np.float32)
    shares = (0.0, 0.3, 1.0)
    first, between, second = (
        estimated_vocals(spectra.copy(), fractions, 0, STEREO, SeparationSettings(refined_share=share))
        for share in shares
    )
    np.testing.assert_allclose(between, 0.7 * first + 0.3 * second, rtol=1e-3, atol=1e-4)
    mixture, vocals = np.ascontiguousarray(spectra[..., :1024]), first[..., :1024]
    wiener = WienerFilter(1024)
    wiener.learn_from(vocals, mixture - vocals)
    own, rest = (power(part) ** 0.75 for part in (vocals, mixture - vocals))
    share = own / (own + rest)
    powers = tuple((part * power(mixture)).sum(axis=1) for part in (share, 1 - share))
    expected = np.zeros_like(mixture)
    wiener.add_to(expected, np.zeros_like(share), mixture, (powers[0], powers[1]), 1.0)
    np.testing.assert_allclose(second[..., :1024], expected, rtol=1e-3, atol=1e-3)
    assert np.array_equal(first[..., 1024:], second[..., 1024:])


def test_a_filter_learns_the_same_from_a_mask_and_from_what_it_lets_through() -> None:
    spectra = np.stack([_noise(64, 16, 1), _noise(64, 16, 2)], axis=1)
    mask = np.random.default_rng(1).random(spectra.shape).astype(np.float32)
    by_mask, by_estimate = WienerFilter(16), WienerFilter(16)
    by_mask.learn(spectra, mask)
    by_estimate.learn_from(mask * spectra, (1 - mask) * spectra)
    one, other = (_answer(wiener, spectra, mask) for wiener in (by_mask, by_estimate))
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
