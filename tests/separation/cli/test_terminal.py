"""``stemwright separate`` as a process of its own: signals, a terminal, a reader that goes away."""

import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.separation.signals import music, write_wav
from tests.services.worker.tiny_model import NAME, make_tiny_model

_ROOT = Path(__file__).parents[3]
_DEADLINE_SECONDS = 240
# What a shell runs in its background inherits an ignored SIGINT, for which Python sets no handler.
_COMMAND = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from services.cli import main; main()"
)


@contextmanager
def _running(folder: Path, *arguments: str, **streams: Any) -> Iterator["subprocess.Popen[str]"]:
    """The command in ``folder``, killed at the end if it still runs."""
    # What nohup runs inherits an ignored SIGHUP.
    streams.setdefault("preexec_fn", lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    make_tiny_model(folder / "models")
    command = [sys.executable, "-c", _COMMAND, "separate", "--model", NAME, *arguments]
    environment = {
        **os.environ,
        "PYTHONPATH": str(_ROOT),
        "STEMWRIGHT_MODEL_REPOSITORY": str(folder / "models"),
        "TERM": "xterm-256color",
    }
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def _until(condition: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not condition():
        assert process.poll() is None, "it has ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _long_song(path: Path) -> Path:
    """Ten minutes: much longer than the test waits for its first stem."""
    return write_wav(path, music(6, 8000, channels=1), rate=8000, times=100)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=str,
)
def test_a_signal_leaves_nothing_of_the_song_in_work(tmp_path: Path, number: signal.Signals, code: int) -> None:
    write_wav(tmp_path / "a.wav", music(0.3))
    _long_song(tmp_path / "b.wav")
    out = tmp_path / "out"
    arguments = ("a.wav", "b.wav", "c.wav", "-o", "out")
    with _running(tmp_path, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        _until(lambda: list(out.glob("b/.partial-*/vocals.flac")), process)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=_DEADLINE_SECONDS)
    assert process.returncode == code
    assert stderr == "Stopped; nothing half done is left behind.\n"
    assert stdout.splitlines()[-1].startswith("1 song separated, 2 not done in ")
    assert sorted(path.name for path in out.iterdir()) == ["a"]
    assert not list(out.rglob(".partial-*"))


def test_what_was_killed_in_the_midst_of_a_song_is_cleared_by_the_same_command(tmp_path: Path) -> None:
    _long_song(tmp_path / "a.wav")
    out = tmp_path / "out"
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with _running(tmp_path, "a.wav", "-o", "out", **streams) as process:
        _until(lambda: list(out.glob("a/.partial-*/vocals.flac")), process)
        process.kill()
        process.communicate(timeout=_DEADLINE_SECONDS)
    assert list(out.rglob(".partial-*"))
    shutil.rmtree(tmp_path / "models")
    write_wav(tmp_path / "a.wav", music(0.3))
    with _running(tmp_path, "a.wav", "-o", "out", **streams) as process:
        process.communicate(timeout=_DEADLINE_SECONDS)
    assert process.returncode == 0
    assert not list(out.rglob(".partial-*"))


@pytest.mark.parametrize("numbers", [(1,), (2,), (0, 1, 2)])
def test_an_output_that_was_closed_before_is_no_fault(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    write_wav(tmp_path / "a.wav", music(0.3))

    def close() -> None:
        for number in numbers:
            os.close(number)

    with _running(tmp_path, "a.wav", "-o", "out", preexec_fn=close) as process:
        assert process.wait(timeout=_DEADLINE_SECONDS) == 0
    assert (tmp_path / "out" / "a" / "manifest.json").exists()


def test_an_ignored_signal_stays_ignored(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", music(20, channels=1))
    out = tmp_path / "out"
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with _running(
        tmp_path, "a.wav", "-o", "out", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN), **streams
    ) as process:
        # Again and again: how long it is at work on the song depends on the machine.
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
        process.communicate(timeout=_DEADLINE_SECONDS)
    assert process.returncode == 0
    assert (out / "a" / "manifest.json").exists()


def test_a_reader_that_goes_away_ends_the_run_with_one_line(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_wav(tmp_path / f"{name}.wav", music(0.3))
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with _running(tmp_path, "a.wav", "b.wav", "-o", "out", "--json", **streams) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        stderr = process.stderr.read()
        process.wait(_DEADLINE_SECONDS)
    assert process.returncode == 1
    assert stderr == "Nobody reads the output any more; stopped.\n"
    assert not (tmp_path / "out" / "b").exists()
    assert not list(tmp_path.rglob(".partial-*"))


class _Terminal:
    """A terminal of 100 columns in which the command is the foreground process."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        os.set_blocking(self._master, False)
        self.text = ""

    @property
    def streams(self) -> dict[str, Any]:
        slave = self.slave
        return {
            **dict.fromkeys(("stdin", "stdout", "stderr"), slave),
            "start_new_session": True,
            "preexec_fn": lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0),
        }

    def read(self) -> str:
        """All that has been shown so far."""
        try:
            while part := os.read(self._master, 65536):
                self.text += part.decode()
        except OSError:  # nothing more now, or no process any more
            pass
        return self.text

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def close(self) -> None:
        os.close(self.slave)
        os.close(self._master)


@pytest.fixture
def terminal() -> Iterator[_Terminal]:
    terminal = _Terminal()
    yield terminal
    terminal.close()


def test_a_terminal_shows_a_bar_with_speed_and_time_left(tmp_path: Path, terminal: _Terminal) -> None:
    write_wav(tmp_path / "[a].wav", music(0.3))
    _long_song(tmp_path / "b.wav")  # whatever the machine, it is not done before the bar has moved

    def shown() -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.read())

    with _running(tmp_path, "[a].wav", "b.wav", "-o", "out", **terminal.streams) as process:
        moved = re.compile(r"\[2/2\] b\.wav +[━╸╺ ]+ +\d+% +[\d.]+x real time ETA [\d:]+")
        _until(lambda: moved.search(shown()), process)
    assert re.search(r"\[1/2\] \[a\]\.wav +[━╸╺ ]+ +\d+%", shown())
    lines = [line for line in re.split(r"[\r\n]+", shown()) if " separated in " in line and ": " in line]
    assert [line.partition(":")[0] for line in lines] == ["[a].wav"]


def _shown(tmp_path: Path, terminal: _Terminal, *arguments: str) -> str:
    with _running(tmp_path, *arguments, **terminal.streams) as process:
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            terminal.read()
            time.sleep(0.01)
    return terminal.read()


def test_lines_fit_the_terminal_and_failures_are_red(tmp_path: Path, terminal: _Terminal) -> None:
    long = "a very long name of a song " * 6
    write_wav(tmp_path / f"{long}.wav", music(0.3))
    (tmp_path / "empty.mp3").touch()
    shown = _shown(
        tmp_path, terminal, f"{long}.wav", "empty.mp3", "-o", "a folder of some length/and another one in it"
    )
    assert "\x1b[31mempty.mp3: The file is empty. [audio_empty]\x1b[0m" in shown
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown))
    (first,) = [line for line in lines if " separated in " in line and ": 0.3 s" in line]
    (second,) = [line for line in lines if " -> " in line]
    assert max(len(first), len(second)) <= 100
    assert first.startswith("a very long name")
    assert "\u2026: 0.3 s separated in " in first
    assert second.startswith("  vocals + instrumental = the song")
    assert second.rstrip().endswith(long.rstrip()[-20:])


def test_colour_is_left_out_where_it_is_not_wanted(
    tmp_path: Path, terminal: _Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    (tmp_path / "empty.mp3").touch()
    assert "\x1b[3" not in _shown(tmp_path, terminal, "empty.mp3")


def test_ctrl_c_in_a_terminal(tmp_path: Path, terminal: _Terminal) -> None:
    _long_song(tmp_path / "a.wav")
    out = tmp_path / "out"
    with _running(tmp_path, "a.wav", "-o", "out", **terminal.streams) as process:
        _until(lambda: terminal.read() and list(out.glob("a/.partial-*/vocals.flac")), process)
        for _ in range(3):  # people press it more than once
            terminal.type("\x03")
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            terminal.read()
            time.sleep(0.01)
    assert process.returncode == 130
    assert "Stopped; nothing half done is left behind." in terminal.read()
    assert "Traceback" not in terminal.text
    assert not out.exists()


def test_no_bar_without_a_terminal(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", music(0.3))
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with _running(tmp_path, "a.wav", "-o", "out", **streams) as process:
        stdout, stderr = process.communicate(timeout=_DEADLINE_SECONDS)
    assert process.returncode == 0
    assert stderr == ""
    assert len(stdout.splitlines()) == 2
