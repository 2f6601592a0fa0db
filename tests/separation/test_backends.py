"""Every runtime answers alike, and the same each time; which one is taken; what a smaller processor would answer."""

import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from separation import backends, compiled, samples, separate_array, spectra
from separation.backends import (
    MaskModel,
    checked_masks,
    open_model,
    winograd,
)
from separation.backends import onnxruntime as onnxruntime_backend
from separation.backends.onnxruntime import OnnxRuntimeModel
from separation.backends.winograd import WinogradModel
from separation.errors import ModelAnswerInvalid, ModelError, RuntimeMissing
from separation.phases import split_into_phases
from separation.processor import processor_flags
from separation.registry import ModelRepository
from tests.separation.signals import music

RUNTIMES: dict[str, Callable[..., MaskModel]] = {"onnxruntime": OnnxRuntimeModel, "winograd": WinogradModel}
# Relative to fractions between 0 and 1: what float32 leaves open when sums are taken in another order.
ROUNDING = 1e-4

Patches = NDArray[np.float32]


def patches(seed: int, count: int = 1) -> Patches:
    return np.random.default_rng(seed).gamma(1, 20, (count, 2, 512, 1024)).astype(np.float32)


@pytest.fixture(scope="module", params=RUNTIMES)
def model(request: pytest.FixtureRequest, model_repository: ModelRepository) -> MaskModel:
    manifest = model_repository.manifest()
    return RUNTIMES[request.param](model_repository.model_file(manifest.name), manifest, threads=1)


def test_masks_are_shares_that_sum_to_one(model: MaskModel) -> None:
    masks = model.masks(patches(3))
    assert masks.shape == (1, 2, 2, 512, 1024)
    assert masks.min() >= 0
    np.testing.assert_allclose(masks.sum(axis=1), 1, atol=1e-6)


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


def test_a_patchs_masks_do_not_depend_on_its_company(model: MaskModel) -> None:
    both = patches(4, 2)
    assert np.array_equal(model.masks(both)[1:], model.masks(both[1:]))


def test_answers_stay_the_same_and_belong_to_whoever_asked(model: MaskModel) -> None:
    several = [patches(seed) for seed in range(3)]
    expected = [model.fractions(patch) for patch in several]
    kept = [answer.copy() for answer in expected]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(model.fractions, several))
    for answer, before, copy in zip(answers, expected, kept, strict=True):
        assert np.array_equal(answer, copy)
        assert np.array_equal(before, copy)


def test_resting_changes_no_answer(model: MaskModel) -> None:
    patch = np.full((1, 2, 512, 1024), 5, np.float32)
    before = model.masks(patch)
    model.rest()
    assert np.array_equal(model.masks(patch), before)


def test_a_model_says_what_computes_it(model: MaskModel) -> None:
    name, version, arithmetic = model.runtime.split()
    assert name in RUNTIMES
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
    assert checked_masks(good, patch, manifest) is good
    infinite = good.copy()
    infinite[0, 1, 0, 5, 7] = np.inf
    bad_answers: list[Any] = [good[:, :1], good.astype(np.float64), infinite]
    for bad in bad_answers:
        with pytest.raises(ModelAnswerInvalid):
            checked_masks(bad, patch, manifest)


def test_phases_hold_every_tap_of_the_kernel_once() -> None:
    kernel = np.arange(1, 2 * 3 * 25 + 1, dtype=np.float32).reshape(2, 3, 5, 5)
    phases = split_into_phases(kernel)
    assert [phase.shape for phase in phases] == [(3, 2, 2, 2), (3, 2, 2, 3), (3, 2, 3, 2), (3, 2, 3, 3)]
    assert sorted(np.concatenate([phase.ravel() for phase in phases])) == sorted(kernel.ravel())


# What the processor offers, and so what another machine would take.


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("sse4_1", "onnxruntime"),
        ("f16c fma bmi1 bmi2 abm movbe avx2 avx512f", "winograd"),
        ("f16c fma avx2", "onnxruntime"),
        ("f16c fma bmi1 bmi2 abm movbe avx2 avx512_bf16 amx_bf16", "winograd"),
    ],
)
def test_the_processor_and_the_caller_decide_what_computes(
    flags: str, expected: str, monkeypatch: pytest.MonkeyPatch, model_repository: ModelRepository
) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: f"model name\t: X\nflags\t\t: fpu {flags} sse\nbugs\t: y\n")
    found = processor_flags()
    monkeypatch.undo()
    monkeypatch.setattr(backends, "processor_flags", lambda: found)
    assert model_repository.load().runtime.startswith(expected)


def test_a_processor_without_avx2_separates_alike(
    monkeypatch: pytest.MonkeyPatch, model_repository: ModelRepository
) -> None:
    """The plain loops and ONNX Runtime from end to end, as on a processor of before 2013."""
    song = music(4)
    expected = separate_array(song, 44100, model=model_repository.load(device="cpu"))["vocals"]
    monkeypatch.setattr(backends, "processor_flags", lambda: frozenset({"sse2"}))
    monkeypatch.setattr(compiled, "has_avx2", lambda: False)
    for loops in (spectra, samples):
        loops._loops.cache_clear()
    try:
        model = model_repository.load()
        vocals = separate_array(song, 44100, model=model)["vocals"]
        assert Path(spectra._loops()._name).name == f"spectra-{platform.machine()}.so"
        assert Path(samples._loops()._name).name == f"samples-{platform.machine()}.so"
    finally:
        for loops in (spectra, samples):
            loops._loops.cache_clear()
    assert model.runtime.startswith("onnxruntime")
    difference = np.square(vocals - expected).mean() / np.square(expected).mean()
    assert 10 * np.log10(difference) < -70


def test_a_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch, model_repository: ModelRepository) -> None:
    manifest = model_repository.manifest()
    asked: list[Any] = []

    class Recorded:
        def __init__(self, *_: object, providers: object = None, **__: object) -> None:
            asked.append(providers)

    monkeypatch.setattr(onnxruntime_backend, "OnnxRuntimeModel", Recorded)
    monkeypatch.setattr(winograd, "computes", lambda *_: False)
    path = model_repository.model_file(manifest.name)
    monkeypatch.setattr(onnxruntime_backend, "built_for_gpus", lambda: True)
    monkeypatch.setattr(
        "onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    open_model(path, manifest)
    open_model(path, manifest, device="gpu")
    open_model(path, manifest, device="cpu")
    assert [providers and providers[0][0] for providers in asked] == ["CUDAExecutionProvider"] * 2 + [None]

    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(RuntimeMissing, match="stemwright\\[gpu\\]"):
        open_model(path, manifest, device="gpu")


def test_without_any_runtime_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, model_repository: ModelRepository
) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda _: None)
    monkeypatch.setattr(onnxruntime_backend, "find_spec", lambda _: None)
    monkeypatch.setattr(winograd, "computes", lambda *_: False)
    with pytest.raises(RuntimeMissing, match="stemwright\\[cpu\\]"):
        model_repository.load()
