"""The U-Net by our own kernels against ONNX Runtime, and what a caller may rely on besides the numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from separation.errors import ModelAnswerInvalid, ModelError
from separation.machine.cache import cache_directory
from separation.models.repository import ModelRepository
from separation.models.runtimes.onnxruntime import OnnxRuntimeModel
from separation.models.runtimes.unet import library
from separation.models.runtimes.unet.model import UnetModel, kernels_for, weights_folder
from separation.models.runtimes.unet.network import Network
from separation.models.runtimes.unet.weights import kernel_weights, weights_file
from tests.separation.machine.processors import KERNELS, skip_unless_it_runs

Image = NDArray[np.float32]
Load = Callable[[int], UnetModel]


def spectrogram(bins: int, seed: int = 0) -> Image:
    """Magnitudes as large as those of a loud song, with silence in between."""
    image = np.random.default_rng(seed).gamma(0.3, 20.0, (2, 512, bins)).astype(np.float32)
    image[:, 200:230] = 0
    return image


@pytest.fixture(scope="module", params=KERNELS)
def kernels(request: pytest.FixtureRequest) -> Path:
    skip_unless_it_runs(request.param)
    return next(file for file in library.files() if file.stem == f"kernels-{request.param}")


@pytest.fixture(scope="module")
def load(kernels: Path, model_repository: ModelRepository) -> Load:
    manifest = model_repository.verify()
    path = model_repository.model_file(manifest.name)
    return lambda threads: UnetModel(path, manifest, threads=threads, kernels=kernels)


@pytest.fixture(scope="module")
def reference(model_repository: ModelRepository) -> OnnxRuntimeModel:
    manifest = model_repository.verify()
    return OnnxRuntimeModel(model_repository.model_file(manifest.name), manifest, threads=2)


# 64 and 192 end in the middle of a tile at the deeper levels.
@pytest.mark.parametrize("bins", [64, 192, 256, 1024])
def test_answers_as_the_onnx_file_does(bins: int, load: Load, reference: OnnxRuntimeModel) -> None:
    image = spectrogram(bins)
    [answer] = load(2).fractions_of_each([image])
    difference = np.abs(answer - reference.fractions(image[None])[0])
    assert difference.max() < 2e-4
    assert difference.mean() < 2e-6


def test_neither_company_nor_threads_nor_what_came_before_change_a_bit(load: Load) -> None:
    wide, narrow = spectrogram(512), spectrogram(256, seed=1)
    model = load(1)
    alone = [model.fractions_of_each([image])[0] for image in (wide, narrow)]
    for threads in (1, 2, 3):
        model = load(threads)
        model.fractions_of_each([spectrogram(576, seed=2), spectrogram(256, seed=3)])
        for _ in range(2):
            together = model.fractions_of_each([wide, narrow])
            assert all(np.array_equal(*pair) for pair in zip(alone, together, strict=True))
            model.rest()


def test_silence_and_absurd_magnitudes_get_finite_fractions(load: Load) -> None:
    for image in (np.zeros((2, 512, 256), np.float32), np.full((2, 512, 256), 1e6, np.float32)):
        [answer] = load(1).fractions_of_each([image])
        assert np.isfinite(answer).all()
        assert 0 <= answer.min() <= answer.max() <= 1


@pytest.mark.parametrize("shape", [(2, 512, 100), (2, 512, 0), (2, 500, 64), (1, 512, 64)])
def test_an_image_of_the_wrong_shape_is_refused(shape: tuple[int, ...], load: Load) -> None:
    with pytest.raises(ValueError, match="a multiple of 64"):
        load(1).fractions_of_each([np.zeros(shape, np.float32)])


@pytest.fixture
def load_best(model_repository: ModelRepository) -> Load:
    manifest = model_repository.verify()
    if not kernels_for(manifest):
        pytest.skip("The kernels are not for this processor.")
    path = model_repository.model_file(manifest.name)
    return lambda threads: UnetModel(path, manifest, threads=threads)


def test_a_cache_that_cannot_be_written_is_done_without(
    load_best: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STEMWRIGHT_CACHE", str(tmp_path / "file" / "below"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    [answer] = load_best(1).fractions_of_each([spectrogram(64)])
    assert answer.shape == (2, 2, 512, 64)


def test_a_full_disk_is_a_clear_error(load_best: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("STEMWRIGHT_CACHE", str(tmp_path))
    monkeypatch.setattr("separation.models.runtimes.unet.weights.os.fsync", full)
    with pytest.raises(ModelError, match="No space left on device"):
        load_best(1)
    assert list(tmp_path.rglob("*.f32")) == []


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0, 0), (1, 300, 100), (0, 511, 255)])
def test_an_image_that_is_not_finite_is_no_answer(nothing: float, place: tuple[int, ...], load: Load) -> None:
    image = spectrogram(256)
    image[place] = nothing
    with pytest.raises(ModelAnswerInvalid, match="not finite"):
        load(1).fractions_of_each([image])


PARTS = ["down1/weights", "down3/scale", "down6/bias", "up1/2", "up3/weights", "up5/bias", "last/weights", "mask/bias"]


@pytest.mark.parametrize("part", PARTS)
def test_what_is_not_finite_anywhere_in_the_network_comes_out_at_its_end(
    part: str, kernels: Path, model_repository: ModelRepository
) -> None:
    manifest = model_repository.verify()
    file = weights_file(
        model_repository.model_file(manifest.name), manifest.digest, manifest.stems, weights_folder(cache_directory())
    )
    weights = kernel_weights(file, manifest.stems)
    damaged = weights[f"vocals/{part}"].copy()
    damaged.flat[0] = np.nan
    network = Network(library.kernels(kernels), weights | {f"vocals/{part}": damaged}, manifest.stems, 512, threads=1)
    [answer] = network.fractions([spectrogram(64)])
    vocals, accompaniment = answer
    assert np.isnan(vocals).any()
    assert np.isfinite(accompaniment).all()


def test_the_mask_of_what_is_not_finite_is_not_a_number(kernels: Path) -> None:
    image = np.zeros((1 + 6, 64 + 6), np.float32)
    taps = np.zeros(16, np.float32)
    taps[0] = 1
    image[0, :6] = [np.nan, np.inf, -np.inf, 3e38, -3e38, 0]
    mask = np.empty((1, 64), np.float32)
    convolve = library.kernels(kernels).convolve_to_mask
    convolve(image.ctypes.data, image.shape[1], 0, 1, 64, taps.ctypes.data, 0.0, mask.ctypes.data)
    assert np.isnan(mask[0, :3]).all()
    assert mask[0, 3:6] == pytest.approx([1, 0, 0.5], abs=1e-30)
