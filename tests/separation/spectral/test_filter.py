"""The Wiener filter tells sources apart by where they stand."""

import numpy as np
from numpy.typing import NDArray

from separation.spectral.filter import WienerFilter
from separation.spectral.loops import divided_powers
from tests.separation.signals import complex_noise


def _filtered(spectra: NDArray[np.complex64], mask: NDArray[np.float32]) -> NDArray[np.complex64]:
    """The filter's answer alone, with the powers that the mask leaves; learnt in two parts."""
    wiener = WienerFilter(spectra.shape[-1])
    for half in (slice(0, len(spectra) // 2), slice(len(spectra) // 2, None)):
        wiener.learn(spectra[half], mask[half])
    answer = np.zeros(spectra.shape, np.complex64)
    spectra = np.ascontiguousarray(spectra)
    wiener.add_to(answer, np.zeros_like(mask), spectra, divided_powers(spectra, mask), 1.0)
    return answer


def test_the_wiener_filter_knows_where_a_source_stands() -> None:
    """A voice on the left, a band on the right: from masks that know little the filter learns to tell them apart."""
    voice, band = complex_noise(512, 32, 1), complex_noise(512, 32, 2)
    sources = [voice[:, None] * np.array([[1], [0.1]]), band[:, None] * np.array([[0.1], [1]])]
    mixture = (sources[0] + sources[1]).astype(np.complex64)
    mask = np.full(mixture.shape, 0.5, np.float32)
    mask[:, 0], mask[:, 1] = 0.7, 0.3
    errors = [np.square(np.abs(estimate - sources[0])).sum() for estimate in (mask * mixture, _filtered(mixture, mask))]
    assert errors[1] < 0.3 * errors[0]


def test_the_wiener_filter_is_finite_and_close_to_the_mask_without_directions() -> None:
    mono = np.repeat(complex_noise(512, 16)[:, None], 2, axis=1)
    mask = np.random.default_rng(1).random((512, 1, 16)).astype(np.float32).repeat(2, axis=1)
    vocals = _filtered(mono, mask)
    np.testing.assert_allclose(vocals[:, 0], vocals[:, 1], rtol=1e-3, atol=1e-5)
    expected = mask**2 / (mask**2 + (1 - mask) ** 2)
    np.testing.assert_allclose(vocals, expected * mono, rtol=0.01, atol=0.01)
    silence, half = np.zeros((20, 2, 16), np.complex64), np.full((20, 2, 16), 0.5, np.float32)
    assert not _filtered(silence, half).any()
    nothing = np.zeros(mono.shape, np.float32)
    assert np.isfinite(_filtered(mono, nothing)).all()
