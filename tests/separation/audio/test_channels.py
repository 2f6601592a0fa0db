"""Routing between the input's channels and a network that hears stereo."""

import numpy as np
import pytest

from separation.audio.channels import channel_names, downmix_matrix, mask_routing, mixed


def test_stereo_passes_through_untouched() -> None:
    assert np.array_equal(downmix_matrix(("FL", "FR")), np.eye(2))
    assert np.array_equal(mask_routing(("FL", "FR")), np.eye(2))


def test_mono_is_heard_twice_and_takes_the_mean_mask() -> None:
    assert downmix_matrix(("FC",)).tolist() == [[1], [1]]
    assert mask_routing(("FC",)).tolist() == [[0.5, 0.5]]


def test_surround_follows_bs_775() -> None:
    names = ("FL", "FR", "FC", "LFE", "BL", "BR")
    half = pytest.approx(0.7071, abs=1e-4)
    assert downmix_matrix(names).tolist() == [[1, 0, half, 0, half, 0], [0, 1, half, 0, 0, half]]
    assert mask_routing(names).tolist() == [[1, 0], [0, 1], [0.5, 0.5], [0, 0], [1, 0], [0, 1]]


def test_unknown_layouts_take_the_usual_order() -> None:
    assert channel_names(("NONE", "NONE"), 2) == ("FL", "FR")
    assert channel_names((), 6)[3] == "LFE"
    assert channel_names(("FL", "FR"), 2) == ("FL", "FR")


def test_mixing_equals_the_matrix_product() -> None:
    random = np.random.default_rng(0)
    matrix = downmix_matrix(("FL", "FR", "FC", "LFE", "BL", "BR"))
    channels = random.standard_normal((7, 6, 5)).astype(np.float32)
    np.testing.assert_allclose(mixed(matrix, channels), np.einsum("oi,nib->nob", matrix, channels), rtol=1e-5)
