import subprocess
import sys
from pathlib import Path

from services.worker.scratch import Scratch

DYING = """
import os, signal, sys
from pathlib import Path
from services.worker.scratch import Scratch
scratch = Scratch(Path(sys.argv[1]), "wrk_dead")
with scratch.directory("job") as path:
    (path / "source").write_bytes(b"x" * 1000)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_directory_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with Scratch(tmp_path / "root", "wrk_a") as scratch:
        with scratch.directory("../../job a/1") as path:
            assert path.parent == tmp_path / "root" / "wrk_a"
            assert path.stat().st_mode & 0o777 == 0o700
            (path / "source").write_text("x")
        assert not path.exists()
    assert list((tmp_path / "root").iterdir()) == []


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", DYING, str(tmp_path)], check=False)
    assert list(tmp_path.glob("wrk_dead/*/source"))
    with Scratch(tmp_path, "wrk_b"):
        assert [path.name for path in tmp_path.iterdir()] == ["wrk_b"]


def test_what_a_living_process_holds_is_left_alone(tmp_path: Path) -> None:
    with Scratch(tmp_path, "wrk_a") as first, first.directory("job") as path, Scratch(tmp_path, "wrk_b"):
        assert path.exists()


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "folder").mkdir()
    with Scratch(tmp_path, "wrk_a"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "notes.txt"]
