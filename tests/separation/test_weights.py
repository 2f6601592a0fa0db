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
from separation.registry import ModelRepository
from separation.unet.weights import weights_file


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


@pytest.mark.parametrize(
    "damage", ["cut", "longer", "20 MB of zeros", "one bit", "head", "another version", "not a word"]
)
def test_damaged_weights_are_noticed_and_made_again(
    damage: str, whole: Path, again: Again, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / whole.name
    shutil.copy(whole, file)
    with file.open("r+b") as opened:
        match damage:
            case "cut":
                opened.truncate(whole.stat().st_size - 4)
            case "longer":
                opened.seek(0, os.SEEK_END)
                opened.write(bytes(4))
            case "20 MB of zeros":
                opened.seek(50_000_000)
                opened.write(bytes(20_000_000))
            case "one bit":
                opened.seek(-1, os.SEEK_END)
                last = opened.read(1)
                opened.seek(-1, os.SEEK_END)
                opened.write(bytes([last[0] ^ 1]))
            case "head":
                opened.write(bytes(4096))
            case "another version":
                opened.write(b"stemwright weights 1")
            case "not a word":
                opened.truncate(0)
    with pytest.raises(FileNotFoundError):  # there is nothing to make them from
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
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: weights_file(path, manifest.digest, manifest.stems, tmp_path), range(3)))
    assert len(set(found)) == 1
    assert filecmp.cmp(whole, found[0], shallow=False)
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".checked", ".f32"]
