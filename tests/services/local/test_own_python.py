"""What runs anew is the code that runs here, wherever it is started and whatever lies there."""

import os
import site
import subprocess
import sys
from pathlib import Path

import pytest

import services
from services.local.own_python import STEMWRIGHT, inherited_environment

ROOT = Path(__file__).parents[3]


def test_a_package_of_the_same_name_in_the_folder_at_hand_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").touch()
    (tmp_path / "services" / "cli.py").write_text("print('somebody else')")
    told = subprocess.run(
        [*STEMWRIGHT, "--version"],
        cwd=tmp_path,
        env=inherited_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=240,
    )
    assert "services.cli, version " in told.stdout


def test_a_checkout_that_is_not_installed_finds_its_code_from_any_folder(tmp_path: Path) -> None:
    again = f"{[sys.executable, '-S', '-P', '-c', 'import services; print(*services.__path__)']!r}"
    code = f"""
import subprocess
from services.local.own_python import inherited_environment
subprocess.run({again}, cwd={str(tmp_path)!r}, env=inherited_environment(), check=True)
"""
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # Without what is installed, and with the folder at hand on the path of modules, as `python -m` has it.
    found = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=ROOT,
        env=plain,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=240,
    )
    assert found.stdout == f"{ROOT / 'services'}\n"


def test_the_path_of_modules_that_somebody_set_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/one:/two")
    monkeypatch.setattr(services, "__path__", [f"{site.getsitepackages()[0]}/services"])
    assert inherited_environment()["PYTHONPATH"] == "/one:/two"
    monkeypatch.setattr(services, "__path__", ["/two/services"])
    assert inherited_environment()["PYTHONPATH"] == "/one:/two"
    monkeypatch.setattr(services, "__path__", ["/checkout/services"])
    assert inherited_environment()["PYTHONPATH"] == "/checkout:/one:/two"
