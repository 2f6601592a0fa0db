"""From the network's masks to every bin and channel."""

import numpy as np
import pytest

from separation.masks import apply_masks, shaped

STEREO = np.eye(2, dtype=np.float32)


@pytest.mark.parametrize("exponent", [0.5, 0.75, 1.0, 1.3])
def test_exponent(exponent: float) -> None:
    masks = np.random.default_rng(0).random((2, 8, 4)).astype(np.float32)
    np.testing.assert_allclose(shaped(masks, exponent), masks**exponent, rtol=1e-5)


def test_masks_apply_to_the_band_and_extend_above_it() -> None:
    spectra = np.full((3, 2, 2049), 2 + 1j, np.complex64)
    masks = np.full((3, 2, 1024), 0.5, np.float32)
    masks[..., -32:] = 0.25
    masked = apply_masks(spectra, masks, STEREO, "top_bins")
    np.testing.assert_allclose(masked[..., :900], 1 + 0.5j)
    np.testing.assert_allclose(masked[..., 1024:], (2 + 1j) / 4)
    assert not apply_masks(spectra, masks, STEREO, "zero")[..., 1024:].any()


def test_masks_are_routed_to_channels() -> None:
    spectra = np.ones((1, 3, 2049), np.complex64)
    masks = np.stack([np.full((1, 1024), 0.2), np.full((1, 1024), 0.6)], axis=1).astype(np.float32)
    routing = np.array([[1, 0], [0.5, 0.5], [0, 0]], np.float32)
    masked = apply_masks(spectra, masks, routing)
    np.testing.assert_allclose(masked[0, :, 5], [0.2, 0.4, 0], rtol=1e-6)
