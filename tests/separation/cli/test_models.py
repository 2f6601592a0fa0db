"""``stemwright models``."""

import errno
import shutil
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner

from separation import cli as commands
from separation.models.repository import ModelRepository


def test_models_list_and_verify(model_repository: ModelRepository) -> None:
    for command in (["list"], ["verify"], ["verify", "spleeter-2stems"]):
        result = CliRunner().invoke(commands.models, [*command, "--repository", str(model_repository.path)])
        assert result.exit_code == 0
        assert result.stdout.startswith("spleeter-2stems  sha256:")
    result = CliRunner().invoke(commands.models, ["verify", "none", "--repository", str(model_repository.path)])
    assert result.exit_code == 1
    assert result.stderr.endswith("There are: spleeter-2stems.\n")


def test_an_empty_repository_says_what_to_do(tmp_path: Path) -> None:
    for command in (["list"], ["verify"]):
        result = CliRunner().invoke(commands.models, [*command, "--repository", str(tmp_path / "none")])
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr.endswith("Run: stemwright models import spleeter-2stems\n")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_in_one_line_and_leaves_no_half_model(
    model_repository: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    import_module("services.worker.inference.triton.server.cli")  # which adds the command
    command = ["triton", str(tmp_path), "--target", "cpu", "--repository", str(model_repository.path)]
    result = CliRunner().invoke(commands.models, command)
    assert (result.exit_code, result.stderr) == (1, "Error: No space left on device\n")
    assert list(tmp_path.iterdir()) == []
