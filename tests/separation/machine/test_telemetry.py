"""No library reports to anybody, and none leaves anything in the user's home folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOAD = """
from pathlib import Path
from types import SimpleNamespace
from separation.errors import ModelError
from separation.models.runtimes.onnxruntime import OnnxRuntimeModel
try:
    OnnxRuntimeModel(Path("missing.onnx"), SimpleNamespace(name="missing"))
except ModelError:
    print("loaded")
"""


def test_the_runtime_writes_nothing_into_the_users_home(tmp_path: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "ORT_"))}
    ran = subprocess.run(
        [sys.executable, "-c", LOAD],
        env={**inherited, "HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == "loaded\n", ran.stderr
    assert list(tmp_path.iterdir()) == []


SOURCES = [path for package in ("separation", "services", "training") for path in (ROOT / package).rglob("*.py")]
USERS = [path for path in SOURCES if "  import onnxruntime" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("source", USERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_whoever_imports_it_forbids_telemetry_first(source: Path) -> None:
    lines = [line.strip() for line in source.read_text(encoding="utf-8").splitlines()]
    for number, line in enumerate(lines):
        if line == "import onnxruntime":
            assert "forbid_telemetry()" in lines[number - 5 : number]
