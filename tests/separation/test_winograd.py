"""The U-Net by our own kernels against ONNX Runtime, and what a caller may rely on besides the numbers."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from separation.backends import winograd
from separation.backends.onnxruntime import OnnxRuntimeModel
from separation.backends.winograd import WinogradModel
from separation.errors import ModelError
from separation.processor import processor_flags
from separation.registry import ModelRepository
from separation.unet.weights import kernel_weights

Image = NDArray[np.float32]
Load = Callable[[int], WinogradModel]


def spectrogram(bins: int, seed: int = 0) -> Image:
    """Magnitudes as large as those of a loud song, with silence in between."""
    image = np.random.default_rng(seed).gamma(0.3, 20.0, (2, 512, bins)).astype(np.float32)
    image[:, 200:230] = 0
    return image


@pytest.fixture(scope="module")
def load(model_repository: ModelRepository) -> Load:
    manifest = model_repository.verify()
    if not winograd.computes(manifest, processor_flags()):
        pytest.skip("This processor has no AVX2: the kernels are not for it.")
    return lambda threads: WinogradModel(model_repository.model_file(manifest.name), manifest, threads=threads)


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
    wide, narrow = spectrogram(1024), spectrogram(256, seed=1)
    model = load(1)
    alone = [model.fractions_of_each([image])[0] for image in (wide, narrow)]
    for threads in (1, 2, 3):
        model = load(threads)
        model.fractions_of_each([spectrogram(1024, seed=2), spectrogram(256, seed=3)])
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


def test_weights_are_turned_once_and_again_where_the_file_is_cut(
    model_repository: ModelRepository, tmp_path: Path
) -> None:
    manifest = model_repository.verify()
    path = model_repository.model_file(manifest.name)
    first = kernel_weights(path, manifest.digest, manifest.stems, tmp_path)
    [file] = tmp_path.iterdir()
    made = file.stat()
    assert made.st_mode & 0o777 == 0o644  # an image's root makes it, a worker without rights reads it
    kernel_weights(path, manifest.digest, manifest.stems, tmp_path)
    assert file.stat() == made
    whole = {name: array.copy() for name, array in first.items()}
    file.unlink()
    file.write_bytes(b"cut")
    again = kernel_weights(path, manifest.digest, manifest.stems, tmp_path)
    assert all(np.array_equal(whole[name], again[name]) for name in whole)
    assert list(tmp_path.iterdir()) == [file]


def test_another_network_is_refused_and_leaves_no_file(model_repository: ModelRepository, tmp_path: Path) -> None:
    manifest = model_repository.verify()
    path = model_repository.model_file(manifest.name)
    with pytest.raises(ModelError, match="lacks the weights"):
        kernel_weights(path, manifest.digest, ("drums", "bass"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_network_is_a_clear_error(model_repository: ModelRepository, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not the network")
    manifest = model_repository.manifest()
    with pytest.raises(ModelError, match="cannot be read"):
        kernel_weights(tmp_path / "model.onnx", manifest.digest, manifest.stems, tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_done_without(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STEMWRIGHT_CACHE", str(tmp_path / "file" / "below"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    [answer] = load(1).fractions_of_each([spectrogram(64)])
    assert answer.shape == (2, 2, 512, 64)


def test_a_full_disk_is_a_clear_error(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("STEMWRIGHT_CACHE", str(tmp_path))
    monkeypatch.setattr("separation.unet.weights.os.fsync", full)
    with pytest.raises(ModelError, match="No space left on device"):
        load(1)
    assert list(tmp_path.rglob("*.f32")) == []


def test_several_that_start_at_once_all_get_their_weights(model_repository: ModelRepository, tmp_path: Path) -> None:
    manifest = model_repository.verify()
    path = model_repository.model_file(manifest.name)
    left = tmp_path / ".weights-of-a-process-that-was-killed"
    left.touch()
    os.utime(left, (0, 0))
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: kernel_weights(path, manifest.digest, manifest.stems, tmp_path), range(3)))
    for weights in found[1:]:
        assert all(np.array_equal(weights[name], found[0][name]) for name in weights)
    assert [file.suffix for file in tmp_path.iterdir()] == [".f32"]
