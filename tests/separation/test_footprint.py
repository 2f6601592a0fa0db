"""What importing costs, and that memory does not grow with the song."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

import separation
from separation.backends import winograd
from separation.backends.onnxruntime import built_for_gpus
from separation.engine import separate_file
from separation.registry import ModelRepository
from separation.settings import Window
from tests.separation.conftest import EnergyModel
from tests.separation.signals import music, write_wav

HEAVY = ("onnx", "onnxruntime", "scipy", "torch", "rich", "pydantic")


@pytest.mark.parametrize("module", ["separation", "separation.errors", "separation.decode", "separation.registry"])
def test_light_modules_stay_light(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    root = Path(__file__).parents[2]
    loaded = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []


def test_every_public_name_exists() -> None:
    for name in separation.__all__:
        assert getattr(separation, name) is not None
    with pytest.raises(AttributeError):
        separation.no_such_name  # noqa: B018


def test_memory_does_not_grow_with_the_song(tmp_path: Path) -> None:
    peaks = {}
    for seconds in (60, 240):
        source = write_wav(tmp_path / f"{seconds}.wav", music(seconds, channels=1))
        tracemalloc.start()
        separate_file(source, tmp_path / "out", model=EnergyModel())
        peaks[seconds] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # How much of a patch each of three threads holds at the same moment differs by a tenth from run to run.
    assert peaks[240] < 1.25 * peaks[60]


def test_a_late_preview_holds_no_more_than_an_early_one(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "song.wav", music(300, channels=1))
    peaks = []
    for begin in (30, 299):
        tracemalloc.start()
        separate_file(source, tmp_path / "out", model=EnergyModel(), window=Window(begin, begin + 1))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]  # the whole song would be 53 MB more


def test_eight_channels_at_192_khz_take_little_more_than_eight_at_44(tmp_path: Path) -> None:
    """In memory are blocks of bounded size and a patch at the model's rate; the mixture waits on disk."""
    peaks = []
    for rate in (44100, 192_000):
        source = write_wav(tmp_path / "song.wav", music(24, rate, channels=8), rate=rate)
        tracemalloc.start()
        separate_file(source, tmp_path / "out", model=EnergyModel())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 80e6  # the mixture alone would be 110 MB more


def test_a_model_on_our_kernels_loads_no_other_runtime(model_repository: ModelRepository) -> None:
    """20 MB of every process; only a build for GPUs is asked whether it finds one."""
    if not winograd.kernels_for(model_repository.manifest()) or built_for_gpus():
        pytest.skip("This machine takes another runtime.")
    code = "import sys; from separation import load_model;print(load_model().runtime, 'onnxruntime' in sys.modules)"
    told = {**os.environ, "STEMWRIGHT_MODEL_REPOSITORY": str(model_repository.path)}
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", code], cwd=root, env=told, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["winograd", "1", "fp32", "False"]
