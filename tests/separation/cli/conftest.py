"""Fixtures of the tests of the command."""

from pathlib import Path

import pytest

from tests.services.worker.tiny_model import make_tiny_model


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny-models")
    make_tiny_model(path)
    return path


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_repository: Path) -> None:
    """Relative paths, as people give them, and the small model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEMWRIGHT_MODEL_REPOSITORY", str(tiny_repository))
