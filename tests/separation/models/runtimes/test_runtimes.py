"""Every runtime answers alike, and the same each time; a smaller processor separates alike."""

import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from separation import separate_array
from separation.errors import ModelAnswerInvalid, ModelError, RuntimeMissing
from separation.machine.processor import TEST_VARIABLE
from separation.models.importers.phases import split_into_phases
from separation.models.repository import ModelRepository
from separation.models.runtimes import onnxruntime as onnxruntime_backend
from separation.models.runtimes.answers import checked
from separation.models.runtimes.choice import PassedOver, open_model, reference_model
from separation.models.runtimes.onnxruntime import OnnxRuntimeModel
from separation.models.runtimes.unet.model import UnetModel, kernels_for
from separation.models.separator import MaskModel
from tests.separation.machine.processors import KERNELS, skip_unless_it_runs
from tests.separation.signals import music

# Relative to fractions between 0 and 1: what float32 leaves open when sums are taken in another order.
ROUNDING = 1e-4

Patches = NDArray[np.float32]


def patches(seed: int, count: int = 1, *, bins: int = 1024) -> Patches:
    return np.random.default_rng(seed).gamma(1, 20, (count, 2, 512, bins)).astype(np.float32)


@pytest.fixture(scope="module", params=["onnxruntime", *KERNELS])
def model(request: pytest.FixtureRequest, model_repository: ModelRepository) -> MaskModel:
    manifest = model_repository.manifest()
    path = model_repository.model_file(manifest.name)
    if request.param == "onnxruntime":
        return OnnxRuntimeModel(path, manifest, threads=1)
    skip_unless_it_runs(request.param)
    [kernels] = (file for file in kernels_for(manifest) if file.stem == f"kernels-{request.param}")
    return UnetModel(path, manifest, threads=1, kernels=kernels)


def test_fractions_lie_between_zero_and_one_and_differ(model: MaskModel) -> None:
    fractions = model.fractions(patches(3))
    assert fractions.shape == (1, 2, 2, 512, 1024)
    assert 0 <= fractions.min() < 0.4
    assert 0.6 < fractions.max() <= 1


def test_fractions_are_those_of_the_other_runtimes(model: MaskModel, spleeter_model: MaskModel) -> None:
    patch = patches(5)
    np.testing.assert_allclose(model.fractions(patch), spleeter_model.fractions(patch), atol=ROUNDING)


def test_the_lowest_bins_alone_are_answered_alike_by_every_runtime(model: MaskModel, spleeter_model: MaskModel) -> None:
    low = np.ascontiguousarray(patches(5)[..., :256])
    answer = model.fractions(low)
    assert answer.shape == (1, 2, 2, 512, 256)
    np.testing.assert_allclose(answer, spleeter_model.fractions(low), atol=ROUNDING)
    whole = model.fractions(patches(5))
    assert np.array_equal(model.fractions(patches(5)), whole)  # one size leaves nothing behind for the other


def test_a_patchs_answer_does_not_depend_on_its_company(model: MaskModel) -> None:
    both = patches(4, 2)
    assert np.array_equal(model.fractions(both)[1:], model.fractions(both[1:]))


def test_answers_stay_the_same_and_belong_to_whoever_asked(model: MaskModel) -> None:
    several = [patches(seed, bins=256) for seed in range(3)]
    expected = [model.fractions(patch) for patch in several]
    kept = [answer.copy() for answer in expected]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(model.fractions, several))
    for answer, before, copy in zip(answers, expected, kept, strict=True):
        assert np.array_equal(answer, copy)
        assert np.array_equal(before, copy)


def test_resting_changes_no_answer(model: MaskModel) -> None:
    patch = np.full((1, 2, 512, 1024), 5, np.float32)
    before = model.fractions(patch)
    model.rest()
    assert np.array_equal(model.fractions(patch), before)


def test_a_model_says_what_computes_it(model: MaskModel) -> None:
    name, version, arithmetic = model.runtime.split()
    assert name in ("winograd", "onnxruntime")
    assert version[0].isdigit()
    assert arithmetic == "fp32"
    assert model.device == "cpu"


def test_a_damaged_network_is_a_clear_error(model_repository: ModelRepository, tmp_path: Path) -> None:
    damaged = tmp_path / "model.onnx"
    damaged.write_bytes(b"not the network")
    with pytest.raises(ModelError, match=r"^The model spleeter-2stems cannot be loaded: [^\n]+$"):
        OnnxRuntimeModel(damaged, model_repository.manifest())


def test_a_network_that_answers_something_else_is_not_loaded(model_repository: ModelRepository, tmp_path: Path) -> None:
    patch = onnx.helper.make_tensor_value_info("magnitudes", onnx.TensorProto.FLOAT, ["batch", 2, 512, 1024])
    answer = onnx.helper.make_tensor_value_info("sound", onnx.TensorProto.FLOAT, ["batch", 2, 512, 1024])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["magnitudes"], ["sound"])], "g", [patch], [answer])
    network = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(network, str(tmp_path / "model.onnx"))
    with pytest.raises(ModelError, match="neither fractions nor masks"):
        OnnxRuntimeModel(tmp_path / "model.onnx", model_repository.manifest())


def test_answers_are_checked(model_repository: ModelRepository) -> None:
    patch = np.zeros((1, 2, 512, 1024), np.float32)
    good = np.full((1, 2, 2, 512, 1024), 0.5, np.float32)
    manifest = model_repository.manifest()
    assert checked(good, patch, manifest) is good
    infinite = good.copy()
    infinite[0, 1, 0, 5, 7] = np.inf
    bad_answers: list[Any] = [good[:, :1], good.astype(np.float64), infinite]
    for bad in bad_answers:
        with pytest.raises(ModelAnswerInvalid):
            checked(bad, patch, manifest)


def test_phases_hold_every_tap_of_the_kernel_once() -> None:
    kernel = np.arange(1, 2 * 3 * 25 + 1, dtype=np.float32).reshape(2, 3, 5, 5)
    phases = split_into_phases(kernel)
    assert [phase.shape for phase in phases] == [(3, 2, 2, 2), (3, 2, 2, 3), (3, 2, 3, 2), (3, 2, 3, 3)]
    assert sorted(np.concatenate([phase.ravel() for phase in phases])) == sorted(kernel.ravel())


# The choice between them (test_choice.py) with the real ones.


def test_a_gpu_that_does_not_come_up_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, model_repository: ModelRepository
) -> None:
    manifest = model_repository.manifest()
    path = model_repository.model_file(manifest.name)
    monkeypatch.setattr(onnxruntime_backend, "gpu_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(RuntimeMissing, match=r"The GPU cannot be used: onnxruntime .* computes on cpu"):
        open_model(path, manifest, None, device="gpu")
    told: list[PassedOver] = []
    assert open_model(path, manifest, None, on_passed_over=told.append).device == "cpu"
    assert [one.runtime for one in told] == ["onnxruntime on a GPU"]


def test_others_are_measured_by_what_computes_the_file_as_it_is(model_repository: ModelRepository) -> None:
    manifest = model_repository.manifest()
    assert reference_model(model_repository.model_file(manifest.name), manifest).runtime.startswith("onnxruntime")


def test_the_library_asks_the_canary(model_repository: ModelRepository, tmp_path: Path) -> None:
    """A network that was exchanged together with its digest: what no hash can tell."""
    name = "spleeter-2stems"
    other = ModelRepository(tmp_path / "models")
    other.folder(name).mkdir(parents=True)
    for file in ("1", "manifest.json", "canary.json"):
        (other.folder(name) / file).symlink_to(model_repository.folder(name) / file)
    assert other.load().manifest.name == name
    canary = other.folder(name) / "canary.json"
    text = canary.read_text()
    canary.unlink()
    canary.write_text(text.replace("0.9", "0.1"))
    with pytest.raises(ModelAnswerInvalid, match="import it again"):
        other.load()


# Songs of one processor on another.

_VOCALS = """
import sys
import numpy as np
from separation import load_model
from separation.audio import loops as samples
from separation import separate_array
from separation.spectral import loops as spectra
model = load_model(sys.argv[1], repository=sys.argv[2], device="cpu", threads=1)
print(model.runtime.split()[0], spectra._loops()._name, samples._loops()._name, sep="\\n")
np.save(sys.argv[4], separate_array(np.load(sys.argv[3]), 44100, model=model)["vocals"])
"""


def test_a_processor_without_any_of_this_separates_alike(
    model_repository: ModelRepository, spleeter_model: MaskModel, tmp_path: Path
) -> None:
    """The plain loops and ONNX Runtime from end to end, as on a processor of before 2013."""
    song = music(4)
    np.save(tmp_path / "song.npy", song)
    told = [sys.executable, "-c", _VOCALS, spleeter_model.manifest.name, str(model_repository.path)]
    said = subprocess.run(
        [*told, str(tmp_path / "song.npy"), str(tmp_path / "vocals.npy")],
        env={**os.environ, TEST_VARIABLE: "x86-64"},
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    if platform.machine() == "x86_64":
        assert said[0] == "onnxruntime"
    assert [Path(file).name for file in said[1:]] == [f"{name}-{platform.machine()}.so" for name in ("loops", "loops")]
    expected = separate_array(song, 44100, model=spleeter_model)["vocals"]
    difference = np.square(np.load(tmp_path / "vocals.npy") - expected).mean() / np.square(expected).mean()
    assert 10 * np.log10(difference + 1e-30) < -70
