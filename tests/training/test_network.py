from pathlib import Path

import numpy as np
import pytest
import torch

from separation.models.importers.checkpoint import Weights
from separation.models.importers.unet import build_model
from separation.models.repository import ModelRepository
from separation.models.unet import FFT_SIZE, HOP
from separation.spectral.stft import StreamingStft
from training.config import load_config
from training.errors import CheckpointInvalid
from training.export import difference_of
from training.network import SeparationNetwork
from training.objective import Patches, Spectrogram, l1_by_stem, magnitudes, samples_in


def test_published_weights_answer_as_the_imported_model(
    published: SeparationNetwork, model_repository: ModelRepository
) -> None:
    manifest = model_repository.verify()
    file = model_repository.model_file(manifest.name)
    difference = difference_of(published, file, manifest.frames, manifest.bins)
    assert difference.exact <= 1e-5
    assert difference.rms <= 2e-6
    assert difference.worst <= 1e-4, "float32 rounds single masks on steep slopes by so much, as torch itself does"


def test_published_norms_have_no_statistics(weights: dict[str, Weights]) -> None:
    """So a run that begins with them must not make norms of what are scales and shifts."""
    for arrays in weights.values():
        assert all(not array.any() for name, array in arrays.items() if name.endswith("running_mean"))
        assert all((array == 1).all() for name, array in arrays.items() if name.endswith("running_var"))


def test_masks_lie_between_0_and_1_and_have_an_axis_for_stems(published: SeparationNetwork) -> None:
    with torch.no_grad():
        masks = published(torch.rand(2, 2, 64, 128) * 50)
    assert masks.shape == (2, 2, 2, 64, 128)
    assert 0 <= masks.min() < masks.max() <= 1


def test_every_parameter_learns() -> None:
    network = SeparationNetwork(("vocals", "accompaniment"), channels=2)
    patches = Patches(torch.rand(2, 2, 128, 64), torch.rand(2, 2, 2, 128, 64))
    torch.autograd.backward(l1_by_stem(network(patches.mixture), patches).mean())
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_dropout_is_on_the_first_three_levels_up() -> None:
    network = SeparationNetwork(("vocals",), channels=1, dropout=0.5).networks["vocals"]
    assert [network.get_submodule(f"up{level}.4").p for level in range(1, 7)] == [0.5, 0.5, 0.5, 0, 0, 0]


def test_a_norm_of_negative_scale_is_projected_so_that_it_can_be_exported(tmp_path: Path) -> None:
    network = SeparationNetwork(("vocals",), channels=1)
    with torch.no_grad():
        network.networks["vocals"].get_submodule("up3.3").get_parameter("weight").fill_(-1)
    network.project()
    file = tmp_path / "model.onnx"
    file.write_bytes(build_model(network.weights(), frames=128).SerializeToString())
    assert difference_of(network, file, 128, 64).is_parity


def test_weights_of_another_network_are_refused(weights: dict[str, Weights]) -> None:
    with pytest.raises(CheckpointInvalid, match="is"):
        SeparationNetwork(("vocals", "accompaniment"), channels=8).load_weights(weights)
    with pytest.raises(CheckpointInvalid, match="vocals"):
        SeparationNetwork(("vocals",)).load_weights(weights)
    lacking = {stem: {n: a for n, a in arrays.items() if n != "up7.0.bias"} for stem, arrays in weights.items()}
    with pytest.raises(CheckpointInvalid, match=r"lack up7\.0\.bias"):
        SeparationNetwork(("vocals", "accompaniment")).load_weights(lacking)


def test_the_spectrogram_is_the_engines() -> None:
    samples = np.random.default_rng(0).standard_normal((samples_in(10), 2)).astype(np.float32)
    # Frame 3 of the engine is the first that lies wholly within the song.
    expected = StreamingStft(2, FFT_SIZE, HOP, first_frame=3).push(samples)[:, :, :1024].swapaxes(0, 1)
    ours = Spectrogram(1024)(torch.from_numpy(samples.T.copy())).numpy()
    assert ours.shape == expected.shape == (2, 10, 1024)
    np.testing.assert_allclose(ours, expected, atol=2e-4 * np.abs(expected).max() / 100)


def test_the_loss_is_the_mean_distance_of_masked_mixture_and_target() -> None:
    spectrogram = Spectrogram(64)
    stems = torch.randn(1, 2, 2, samples_in(64), generator=torch.Generator().manual_seed(0))
    patches = magnitudes(spectrogram, stems)
    torch.testing.assert_close(patches.mixture, spectrogram(stems.sum(dim=1)).abs(), atol=1e-3, rtol=1e-4)
    ideal = (patches.stems / patches.mixture.unsqueeze(1)).clamp(max=1e9)
    assert l1_by_stem(ideal, patches).max() < 1e-4
    silent = l1_by_stem(torch.zeros_like(ideal), patches)
    torch.testing.assert_close(silent, patches.stems.mean(dim=(0, 2, 3, 4)))


@pytest.mark.parametrize("name", ["debug", "base", "finetune"])
def test_packaged_configurations_are_valid(name: str) -> None:
    config = load_config(name)
    assert config.network.stems == ("vocals", "accompaniment")
