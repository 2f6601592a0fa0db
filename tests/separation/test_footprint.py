"""What importing costs, and that memory does not grow with the song."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

import separation
from separation.engine import separate_file
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
