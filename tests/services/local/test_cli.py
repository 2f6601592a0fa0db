"""Signals that ask `up` and `demo` to stop, and what a demo leaves that did not come to its end."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from click.testing import CliRunner

from services.cli import main
from services.local import cli
from services.local.cli import StopSignals
from services.local.home import Home
from services.local.settings import LocalSettings

pytestmark = pytest.mark.usefixtures("signals_as_before")


@pytest.fixture
def signals_as_before() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def receive(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=str)
def test_a_signal_asks_for_a_stop_and_a_second_one_for_haste(number: signal.Signals) -> None:
    hasty = threading.Event()
    with StopSignals() as signals:
        signals.when_impatient = hasty.set
        receive(number)
        assert signals.stop.wait(60)
        assert not hasty.is_set()
        receive(number)
        assert hasty.wait(60)


def test_what_nohup_runs_goes_on_when_its_terminal_is_closed() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopSignals() as signals, signals.breaking_off():
        receive(signal.SIGHUP)
    assert not signals.stop.is_set()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_signal_waits_for_no_lock_of_the_thread_that_it_interrupts() -> None:
    lock, told, got = threading.Lock(), threading.Event(), list[bool]()

    def changed() -> None:
        got.append(lock.acquire(timeout=10))
        told.set()

    with StopSignals(changed):
        with lock:
            receive(signal.SIGINT)
        assert told.wait(60)
    assert got == [True]


class Platform:
    """One that gets a signal, or meets an error, where its start is waited for; and another signal as it stops."""

    plan = supervisor = property(lambda self: self)
    notes = ()

    def __init__(self, settings: LocalSettings, meets: signal.Signals | OSError) -> None:
        self.home = Home(settings.home)
        self._meets = meets
        self.killed = threading.Event()
        self.stopped = False

    def __enter__(self) -> Self:
        self.home.make()
        return self

    def __exit__(self, *_: object) -> None:
        if isinstance(self._meets, signal.Signals):
            receive(self._meets)
            assert self.killed.wait(60)
        self.stopped = True

    def wait_until_ready(self) -> None:
        if isinstance(self._meets, OSError):
            raise self._meets
        receive(self._meets)

    def kill_now(self) -> None:
        self.killed.set()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> list[Platform]:
    platforms = list[Platform]()

    def make(settings: LocalSettings, **_: Any) -> Platform:
        platforms.append(Platform(settings, request.param))
        return platforms[-1]

    monkeypatch.setattr(cli, "Platform", make)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEMWRIGHT_HOME", str(tmp_path / "home"))
    return platforms


@pytest.mark.parametrize("made", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=str, indirect=True)
def test_a_demo_that_is_stopped_leaves_nothing_of_its_platform(made: list[Platform], tmp_path: Path) -> None:
    ended = CliRunner().invoke(main, ["demo"])
    number = made[0]._meets
    assert isinstance(number, signal.Signals)
    assert (ended.exit_code, made[0].stopped) == (128 + number, True)
    assert ended.output.splitlines() == ["stemwright demo: stopped; its platform is gone"]
    assert list((tmp_path / "home").iterdir()) == []


@pytest.mark.parametrize("made", [OSError(28, "No space left on device")], indirect=True)
def test_a_demo_that_cannot_write_says_where_its_logs_are(made: list[Platform]) -> None:
    ended = CliRunner().invoke(main, ["demo"])
    logs = made[0].home.logs
    assert ended.exit_code == 1
    assert f"Logs: {logs}" in ended.output
    assert logs.is_dir()


@pytest.mark.parametrize("made", [OSError("it was started")], indirect=True)
def test_a_demo_starts_nothing_where_its_stems_cannot_be_written(made: list[Platform], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = CliRunner().invoke(main, ["demo", "-o", "file/stems"])
    assert (ended.exit_code, made) == (1, [])
