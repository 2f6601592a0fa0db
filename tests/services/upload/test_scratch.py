"""Directories for files under check."""

import stat
import subprocess
import sys
from pathlib import Path

from services.upload.scratch import Scratch


def test_a_directory_is_private_and_goes_with_its_block(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "scratch")
    with scratch.directory() as directory:
        (directory / "audio").write_bytes(b"x")
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert not directory.exists()
    scratch.close()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal, sys; from services.upload.scratch import Scratch; "
        "s = Scratch(pathlib.Path(sys.argv[1])); c = s.directory(); d = c.__enter__(); "
        "(d / 'audio').write_bytes(b'x'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert len(list(tmp_path.glob("process-*/*/audio"))) == 1

    scratch = Scratch(tmp_path)

    assert list(tmp_path.glob("process-*/*/audio")) == []
    assert len(list(tmp_path.iterdir())) == 1
    scratch.close()


def test_a_living_neighbour_is_left_alone(tmp_path: Path) -> None:
    first = Scratch(tmp_path)
    with first.directory() as directory:
        (directory / "audio").write_bytes(b"x")
        second = Scratch(tmp_path)
        assert (directory / "audio").exists()
        second.close()
    first.close()
