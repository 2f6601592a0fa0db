"""Which runtime computes a model: what fails or answers wrongly is passed over, what was right is remembered."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from separation.errors import ModelAnswerInvalid, ModelError, RuntimeMissing
from separation.models.canary import Canary
from separation.models.repository import ModelRepository
from separation.models.runtimes import onnxruntime as onnxruntime_backend
from separation.models.runtimes.choice import Candidate, PassedOver, candidates, first_right, open_model
from tests.separation.conftest import EnergyModel
from tests.separation.machine.test_processor import V3, V4

Floats = NDArray[np.float32]


class Runtime(EnergyModel):
    """A runtime of that name whose answers are off by ``error``."""

    def __init__(self, name: str, *, error: float = 0.0, build: str | None = "1") -> None:
        super().__init__()
        self.runtime = f"{name} 1 fp32"
        self.build = build
        self.error = error

    def fractions(self, magnitudes: Floats) -> Floats:
        return super().fractions(magnitudes) + np.float32(self.error)

    def candidate(self) -> Candidate:
        return Candidate(self.runtime.split()[0], lambda: self)


def broken(name: str, error: Exception) -> Candidate:
    def load() -> Runtime:
        raise error

    return Candidate(name, load)


@pytest.fixture(scope="module")
def canary() -> Canary:
    return Canary.of(EnergyModel())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEMWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# The order.


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("sse4_1", ["onnxruntime"]),
        ("f16c fma avx2", ["onnxruntime"]),
        (f"{V3} avx512f", ["winograd x86_64_v3", "onnxruntime"]),
        (f"{V4} avx512_bf16 amx_bf16", ["winograd x86_64_v4", "winograd x86_64_v3", "onnxruntime"]),
    ],
)
@pytest.mark.skipif("platform.machine() != 'x86_64'", reason="Levels are those of x86-64.")
def test_the_processor_decides_what_may_compute(
    flags: str, expected: list[str], model_repository: ModelRepository
) -> None:
    found = candidates(Path("none"), model_repository.manifest(), device="cpu", flags=frozenset(flags.split()))
    assert [candidate.runtime for candidate in found] == expected


def test_the_kernels_are_for_their_own_networks_only(model_repository: ModelRepository) -> None:
    found = candidates(Path("none"), EnergyModel.manifest, device="cpu", flags=frozenset(V4.split()))
    assert [candidate.runtime for candidate in found] == ["onnxruntime"]


def test_a_gpu_is_taken_first_and_alone_where_one_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, model_repository: ModelRepository
) -> None:
    manifest = model_repository.manifest()
    path = model_repository.model_file(manifest.name)

    def runtimes(**wish: Any) -> list[str]:
        return [candidate.runtime for candidate in candidates(path, manifest, flags=frozenset(), **wish)]

    monkeypatch.setattr(onnxruntime_backend, "built_for_gpus", lambda: True)
    available = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: available)
    assert runtimes() == ["onnxruntime on a GPU", "onnxruntime"]
    assert runtimes(device="gpu") == ["onnxruntime on a GPU"]
    assert runtimes(device="cpu") == ["onnxruntime"]
    available.remove("CUDAExecutionProvider")
    assert runtimes() == ["onnxruntime"]
    with pytest.raises(RuntimeMissing, match="stemwright\\[gpu\\]"):
        open_model(path, manifest, None, device="gpu")


# What is taken of it.


def test_the_first_that_answers_rightly_is_taken_and_is_at_rest(canary: Canary) -> None:
    first, second = Runtime("first"), Runtime("second")
    assert first_right([first.candidate(), second.candidate()], first.manifest, canary) is first
    assert (first.patches, first.rests, second.patches) == (1, 1, 0)


@pytest.mark.parametrize(
    "failing",
    [
        Runtime("failing", error=0.0103).candidate(),
        Runtime("failing", error=np.nan).candidate(),
        broken("failing", ModelError("cannot be loaded")),
        broken("failing", OSError("a library is cut off")),
        broken("failing", ImportError("a wheel is half there")),
    ],
    ids=["wrong", "not a number", "file", "library", "wheel"],
)
def test_a_runtime_that_fails_is_passed_over_and_said_so(
    failing: Candidate, canary: Canary, caplog: pytest.LogCaptureFixture
) -> None:
    right, told = Runtime("right"), list[PassedOver]()
    with caplog.at_level(logging.WARNING):
        taken = first_right([failing, right.candidate()], right.manifest, canary, on_passed_over=told.append)
    assert taken is right
    assert [one.runtime for one in told] == ["failing"]
    assert f"the runtime failing is passed over for energy: {told[0].reason}" in caplog.text


def test_where_none_answers_rightly_the_error_says_what_to_do(canary: Canary) -> None:
    wrong = [Runtime(name, error=0.2).candidate() for name in ("first", "second")]
    with pytest.raises(ModelAnswerInvalid, match=r"import it again .*first: .*canary wrongly.*second: .*wrongly"):
        first_right(wrong, EnergyModel.manifest, canary)


def test_where_one_alone_fails_its_own_error_is_told(canary: Canary) -> None:
    with pytest.raises(ModelError, match=r"^cannot be loaded$"):
        first_right([broken("only", ModelError("cannot be loaded"))], EnergyModel.manifest, canary)


def test_where_none_can_be_loaded_the_error_says_so_of_each(canary: Canary) -> None:
    found = [broken("first", RuntimeMissing("is damaged")), broken("second", ImportError("is half there"))]
    with pytest.raises(RuntimeMissing, match=r"install Stemwright again\. first: is damaged second: is half there$"):
        first_right(found, EnergyModel.manifest, canary)


def test_without_any_runtime_the_error_says_what_to_install(canary: Canary) -> None:
    with pytest.raises(RuntimeMissing, match="stemwright\\[cpu\\]"):
        first_right([], EnergyModel.manifest, canary)


def test_without_a_canary_an_answer_must_lie_between_zero_and_one() -> None:
    wrong, right = Runtime("wrong", error=1.2), Runtime("right")
    assert first_right([wrong.candidate(), right.candidate()], right.manifest, None) is right


# What is remembered.


def _asked(runtime: Runtime, canary: Canary | None, *, remember: bool = True) -> int:
    before = runtime.patches
    first_right([runtime.candidate()], runtime.manifest, canary, remember=remember)
    return runtime.patches - before


def test_who_has_answered_rightly_is_not_asked_again(canary: Canary) -> None:
    assert _asked(Runtime("a"), canary) == 1
    assert _asked(Runtime("a"), canary) == 0
    assert _asked(Runtime("a"), canary, remember=False) == 1


def test_whatever_changed_is_asked_again(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _asked(Runtime("a"), canary) == 1
    assert _asked(Runtime("a", build="2"), canary) == 1  # the kernels, the weights or the runtime's version
    assert _asked(Runtime("b", build="2"), canary) == 1
    assert _asked(Runtime("a", build="2"), None) == 1
    assert _asked(Runtime("a", build="2"), canary) == 1
    assert _asked(Runtime("a", build="2"), canary) == 0
    monkeypatch.setattr("separation.models.runtimes.choice.processor_flags", lambda: frozenset({"another"}))
    assert _asked(Runtime("a", build="2"), canary) == 1


def test_a_wrong_answer_and_one_that_depends_on_a_driver_are_not_remembered(canary: Canary) -> None:
    for _ in range(2):
        with pytest.raises(ModelAnswerInvalid):
            first_right([Runtime("a", error=0.2).candidate()], EnergyModel.manifest, canary)
        assert _asked(Runtime("b", build=None), canary) == 1


def test_a_cache_that_cannot_be_written_or_read_means_asking_each_time(canary: Canary, cache: Path) -> None:
    cache.write_text("a file where a folder should be")
    assert [_asked(Runtime("a"), canary) for _ in range(2)] == [1, 1]
    cache.unlink()
    assert _asked(Runtime("a"), canary) == 1
    [note] = (cache / "canaries").iterdir()
    note.write_bytes(b"\xff\xfe")
    assert _asked(Runtime("a"), canary) == 1
