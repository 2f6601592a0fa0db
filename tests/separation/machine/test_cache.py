"""Where fetched and kept things lie, on any machine."""

import os
from pathlib import Path

import pytest

from separation.machine.cache import cache_directory, data_directory
from separation.models.repository import default_repository

Environment = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: Environment) -> Path:
    """A user without settings, and with temporary files of their own."""
    for name in ("STEMWRIGHT_CACHE", "STEMWRIGHT_MODEL_REPOSITORY", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "Zoë ü"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / "Zoë ü"


def test_the_usual_folders(home: Path) -> None:
    assert cache_directory() == home / ".cache" / "stemwright"
    assert data_directory() == home / ".local" / "share" / "stemwright"


def test_folders_of_the_users_choice(tmp_path: Path, monkeypatch: Environment) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert cache_directory() == tmp_path / "cache" / "stemwright"
    assert data_directory() == tmp_path / "data" / "stemwright"
    monkeypatch.setenv("STEMWRIGHT_CACHE", str(tmp_path / "ours"))
    assert cache_directory() == tmp_path / "ours"


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "XDG_DATA_HOME"])
def test_a_relative_path_is_ignored(home: Path, monkeypatch: Environment, variable: str) -> None:
    monkeypatch.setenv(variable, "here")
    assert {cache_directory().parts[:-2], data_directory().parts[:-3]} == {home.parts}


@pytest.mark.parametrize("where", ["/dev/null", "/proc/nothing"])
def test_a_cache_that_cannot_be_made_is_a_private_folder(tmp_path: Path, monkeypatch: Environment, where: str) -> None:
    monkeypatch.setenv("HOME", where)
    folder = cache_directory()
    assert folder.parent == tmp_path
    assert folder.stat().st_mode & 0o777 == 0o700
    assert cache_directory() == folder


def test_what_somebody_else_laid_there_is_not_taken(tmp_path: Path, monkeypatch: Environment) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    (tmp_path / f"stemwright-cache-{os.geteuid()}").symlink_to("/dev/shm")
    with pytest.raises(PermissionError, match="STEMWRIGHT_CACHE"):
        cache_directory()


def test_models_are_kept_in_the_checkout_or_in_the_data_folder(
    tmp_path: Path, home: Path, monkeypatch: Environment
) -> None:
    checkout = Path(__file__).parents[3]
    assert default_repository() == checkout / "models" / "repository"
    site = tmp_path / "site-packages"
    (site / "models").mkdir(parents=True)
    assert default_repository(site) == home / ".local" / "share" / "stemwright" / "models"
    monkeypatch.setenv("STEMWRIGHT_MODEL_REPOSITORY", str(tmp_path / "here"))
    assert default_repository(site) == tmp_path / "here"
