"""A platform that another process runs is found, shown and stopped; one that was killed is not there any more."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result

from services.local import cli_running
from services.local.home import Home
from services.local.part import State, Status
from services.local.processes import other_process
from services.local.running import Snapshot, running, stop

ROOT = Path(__file__).parents[3]
SUPERVISOR = """
    import json, os, signal, sys
    from pathlib import Path
    from services.local.home import Home
    home = Home(Path(sys.argv[1]))
    home.make()
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with home.locked():
        home.write_state({**json.loads(sys.argv[2]), "pid": os.getpid()})
        print("running", flush=True)
        signal.pause()
"""


def status(name: str = "gateway", state: State = State.READY, pid: int | None = None) -> Status:
    return Status(name, state, "http://127.0.0.1:8080", datetime.now(UTC), pid, 2, "", 1.5, elsewhere=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("STEMWRIGHT_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


@contextmanager
def supervisor(home: Home, *parts: Status, how: str = "") -> Iterator[subprocess.Popen[bytes]]:
    snapshot = Snapshot(0, "http://127.0.0.1:8080", ready=True, since=datetime.now(UTC), parts=parts or (status(),))
    command = [sys.executable, "-c", textwrap.dedent(SUPERVISOR), str(home.root), json.dumps(snapshot.document()), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"running\n"
            yield process
        finally:
            process.kill()


def run(command: str, *arguments: str) -> Result:
    return CliRunner().invoke(getattr(cli_running, command), arguments)


def test_a_snapshot_is_read_as_it_was_written() -> None:
    snapshot = Snapshot(7, "http://here", ready=True, since=datetime.now(UTC), parts=(status(), status("broker")))
    assert Snapshot.of(json.loads(json.dumps(snapshot.document()))) == snapshot


def test_what_runs_is_found(home: Home) -> None:
    assert running(home) is None
    with supervisor(home) as process:
        found = running(home)
        assert found is not None
        assert (found.pid, found.is_well) == (process.pid, True)


def test_what_was_killed_is_not_there_whatever_it_has_left(home: Home) -> None:
    with supervisor(home) as process:
        process.kill()
        process.wait()
        assert home.read_state() is not None
        assert running(home) is None
        shown = run("status")
        assert (shown.exit_code, f"(process {process.pid}) was killed" in shown.output) == (3, True)
        with home.locked():
            pass  # and the next one may have it


DAMAGED = {
    "empty": b"",
    "half": b'{"pid": 12, "gateway',
    "binary": b"\xff\xfe\x00",
    "no object": b"[3]",
    "a number": b"3",
    "nested too deep": b"[" * 200_000,
    "another format": b'{"process": 12}',
    "a state that is none": json.dumps(
        {
            **Snapshot(1, "", ready=True, since=datetime.now(UTC), parts=()).document(),
            "parts": {"gateway": {"name": "gateway", "state": "levitating"}},
        }
    ).encode(),
    "parts in a list": b'{"pid": 1, "gateway_url": 1, "ready": true, "since": "yesterday", "parts": []}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_platform_whose_state_cannot_be_read_is_found_and_stopped(home: Home, content: bytes) -> None:
    with supervisor(home) as process:
        (home.run / "state.json").write_bytes(content)
        shown = run("status")
        assert (shown.exit_code, shown.output.count("\n")) == (1, 1)
        assert f"runs in {home.root} as process {process.pid}" in shown.output
        assert "`stemwright stop` ends it" in shown.output
        document = json.loads(run("status", "--json").output)
        assert (document["running"], document["ready"], document["parts"]) == (True, False, [])
        stopped = run("stop")
        assert process.wait(0) == -signal.SIGTERM
    assert stopped.exit_code == 0
    assert "Stopped it in " in stopped.output
    shown = run("status")
    assert (shown.exit_code, shown.output.startswith(f"Nothing runs in {home.root}.")) == (3, True)


def test_what_a_newer_version_says_besides_does_no_harm() -> None:
    snapshot = Snapshot(7, "http://here", ready=True, since=datetime.now(UTC), parts=(status(),))
    document = json.loads(json.dumps(snapshot.document()))
    document["parts"]["gateway"]["mood"] = document["weather"] = "fine"
    assert Snapshot.of(document) == snapshot


def test_a_holder_that_does_not_say_its_number_is_told_with_the_way_to_find_it(home: Home) -> None:
    with supervisor(home):
        (home.run / "lock").write_text("xyz")
        for command in ("status", "stop"):
            told = run(command)
            assert (told.exit_code, told.output.count("\n")) == (1, 1)
            assert f"fuser {home.run / 'lock'}" in told.output


def test_status_tells_each_part_and_by_its_exit_status_whether_all_is_well(home: Home) -> None:
    with supervisor(home, status("gateway"), status("migrate", State.DONE)):
        shown = run("status")
        assert shown.exit_code == 0
        [row] = [line.split() for line in shown.output.splitlines() if line.startswith("gateway")]
        assert row[:2] + row[3:5] == ["gateway", "ready", "2", "8080"]
    with supervisor(home, status("gateway"), status("worker-1", State.RESTARTING)):
        assert run("status").exit_code == 1


def test_status_as_json_has_a_document_whether_or_not_something_runs(home: Home) -> None:
    shown = run("status", "--json")
    assert (shown.exit_code, json.loads(shown.output)["running"]) == (3, False)
    with supervisor(home, status(pid=os.getpid())) as process:
        document = json.loads(run("status", "--json").output)
    assert (document["running"], document["ready"], document["pid"]) == (True, True, process.pid)
    [part] = document["parts"]
    assert (part["name"], part["state"], part["port"], part["restarts"]) == ("gateway", "ready", 8080, 2)
    assert part["memory_bytes"] > 1_000_000


def test_status_tells_of_a_disk_without_room(home: Home) -> None:
    """Also right after the reserve was given up, which left more room than little."""
    with supervisor(home):
        home.disk_reserve.touch()
        assert "full" not in run("status").output
        home.disk_reserve.unlink()
        assert "The disk is full: songs will fail until something is deleted." in run("status").output


def test_stop_waits_for_the_end_and_says_what_it_stopped(home: Home) -> None:
    with supervisor(home, status("gateway", pid=1), status("migrate", State.DONE)) as process:
        stopped = run("stop")
        assert process.wait(0) == -signal.SIGTERM
    assert stopped.exit_code == 0
    assert "Stopped 1 parts" not in stopped.output
    assert "Stopped 1 part in " in stopped.output
    assert stopped.output.rstrip().endswith("gateway.")


def test_stop_kills_what_does_not_end(home: Home) -> None:
    with supervisor(home, how="stubborn") as process:
        stopped = run("stop", "--timeout", "0.1")
        assert process.wait(0) == -signal.SIGKILL
    assert (stopped.exit_code, "Killed" in stopped.output) == (0, True)


def test_where_nothing_runs_there_is_nothing_to_stop_which_is_no_failure(home: Home) -> None:
    stopped = run("stop")
    assert (stopped.exit_code, stopped.output) == (0, f"Nothing runs in {home.root}.\n")


def test_nobody_else_is_stopped_whose_process_has_the_number_of_an_ended_supervisor(home: Home) -> None:
    home.make()
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as somebody:
        try:
            assert stop(home, somebody.pid, 1)
            assert somebody.poll() is None
        finally:
            somebody.kill()


@pytest.mark.usefixtures("old_kernel")
@pytest.mark.parametrize(("how", "ended_by"), [("", signal.SIGTERM), ("stubborn", signal.SIGKILL)])
def test_stop_stops_where_the_kernel_gives_no_descriptors_of_processes(
    home: Home, how: str, ended_by: signal.Signals
) -> None:
    with supervisor(home, how=how) as process:
        assert stop(home, process.pid, 0.1 if how else 180) == (not how)
        assert process.wait(0) == -ended_by
        assert stop(home, process.pid, 1)  # there is none any more


@pytest.mark.usefixtures("old_kernel")
def test_a_later_process_of_the_same_number_gets_no_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as somebody:
        try:
            with other_process(somebody.pid) as known:
                # The number is somebody else's now, who has started later.
                monkeypatch.setattr(psutil.Process, "__eq__", lambda *_: False)
                with pytest.raises(ProcessLookupError):
                    known.send(signal.SIGKILL)
                assert known.has_ended(0)
            assert somebody.poll() is None
        finally:
            somebody.kill()


def test_asking_makes_nothing(home: Home) -> None:
    for command in ("status", "logs", "stop"):
        run(command)
        assert "Usage" in run(command, "--help").output
    assert not home.root.exists()


def test_logs_are_of_the_part_that_is_named_or_of_all_with_their_names(home: Home) -> None:
    home.make()
    for part in ("gateway", "worker-1"):
        (home.logs / f"{part}.log").write_text(f'{{"time": "2026-01-01T00:00:00.000Z", "message": "I am {part}"}}\n')
    assert run("logs").output == (
        "gateway   2026-01-01T00:00:00.000Z         I am gateway\n"
        "worker-1  2026-01-01T00:00:00.000Z         I am worker-1\n"
    )
    assert run("logs", "worker-1").output == "2026-01-01T00:00:00.000Z         I am worker-1\n"
    assert json.loads(run("logs", "worker-1", "--raw").output)["message"] == "I am worker-1"


def test_an_unknown_part_is_told_in_one_line(home: Home) -> None:
    home.make()
    (home.logs / "gateway.log").touch()
    result = run("logs", "gatewy")
    assert (result.exit_code, result.output) == (
        1,
        "stemwright: there is no log of gatewy; there are those of gateway\n",
    )
