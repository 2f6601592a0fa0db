"""What importing costs, and that memory does not grow with the song."""

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

import separation
from separation.models.repository import ModelRepository
from separation.models.runtimes.onnxruntime import built_for_gpus
from separation.models.runtimes.unet.model import kernels_for
from separation.settings import Window
from separation.stream.job import separate_file
from tests.separation.conftest import EnergyModel
from tests.separation.signals import music, write_wav

HEAVY = ("onnx", "onnxruntime", "scipy", "torch", "rich", "pydantic")


@pytest.mark.parametrize(
    "module", ["separation", "separation.errors", "separation.audio.decode", "separation.models.repository"]
)
def test_light_modules_stay_light(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    root = Path(__file__).parents[3]
    loaded = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []


def test_every_public_name_exists() -> None:
    for name in separation.__all__:
        assert getattr(separation, name) is not None
    with pytest.raises(AttributeError):
        separation.no_such_name  # noqa: B018


def test_memory_does_not_grow_with_the_song(tmp_path: Path) -> None:
    peaks, part = {}, music(10)
    for seconds in (40, 130):
        source = write_wav(tmp_path / f"{seconds}.wav", part, times=seconds // 10)
        tracemalloc.start()
        separate_file(source, tmp_path / "out", model=EnergyModel())
        peaks[seconds] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # How much of a patch each of three threads holds at the same moment differs by a tenth from run to run.
    assert peaks[130] < 1.25 * peaks[40]  # the samples of 90 s would be 32 MB more, of 84


def test_a_late_preview_holds_no_more_than_an_early_one(tmp_path: Path) -> None:
    source = write_wav(tmp_path / "song.wav", music(10, channels=1), times=15)
    peaks = []
    for begin in (30, 149):
        tracemalloc.start()
        separate_file(source, tmp_path / "out", model=EnergyModel(), window=Window(begin, begin + 1))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]  # the whole song would be 26 MB more


@pytest.mark.parametrize(("channels", "rate"), [(2, 96_000), (8, 192_000)])
def test_a_preview_of_the_largest_song_stays_below_450_mb(
    tmp_path: Path, model_repository: ModelRepository, channels: int, rate: int
) -> None:
    """Of everything that the process has resident at its peak; 190 MB of it are weights that processes share."""
    source = write_wav(tmp_path / "song.wav", music(1, rate, channels=channels), rate=rate, times=30)
    code = f"""
from pathlib import Path
from separation import load_model, separate
separate({str(source)!r}, {str(tmp_path / "out")!r}, model=load_model(), window=(2, 30))
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""
    told = {**os.environ, "STEMWRIGHT_MODEL_REPOSITORY": str(model_repository.path)}
    root = Path(__file__).parents[3]
    said = subprocess.run([sys.executable, "-c", code], cwd=root, env=told, capture_output=True, text=True, check=True)
    assert int(said.stdout) * 1024 < 450e6


def test_a_model_on_our_kernels_loads_no_other_runtime(model_repository: ModelRepository) -> None:
    """20 MB of every process; only a build for GPUs is asked whether it finds one."""
    if not kernels_for(model_repository.manifest()) or built_for_gpus():
        pytest.skip("This machine takes another runtime.")
    code = "import sys; from separation import load_model;print(load_model().runtime, 'onnxruntime' in sys.modules)"
    told = {**os.environ, "STEMWRIGHT_MODEL_REPOSITORY": str(model_repository.path)}
    root = Path(__file__).parents[3]
    said = subprocess.run([sys.executable, "-c", code], cwd=root, env=told, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["winograd", "1", "fp32", "False"]
