"""The programs of the page about the client work as they are pasted, and a run ends when it is told to."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.python.double import KEY, Double
from tests.clients.python.test_folder import PROGRAM

PAGE = (Path(__file__).parents[3] / "docs" / "client.md").read_text()
PROGRAMS = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "with Client()" in block]
PATIENCE_SECONDS = 120


@pytest.fixture
def environment(double: Double, song: Path) -> dict[str, str]:
    """With the page's songs in the folder where its programs run."""
    (song.parent / "song.mp3").write_bytes(song.read_bytes())
    (song.parent / "Album").mkdir()
    song.rename(song.parent / "Album" / song.name)
    (song.parent / "Album" / "text.mp3").write_bytes(b"no music")
    return {**os.environ, "STEMWRIGHT_URL": double.url, "STEMWRIGHT_API_KEY": KEY}


def test_the_songs(double: Double, environment: dict[str, str], tmp_path: Path) -> None:
    program, _ = PROGRAMS
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.stdout.splitlines() == ["out/song/vocals.flac", "3 True", "Album/text.mp3 This is no song."]
    assert (tmp_path / "karaoke" / "my song" / "instrumental.mp3").exists()
    assert len(double.jobs) == 2


def test_the_events(double: Double, environment: dict[str, str], tmp_path: Path) -> None:
    _, program = PROGRAMS
    seen = []
    for number in range(1, 3):
        double.happen("job.queued", {"number": number})
        with subprocess.Popen(
            [sys.executable, "-u", "-c", program], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
        ) as following:
            assert following.stdout is not None
            seen.append(following.stdout.readline().split()[0])
            _until(lambda: (tmp_path / "events.after").exists() and (tmp_path / "events.after").read_text() == seen[-1])
            following.kill()
    assert seen == ["1", "2"]


def test_a_run_ends_when_it_is_interrupted(double: Double, environment: dict[str, str], tmp_path: Path) -> None:
    double.hold.clear()
    # What a shell starts in the background ignores Ctrl-C, and so would all that it starts.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", heeding + PROGRAM, str(tmp_path / "Album"), str(tmp_path / "out")]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
        _until(lambda: double.count("GET .*/events") > 0)
        running.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in running.communicate(timeout=PATIENCE_SECONDS)[1]
    assert running.returncode != 0


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
