"""Parts restart when the code that they run changes, and only those."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import grimp
import pytest

from services.cli import PROCESSES
from services.local.part import State
from services.local.probes import NotThere
from services.local.reload import CHECKOUT, PACKAGES, Reloader, belongs_to, code_of
from services.local.supervisor import Supervisor
from tests.services.local.test_supervisor import IMPATIENT, Running, eventually, gone, stand_in

CODE = {"gateway": ("services/gateway", "services/kit"), "worker-1": ("services/worker", "services/kit", "separation")}


class Said(list[str]):
    """What the reloader tells a person."""

    def __call__(self, text: str) -> None:
        self.append(text)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Running]:
    logs = tmp_path / "logs"
    logs.mkdir()
    running = Running(logs)
    yield running
    running.finish()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("gateway/app.py", "worker/app.py", "kit/app.py", "local/cli.py"):
        write(tmp_path / "services" / name)
    write(tmp_path / "separation" / "api.py")
    return tmp_path


def write(path: Path, text: str = "") -> None:
    """At one stroke: a look between the first byte and the last would see two changes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text)
    draft.replace(path)


def started(run: Running) -> Supervisor:
    supervisor = run(stand_in("gateway"), stand_in("worker-1"), stand_in("store"))
    supervisor.wait_until_ready()
    return supervisor


def reloader(supervisor: Supervisor, checkout: Path, said: Said) -> Reloader:
    return Reloader(supervisor, said, checkout, lambda part: CODE.get(part, ()), interval_seconds=0.05)


def pids(supervisor: Supervisor) -> dict[str, int | None]:
    return {status.name: status.pid for status in supervisor.statuses()}


@pytest.mark.parametrize(
    ("changed", "restarted"),
    [
        ("services/gateway/app.py", {"gateway"}),
        ("services/gateway/routes/new.py", {"gateway"}),
        ("separation/api.py", {"worker-1"}),
        ("services/kit/app.py", {"gateway", "worker-1"}),
    ],
)
def test_those_who_run_what_changed_are_started_again(
    run: Running, checkout: Path, changed: str, restarted: set[str]
) -> None:
    supervisor, said = started(run), Said()
    before = pids(supervisor)
    with reloader(supervisor, checkout, said):
        write(checkout / changed, "changed = True")
        eventually(lambda: all(pids(supervisor)[name] not in (before[name], None) for name in restarted))
        eventually(supervisor.is_ready)
    now = pids(supervisor)
    assert {name for name in now if now[name] != before[name]} == restarted
    assert said == [f"{changed} changed: restarting {', '.join(sorted(restarted))}"]


def test_code_that_no_part_runs_restarts_nothing_and_says_what_heeds_it(run: Running, checkout: Path) -> None:
    supervisor, said = started(run), Said()
    before = pids(supervisor)
    with reloader(supervisor, checkout, said):
        write(checkout / "services" / "local" / "cli.py", "changed = True")
        write(checkout / "services" / "gateway" / "migrations" / "0002.py")
        write(checkout / "services" / "gateway" / "notes.txt")
        eventually(lambda: len(said) == 2)
    assert all(text.endswith("changed, which only a new start heeds.") for text in said)
    assert pids(supervisor) == before


def test_a_part_that_starts_anew_is_asked_to_end_first(run: Running) -> None:
    supervisor = run(stand_in("one", "polite"), timing=replace(IMPATIENT, stop_grace_seconds=120))
    supervisor.wait_until_ready()
    first = supervisor.pid("one")
    assert first is not None

    supervisor.restart("one")

    eventually(lambda: supervisor.pid("one") not in (first, None))
    eventually(supervisor.is_ready)
    assert gone(first)
    assert "asked to end" in (run.logs / "one.log").read_text()


def test_what_cannot_start_is_started_at_once_when_it_changes_again(run: Running, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    part = stand_in("one")
    assert part.command is not None
    program = f"import os, sys; os.path.exists({str(broken)!r}) and sys.exit(1); os.execv(sys.executable, sys.argv[1:])"
    part = replace(part, command=(sys.executable, "-c", program, *part.command))
    never = replace(IMPATIENT, first_restart_seconds=3600, longest_restart_seconds=3600)
    supervisor = run(part, timing=replace(never, longest_restart_of_ready_seconds=0.01))
    supervisor.wait_until_ready()

    broken.touch()
    supervisor.restart("one")
    eventually(lambda: supervisor.statuses()[0].detail == "exited with 1")
    assert supervisor.statuses()[0].state == State.RESTARTING
    broken.unlink()
    supervisor.restart("one")

    eventually(supervisor.is_ready)


def test_a_part_that_waits_for_another_still_starts_after_it(run: Running, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    first = stand_in("first")
    assert first.ready is not None
    slow = replace(first, ready=Gate(first.ready, ready))
    supervisor = run(slow, stand_in("second", needs=("first",)))
    supervisor.restart("second")
    ready.touch()
    supervisor.wait_until_ready()


class Gate:
    """A probe that says no until a file is there."""

    def __init__(self, probe: Callable[[float], None], file: Path) -> None:
        self._probe, self._file = probe, file

    def __call__(self, timeout_seconds: float) -> None:
        if not self._file.exists():
            raise NotThere("not yet")
        self._probe(timeout_seconds)


def path_of(module: str) -> str:
    """Of its file, or its folder."""
    path = module.replace(".", "/")
    return path if (CHECKOUT / path).is_dir() else f"{path}.py"


def test_the_code_of_a_part_is_all_that_its_service_imports() -> None:
    imports = grimp.build_graph(*PACKAGES, cache_dir=None)
    for service in PROCESSES:
        code = code_of("worker-1" if service == "worker" else service)
        modules = imports.find_upstream_modules(f"services.{service}", as_package=True)
        paths = [path_of(module) for module in modules if "." in module]
        assert len(paths) > 5
        assert [path for path in paths if not belongs_to(path, code)] == []
        assert all((CHECKOUT / place).exists() for place in code)


def test_what_is_not_ours_runs_none_of_our_code() -> None:
    assert code_of("broker") == code_of("migrate") == ()
