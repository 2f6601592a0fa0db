"""The supervisor against small real processes: it starts, watches, restarts and stops them, and leaves none behind."""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest

from services.local import part_runner
from services.local.errors import StartFailed
from services.local.logs import PartLog
from services.local.own_python import NOT_INHERITED
from services.local.part import Part, State, Timing
from services.local.part_runner import PartRunner
from services.local.probes import HttpProbe, NotThere
from services.local.sockets import listen_on_a_free_port, port_of
from services.local.supervisor import Supervisor

STAND_IN = str(Path(__file__).with_name("standin.py"))
IMPATIENT = Timing(
    ready_interval_seconds=0.02,
    alive_interval_seconds=0.1,
    alive_probe_seconds=120,
    alive_failures=2,
    stop_grace_seconds=0.5,
    first_restart_seconds=0.05,
    longest_restart_seconds=0.2,
)


def stand_in(name: str, *arguments: str, needs: tuple[str, ...] = (), stop_stage: int = 0) -> Part:
    listener = listen_on_a_free_port("127.0.0.1")
    url = f"http://127.0.0.1:{port_of(listener)}"
    return Part(
        name=name,
        command=(sys.executable, STAND_IN, *arguments),
        listener=listener,
        address=url,
        ready=HttpProbe(f"{url}/readyz"),
        alive=HttpProbe(f"{url}/healthz"),
        needs=needs,
        stop_stage=stop_stage,
    )


def errand(name: str, code: str) -> Part:
    return Part(name=name, command=(sys.executable, "-c", textwrap.dedent(code)))


def get(part: Part, path: str, timeout: float = 60) -> str:
    with urlopen(part.address + path, timeout=timeout) as answer:
        body: bytes = answer.read()
    return body.decode()


def eventually(holds: Callable[[], bool], seconds: float = 180.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came to hold"
        time.sleep(0.01)


def ready(supervisor: Supervisor, other_than: int | None = None) -> int:
    """The process of the first part once it is ready, and is not the one of before, in one look at both: after a kill
    the part is ready, for whoever asks, until the supervisor has seen it."""
    found: list[int] = []

    def looked() -> bool:
        status = supervisor.statuses()[0]
        if status.state == State.READY and status.pid is not None and status.pid != other_than:
            found.append(status.pid)
        return bool(found)

    eventually(looked)
    return found[0]


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Running:
    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._running: list[Supervisor] = []

    def __call__(self, *parts: Part, timing: Timing = IMPATIENT) -> Supervisor:
        supervisor = Supervisor(parts, self.logs, timing)
        self._running.append(supervisor)
        supervisor.start()
        return supervisor

    def finish(self) -> None:
        for supervisor in self._running:
            pids = [status.pid for status in supervisor.statuses() if status.pid is not None]
            supervisor.stop()
            assert all(gone(pid) for pid in pids)
            assert {status.state for status in supervisor.statuses()} <= {State.STOPPED, State.DONE, State.FAILED}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.finish()


def test_parts_become_ready_and_say_where_they_are(run: Running) -> None:
    one, two = stand_in("one"), stand_in("two")
    supervisor = run(one, two)
    supervisor.wait_until_ready()
    for status, part in zip(supervisor.statuses(), (one, two), strict=True):
        assert (status.state, status.restarts, status.address) == (State.READY, 0, part.address)
        assert get(part, "/pid") == str(status.pid)
    eventually(lambda: f"standing in as {supervisor.pid('one')}" in (run.logs / "one.log").read_text())


def test_a_part_waits_for_the_errands_it_needs(run: Running, tmp_path: Path) -> None:
    migration = errand("migrate", f"import time; time.sleep(0.3); open({str(tmp_path / 'made')!r}, 'w').close()")
    eager = errand("eager", f"import os; assert os.path.exists({str(tmp_path / 'made')!r})")
    supervisor = run(Part("eager", eager.command, needs=("migrate",)), migration)
    supervisor.wait_until_ready()
    assert {status.state for status in supervisor.statuses()} == {State.DONE}


def test_a_crash_is_followed_by_a_new_process(run: Running) -> None:
    part = stand_in("one")
    supervisor = run(part, timing=Timing())
    first = ready(supervisor)
    os.kill(first, signal.SIGKILL)
    ready(supervisor, other_than=first)
    assert supervisor.statuses()[0].restarts == 1


def test_a_request_made_while_a_part_restarts_is_answered_by_the_next_process(run: Running) -> None:
    part = stand_in("one")
    supervisor = run(part)
    first = ready(supervisor)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: gone(first))
    assert get(part, "/pid") not in (str(first), "")


class Losing:
    """A probe that loses its patience when it is told to; until then nobody who is only slow is taken for hanging."""

    def __init__(self, probe: Callable[[float], None]) -> None:
        self._probe = probe
        self.seconds = 1.0

    def __call__(self, timeout_seconds: float) -> None:
        until = time.monotonic() + timeout_seconds
        while True:
            try:
                return self._probe(self.seconds)
            except NotThere:
                if self.seconds < 1 or time.monotonic() > until:
                    raise


@pytest.mark.parametrize("how", ["hangs", "is stopped"])
def test_a_process_that_hangs_is_replaced(run: Running, how: str) -> None:
    part = stand_in("one")
    assert part.alive is not None
    probe = Losing(part.alive)
    supervisor = run(replace(part, alive=probe))
    first = ready(supervisor)
    if how == "hangs":
        with pytest.raises(TimeoutError):
            get(part, "/hang", timeout=0.1)
    else:
        os.kill(first, signal.SIGSTOP)
    probe.seconds = 0.1
    ready(supervisor, other_than=first)
    assert gone(first)


def test_what_a_crashed_part_had_started_goes_with_it(run: Running) -> None:
    part = stand_in("one")
    supervisor = run(part)
    supervisor.wait_until_ready()
    child = int(get(part, "/child"))
    with pytest.raises(OSError, match=r"closed connection|reset"):
        get(part, "/crash")
    eventually(lambda: gone(child))


def test_a_part_that_ignores_sigterm_is_killed_after_its_grace(run: Running) -> None:
    supervisor = run(stand_in("one", "stubborn"))
    supervisor.wait_until_ready()  # the fixture stops it and looks for what is left


def test_a_part_has_the_time_to_stop_that_it_asks_for(tmp_path: Path) -> None:
    patient = replace(stand_in("patient"), stop_seconds=600)
    parts = [patient, stand_in("other"), replace(stand_in("last", stop_stage=1), stop_seconds=0.1)]
    supervisor = Supervisor(parts, tmp_path, IMPATIENT)
    assert supervisor.stop_seconds == 600.5
    supervisor.stop()


def test_a_part_gets_nothing_of_what_somebody_set_for_their_own_python(
    run: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in NOT_INHERITED:
        monkeypatch.setenv(name, "error" if name == "PYTHONWARNINGS" else "1")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    # What it says by its exit or by an assertion some of them would change.
    look = f"""
import json, os, pathlib, sys
pathlib.Path({str(tmp_path / "seen")!r}).write_text(json.dumps([list(os.environ), sys.path]))
"""
    run(errand("look", look)).wait_until_ready()
    inherited, path = json.loads((tmp_path / "seen").read_text())
    assert not NOT_INHERITED & set(inherited)
    assert "/somewhere" in path


def test_parts_stop_stage_by_stage(tmp_path: Path) -> None:
    order: list[str] = []
    parts = [stand_in("store", stop_stage=2), stand_in("gateway"), stand_in("orchestrator", stop_stage=1)]
    supervisor = Supervisor(parts, tmp_path, IMPATIENT)
    supervisor.start()
    supervisor.wait_until_ready()
    supervisor._on_change = lambda: order.extend(
        status.name for status in supervisor.statuses() if status.state == State.STOPPED and status.name not in order
    )
    supervisor.stop()
    assert order == ["gateway", "orchestrator", "store"]


def test_an_errand_that_fails_fails_the_start_and_shows_its_last_words(run: Running) -> None:
    supervisor = run(errand("migrate", "raise SystemExit('no such table')"), stand_in("one"))
    with pytest.raises(StartFailed, match=r"migrate did not start: exited with 1\n +no such table\n +log: "):
        supervisor.wait_until_ready()


def test_a_part_that_was_killed_is_told_with_what_may_have_killed_it(run: Running) -> None:
    supervisor = run(errand("setup", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    with pytest.raises(StartFailed, match="setup did not start: ended by SIGKILL, as where no memory is left"):
        supervisor.wait_until_ready()


def test_a_part_with_wrong_settings_is_not_tried_again(run: Running) -> None:
    listener = listen_on_a_free_port("127.0.0.1")
    never = HttpProbe(f"http://127.0.0.1:{port_of(listener)}/readyz")
    wrong = Part("wrong", (sys.executable, "-c", "raise SystemExit(78)"), listener=listener, ready=never, alive=never)
    supervisor = run(wrong, stand_in("one"))
    with pytest.raises(StartFailed, match="wrong did not start: exited with 78"):
        supervisor.wait_until_ready()
    assert supervisor.statuses()[0].restarts == 0


def test_a_part_that_keeps_crashing_fails_the_start(run: Running) -> None:
    listener = listen_on_a_free_port("127.0.0.1")
    never = HttpProbe(f"http://127.0.0.1:{port_of(listener)}/readyz")
    sad = Part("sad", (sys.executable, "-c", "raise SystemExit(1)"), listener=listener, ready=never, alive=never)
    quick = Timing(ready_probe_seconds=0.02, ready_interval_seconds=0.02, first_restart_seconds=0.01)
    supervisor = run(sad, timing=quick)
    with pytest.raises(StartFailed, match="sad did not start: exited with 1"):
        supervisor.wait_until_ready()
    assert supervisor.statuses()[0].restarts == quick.start_attempts - 1


def test_a_part_that_hangs_at_its_start_fails_the_start_and_shows_its_last_words(run: Running) -> None:
    def silent(timeout_seconds: float) -> None:
        if "looking for a shell" in (run.logs / "lost.log").read_text():
            raise NotThere("silent")

    def never(timeout_seconds: float) -> None:
        raise NotThere("not ready")

    code = "import signal; print('looking for a shell', flush=True); signal.pause()"
    lost = Part("lost", (sys.executable, "-c", code), ready=never, alive=silent)
    # Each of its processes lasts longer than what would clear the record of one that was ready.
    timing = replace(IMPATIENT, start_limit_seconds=0.1, steady_after_seconds=0.05, start_hangs=3)
    supervisor = run(lost, timing=timing)
    with pytest.raises(
        StartFailed, match=r"lost did not start: did not answer 2 times(\n +looking for a shell)+\n +log: "
    ):
        supervisor.wait_until_ready()
    assert supervisor.statuses()[0].restarts == timing.start_hangs - 1


def test_a_part_elsewhere_is_waited_for_and_not_started(run: Running) -> None:
    real = stand_in("real")
    run(real).wait_until_ready()
    supervisor = run(Part("theirs", address=real.address, ready=real.ready))
    supervisor.wait_until_ready()
    assert (supervisor.statuses()[0].pid, supervisor.statuses()[0].elsewhere) == (None, True)


def test_a_part_elsewhere_that_is_not_there_fails_the_start(run: Running) -> None:
    listener = listen_on_a_free_port("127.0.0.1")
    port = port_of(listener)
    listener.close()
    supervisor = run(
        Part("theirs", ready=HttpProbe(f"http://127.0.0.1:{port}/")), timing=Timing(start_limit_seconds=0.2)
    )
    with pytest.raises(StartFailed, match="theirs did not start"):
        supervisor.wait_until_ready()


def test_a_supervisor_that_is_killed_takes_every_process_with_it(tmp_path: Path) -> None:
    program = """
        import json, signal, sys
        from pathlib import Path
        from tests.services.local.test_supervisor import IMPATIENT, stand_in
        from services.local.supervisor import Supervisor
        supervisor = Supervisor([stand_in("one"), stand_in("two", "stubborn")], Path(sys.argv[1]), IMPATIENT)
        supervisor.start()
        supervisor.wait_until_ready()
        print(json.dumps([status.pid for status in supervisor.statuses()]), flush=True)
        signal.pause()
    """
    supervisor = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert supervisor.stdout is not None
    pids = json.loads(supervisor.stdout.readline())
    assert not any(gone(pid) for pid in pids)
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    eventually(lambda: all(gone(pid) for pid in pids))


class Patient:
    """A probe that takes all its time before it says no: its connection waits for a process that has ended."""

    def __init__(self) -> None:
        self.asked, self.over = threading.Event(), threading.Event()

    def __call__(self, timeout_seconds: float) -> None:
        self.asked.set()
        self.over.wait(timeout_seconds)
        raise NotThere("no answer")


def test_a_death_is_seen_while_a_probe_still_waits_for_an_answer(run: Running) -> None:
    probe, part = Patient(), stand_in("one")
    supervisor = run(replace(part, alive=probe), timing=replace(IMPATIENT, alive_probe_seconds=600))
    first = ready(supervisor)
    assert probe.asked.wait(60)

    os.kill(first, signal.SIGKILL)

    eventually(lambda: not psutil.pid_exists(first))
    ready(supervisor, other_than=first)
    probe.over.set()


def test_what_was_ready_comes_back_soon_however_often_it_is_killed(run: Running) -> None:
    slow = replace(
        IMPATIENT, first_restart_seconds=1, longest_restart_seconds=3600, longest_restart_of_ready_seconds=0.05
    )
    supervisor = run(stand_in("one"), timing=slow)
    pid = None
    for _ in range(6):
        pid = ready(supervisor, other_than=pid)
        os.kill(pid, signal.SIGKILL)
    ready(supervisor, other_than=pid)


class Refusing:
    """A machine that has no process left for whoever asks, `times` times."""

    def __init__(self, number: int, times: int) -> None:
        self._number, self._times = number, times
        self._popen = subprocess.Popen

    def __call__(self, *arguments: Any, **more: Any) -> "subprocess.Popen[bytes]":
        if self._times > 0:
            self._times -= 1
            raise OSError(self._number, os.strerror(self._number))
        return self._popen(*arguments, **more)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENOENT], ids=errno.errorcode.get)
def test_a_part_comes_back_when_the_machine_has_room_for_it_again(
    run: Running, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    supervisor = run(stand_in("one"))
    first = ready(supervisor)
    said: list[str] = []
    supervisor._on_change = lambda: said.extend(status.detail for status in supervisor.statuses())
    monkeypatch.setattr(subprocess, "Popen", Refusing(number, IMPATIENT.start_attempts + 1))

    os.kill(first, signal.SIGKILL)

    ready(supervisor, other_than=first)
    assert f"cannot be run: {os.strerror(number)}" in said


def test_an_errand_is_run_when_the_machine_has_room_for_it(run: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", Refusing(errno.EAGAIN, 1))
    supervisor = run(errand("migrate", ""))
    supervisor.wait_until_ready()


def test_a_part_that_can_never_be_started_fails_the_start(run: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", Refusing(errno.ENOMEM, 1000))
    supervisor = run(stand_in("one"))
    with pytest.raises(StartFailed, match="one did not start: cannot be run: Cannot allocate memory"):
        supervisor.wait_until_ready()


def test_a_watcher_that_breaks_down_fails_its_part_and_leaves_no_process(run: Running) -> None:
    def broken(timeout_seconds: float) -> None:
        raise KeyError("a defect of ours")

    supervisor = run(replace(stand_in("one"), ready=broken), stand_in("two", needs=("one",)))
    with pytest.raises(StartFailed, match=r"one did not start: is not watched any more: KeyError: 'a defect of ours'"):
        supervisor.wait_until_ready()
    eventually(lambda: supervisor.pid("one") is None)
    eventually(lambda: supervisor.statuses()[1].state == State.FAILED)


def test_a_machine_without_a_thread_to_ask_with_ends_no_part(run: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def refused(*arguments: object) -> threading.Thread:
        asked.append(arguments)
        raise BlockingIOError(errno.EAGAIN, "can't start new thread")

    supervisor = run(stand_in("one"))
    first = ready(supervisor)
    monkeypatch.setattr(part_runner, "start_thread", refused)
    eventually(lambda: len(asked) > 2 * IMPATIENT.alive_failures)
    assert ready(supervisor) == first


class Slow:
    """A machine on which a start takes its time: the part is ready, and answers at all, only after so many looks at
    what it has worked, which is more at each of them."""

    def __init__(self, looks: float) -> None:
        self._looks = looks
        self._looked = 0

    def worked(self, _pid: int) -> float:
        self._looked += 1
        return float(self._looked)

    def probe(self, timeout_seconds: float) -> None:
        if self._looked < self._looks:
            raise NotThere("not yet")


def slow_start(folder: Path, machine: Slow, timing: Timing) -> State:
    """What becomes of a part on it."""
    code = "import signal; signal.pause()"
    part = Part("slow", (sys.executable, "-c", code), ready=machine.probe, alive=machine.probe)
    runner = PartRunner(part, PartLog(folder / "slow.log"), timing, lambda: None, machine.worked)
    runner.start()
    try:
        assert runner.settled.wait(180)
        status = runner.status()
        return status.state if status.restarts == 0 else State.FAILED
    finally:
        runner.ask_to_stop()
        runner.join()


def test_a_start_takes_as_long_as_it_works(tmp_path: Path) -> None:
    timing = replace(IMPATIENT, start_limit_seconds=0, alive_interval_seconds=0.01, ready_interval_seconds=0.01)
    assert slow_start(tmp_path, Slow(looks=20), timing) == State.READY


def test_a_start_that_only_works_and_never_ends_is_given_up(tmp_path: Path) -> None:
    timing = replace(IMPATIENT, start_limit_seconds=0, longest_start_seconds=0.2, ready_interval_seconds=0.01)
    assert slow_start(tmp_path, Slow(looks=float("inf")), timing) == State.FAILED


@pytest.mark.usefixtures("old_kernel")
def test_parts_are_watched_where_the_kernel_gives_no_descriptors_of_processes(run: Running) -> None:
    supervisor = run(stand_in("one"), stand_in("two", "stubborn"), errand("migrate", ""))
    supervisor.wait_until_ready()
    first = ready(supervisor)
    os.kill(first, signal.SIGKILL)
    ready(supervisor, other_than=first)


def test_delays_between_restarts_grow_to_a_limit() -> None:
    timing = Timing()
    assert [timing.restart_delay(losses) for losses in range(1, 6)] == [0.1, 0.5, 2.5, 10, 10]
    assert [timing.restart_delay(losses, was_ready=True) for losses in (1, 2, 3, 1000)] == [0.1, 0.5, 1, 1]
