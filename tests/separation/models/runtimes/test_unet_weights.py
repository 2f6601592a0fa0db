"""The network's weights in the kernels' order: made once, and again where their file is damaged."""

import filecmp
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from separation.errors import ModelError
from separation.models.repository import ModelRepository
from separation.models.runtimes.unet.weights import weights_file


@pytest.fixture(scope="module")
def whole(model_repository: ModelRepository, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights' file as it was made first."""
    manifest = model_repository.verify()
    folder = tmp_path_factory.mktemp("whole")
    return weights_file(model_repository.model_file(manifest.name), manifest.digest, manifest.stems, folder)


Again = Callable[[Path], Path]


@pytest.fixture
def again(model_repository: ModelRepository) -> Again:
    """Asks for weights that are in a file, of a network that is not there."""
    manifest = model_repository.manifest()
    return lambda file: weights_file(Path("none"), manifest.digest, manifest.stems, file.parent)


def test_weights_are_turned_once(model_repository: ModelRepository, whole: Path) -> None:
    manifest = model_repository.verify()
    made = whole.stat()
    assert made.st_mode & 0o777 == 0o644  # an image's root makes it, a worker without rights reads it
    path = model_repository.model_file(manifest.name)
    assert weights_file(path, manifest.digest, manifest.stems, whole.parent) == whole
    assert whole.stat() == made
    assert sorted(file.suffix for file in whole.parent.iterdir()) == [".checked", ".f32"]


@pytest.fixture(scope="module")
def copy(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copy(whole, tmp_path_factory.mktemp("copy")))


@pytest.mark.parametrize(
    ("place", "damage"),
    [
        pytest.param(50_000_000, bytes(20_000_000), id="20 MB of zeros"),
        pytest.param(150_000_001, b"\xaa", id="one byte"),
        pytest.param(0, b"stemwright weights 1", id="another version"),
        pytest.param(0, bytes(4096), id="no head"),
    ],
)
def test_damaged_weights_are_noticed_and_made_again(
    place: int, damage: bytes, copy: Path, again: Again, caplog: pytest.LogCaptureFixture
) -> None:
    with copy.open("r+b") as file:
        file.seek(place)
        before = file.read(len(damage))
        file.seek(place)
        file.write(damage)
    with pytest.raises(FileNotFoundError):  # there is nothing to make them from
        again(copy)
    assert "damaged, and are made again" in caplog.text
    with copy.open("r+b") as file:
        file.seek(place)
        file.write(before)
    assert again(copy) == copy


@pytest.mark.parametrize("missing", [4, 1 << 28])
def test_weights_that_are_cut_off_are_noticed(
    missing: int, whole: Path, again: Again, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / whole.name
    file.write_bytes(whole.read_bytes()[:-missing])
    with pytest.raises(FileNotFoundError):
        again(file)
    assert "damaged, and are made again" in caplog.text


def test_weights_that_were_touched_are_looked_at_again(whole: Path, again: Again, tmp_path: Path) -> None:
    file = tmp_path / whole.name
    shutil.copy(whole, file)
    assert again(file) == file
    assert again(file) == file
    file.touch()
    assert again(file) == file
    with file.open("r+b") as opened:
        opened.seek(50_000_000)
        opened.write(bytes(4))
    with pytest.raises(FileNotFoundError):
        again(file)


def test_weights_made_again_are_the_same(model_repository: ModelRepository, whole: Path, tmp_path: Path) -> None:
    manifest = model_repository.verify()
    path = model_repository.model_file(manifest.name)
    (tmp_path / whole.name).write_bytes(b"cut")
    made = weights_file(path, manifest.digest, manifest.stems, tmp_path)
    assert filecmp.cmp(whole, made, shallow=False)
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".checked", ".f32"]


def test_another_network_is_refused_and_leaves_no_file(model_repository: ModelRepository, tmp_path: Path) -> None:
    manifest = model_repository.verify()
    path = model_repository.model_file(manifest.name)
    with pytest.raises(ModelError, match="lacks the weights"):
        weights_file(path, manifest.digest, ("drums", "bass"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_network_whose_weights_are_not_finite_is_refused(model_repository: ModelRepository, tmp_path: Path) -> None:
    manifest = model_repository.verify()
    model = onnx.load(model_repository.model_file(manifest.name))
    weights = next(one for one in model.graph.initializer if one.name == "vocals/up2.floor")
    numbers = numpy_helper.to_array(weights).copy()
    numbers.flat[3] = np.nan
    weights.CopyFrom(numpy_helper.from_array(numbers, weights.name))
    onnx.save(model, str(tmp_path / "model.onnx"))
    with pytest.raises(ModelError, match=r"weights vocals/up2\.floor are not finite"):
        weights_file(tmp_path / "model.onnx", manifest.digest, manifest.stems, tmp_path / "cache")


def test_a_damaged_network_is_a_clear_error(model_repository: ModelRepository, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not the network")
    manifest = model_repository.manifest()
    with pytest.raises(ModelError, match="cannot be read"):
        weights_file(tmp_path / "model.onnx", manifest.digest, manifest.stems, tmp_path / "cache")


def test_several_that_start_at_once_all_get_their_weights(
    model_repository: ModelRepository, whole: Path, tmp_path: Path
) -> None:
    manifest = model_repository.verify()
    path = model_repository.model_file(manifest.name)
    left = tmp_path / ".weights-of-a-process-that-was-killed"
    left.touch()
    os.utime(left, (0, 0))
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: weights_file(path, manifest.digest, manifest.stems, tmp_path), range(2)))
    assert len(set(found)) == 1
    assert filecmp.cmp(whole, found[0], shallow=False)
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".checked", ".f32"]
