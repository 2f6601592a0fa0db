"""Keeps one part running, in a thread of its own.

```
            needs met            probe agrees
  WAITING ----------> STARTING --------------> READY (an errand: exit 0 -> DONE)
                        ^   |  exit, hang        |  exit, hang
                        |   v                    v
                      RESTARTING <---------------+          any --stop--> STOPPING --> STOPPED
                        | start_attempts lost before the first READY, or exit 78
                        v
                      FAILED
```
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from services.local.logs import PartLog
from services.local.own_python import inherited_environment
from services.local.part import Part, State, Status, Timing
from services.local.probes import NotThere, Probe
from services.local.processes import Ending, processor_seconds, start_thread

LAUNCH = str(Path(__file__).with_name("launch.py"))
EXPECTED_START_SECONDS = 5.0
LAST_WORDS_SECONDS = 10.0
"""How long the log of a process that has ended is waited for: it ends at once unless something left its group."""
"""A process that is still starting after this is asked why, and a person is told."""
EX_CONFIG = 78
"""Exit status of a service whose settings are wrong: starting it again would change nothing."""


class PartRunner:
    """One part, its process if it has one, and the thread that watches it.

    The kernel ends a process whose parent *thread* ends (see `launch`), so the thread that starts the processes is the
    one that outlives them: this runner's own.
    """

    def __init__(
        self,
        part: Part,
        log: PartLog,
        timing: Timing,
        on_change: Callable[[], None],
        worked: Callable[[int], float] = processor_seconds,
    ) -> None:
        self.part = part
        self.log = log
        self.settled = threading.Event()
        """Set once the part is ready, done or failed for the first time, or stopped."""
        self._timing = timing
        self._on_change = on_change
        self._worked = worked
        self._needs: tuple[PartRunner, ...] = ()
        self._thread = threading.Thread(target=self._run, name=f"runner {part.name}", daemon=True)
        self._stop_asked = threading.Event()
        self._restart_asked = threading.Event()
        self._wake_reader, self._wake_writer = os.pipe()
        self._lock = threading.Lock()
        self._state = State.WAITING
        self._detail = ""
        self._since = datetime.now(UTC)
        self._process: subprocess.Popen[bytes] | None = None
        self._ending: Ending | None = None
        self._worked_seconds = 0.0
        self._log_copy: threading.Thread | None = None
        self._starts = 0
        self._seconds_to_ready: float | None = None

    def start(self, needs: tuple["PartRunner", ...] = ()) -> None:
        self._needs = needs
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Returns at once; `join` waits for the process to be gone."""
        self._stop_asked.set()
        os.write(self._wake_writer, b"x")

    def restart(self) -> None:
        """Replace the process by a new one, with the grace of a stop; a part that was not started yet is left alone.

        Returns at once.
        """
        with self._lock:
            if self._starts:
                self._restart_asked.set()
                os.write(self._wake_writer, b"x")

    def join(self) -> None:
        """Block until the process is gone, then close everything, the part's listening socket too."""
        if self._thread.ident is not None:
            self._thread.join()
        os.close(self._wake_reader)
        os.close(self._wake_writer)
        self.log.close()
        if self.part.listener is not None:
            self.part.listener.close()

    def kill_now(self) -> None:
        """SIGKILL the process without any grace; the runner then acts as for any other crash, or finishes stopping."""
        with self._lock:
            if self._process is not None and self._process.returncode is None:
                _signal_group(self._process.pid, signal.SIGKILL)

    @property
    def stop_seconds(self) -> float:
        """What its process gets to end by itself."""
        return max(self._timing.stop_grace_seconds, self.part.stop_seconds)

    def status(self) -> Status:
        with self._lock:
            process = self._process
            return Status(
                name=self.part.name,
                state=self._state,
                address=self.part.address,
                since=self._since,
                pid=process.pid if process is not None and process.returncode is None else None,
                restarts=max(0, self._starts - 1),
                detail=self._detail,
                seconds_to_ready=self._seconds_to_ready,
                elsewhere=self.part.command is None,
            )

    def _run(self) -> None:
        try:
            try:
                if self._wait_for_needs():
                    if self.part.command is None:
                        self._wait_for_one_elsewhere()
                    else:
                        self._keep(self.part.command)
            finally:
                self._end_process()
        except Exception as error:  # noqa: BLE001 - it is said of the part
            # Whoever waits for a part that nobody watches any more would wait for ever.
            with suppress(OSError):
                self.log.write(traceback.format_exc().encode())
            self._change(State.FAILED, f"is not watched any more: {type(error).__name__}: {error}")
        finally:
            if self._stop_asked.is_set():
                self._change(State.STOPPED)
            self.settled.set()

    def _wait_for_needs(self) -> bool:
        """False when this part shall not start: it was stopped, or what it needs failed."""
        for needed in self._needs:
            while not needed.settled.is_set():
                if self._wait(0.05):
                    return False
            if needed.status().state not in (State.READY, State.DONE):
                self._change(State.FAILED, f"needs {needed.part.name}")
                return False
        return not self._stop_asked.is_set()

    def _wait_for_one_elsewhere(self) -> None:
        self._change(State.STARTING)
        until = time.monotonic() + self._timing.start_limit_seconds
        while reason := self._why_not_ready():
            if time.monotonic() > until:
                self._change(State.FAILED, reason)
                return
            if self._wait(self._timing.ready_interval_seconds):
                return
        self._became_ready(started=time.monotonic())
        self._stop_asked.wait()

    def _keep(self, command: tuple[str, ...]) -> None:
        losses = hangs = 0
        while self._shall_run():
            started = time.monotonic()
            process = None
            try:
                process = self._spawn(command)
                reason = self._watch(process, started)
            except OSError as error:
                # No process, memory or descriptor is left just now, or its program is gone: that may pass.
                process = None
                reason = f"cannot be run: {error.strerror or error}{f': {error.filename}' if error.filename else ''}"
            was_ready = self._state == State.READY
            hangs += process is not None and process.returncode is None
            self._end_process()
            if self._stop_asked.is_set() or self._state == State.DONE:
                return
            if self._restart_asked.is_set():
                losses = hangs = 0
                continue
            was_ready_once = self._seconds_to_ready is not None
            steady = was_ready and time.monotonic() - started > self._timing.steady_after_seconds
            losses = 1 if steady else losses + 1
            # An errand that failed, or settings that are wrong, would fail again.
            hopeless = process is not None and (self.part.ready is None or process.returncode == EX_CONFIG)
            hopeless |= losses >= self._timing.start_attempts or hangs >= self._timing.start_hangs
            if hopeless and not was_ready_once:
                self._change(State.FAILED, reason)
                return
            self._change(State.RESTARTING, reason)
            blameless = was_ready or (process is None and was_ready_once)
            self._wait(self._timing.restart_delay(losses, was_ready=blameless))

    def _shall_run(self) -> bool:
        """Whether to start a process (again), by which what was asked for until now is done."""
        with self._lock:
            self._restart_asked.clear()
            while select.select([self._wake_reader], [], [], 0)[0]:
                os.read(self._wake_reader, 64)
        return not self._stop_asked.is_set()

    def _spawn(self, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
        environment = {**inherited_environment(), **self.part.environment}
        passed: tuple[int, ...] = ()
        if self.part.listener is not None:
            passed = (self.part.listener.fileno(),)
            environment["LISTEN_FD"] = str(passed[0])
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", LAUNCH, str(os.getpid()), *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=passed,
            process_group=0,
        )
        with self._lock:
            self._process = process
            self._starts += 1
        self._worked_seconds = 0.0
        assert process.stdout is not None  # noqa: S101 - asked for above
        with process.stdout as output:
            self._log_copy = self.log.follow(os.dup(output.fileno()))
        self._ending = Ending(process.pid)
        self._change(State.STARTING)
        return process

    def _watch(self, process: subprocess.Popen[bytes], started: float) -> str:
        """Block while the process is fine and nobody wants to stop; say why it no longer is."""
        failures = 0
        while True:
            if self._state == State.STARTING and self.part.ready is not None:
                reason = self._why_not_ready()
                if reason is None:
                    self._became_ready(started)
                elif time.monotonic() - started > EXPECTED_START_SECONDS and reason != self._detail:
                    self._change(State.STARTING, reason)
            starting = self._state == State.STARTING
            soon = starting and time.monotonic() - started < EXPECTED_START_SECONDS
            pause = self._timing.ready_interval_seconds if soon else self._timing.alive_interval_seconds
            if self._wait(None if self.part.ready is None else pause, process):
                return self._why_it_ended(process)
            if starting and self._gets_on(process, started):
                failures = 0
                continue
            failures = 0 if self._is_alive(process) else failures + 1
            if failures >= self._timing.alive_failures:
                return f"did not answer {failures} times"

    def _gets_on(self, process: subprocess.Popen[bytes], started: float) -> bool:
        """Whether a process that is not ready yet has time left, or has worked since the last look: on a busy machine
        a start that is well takes minutes."""
        before, self._worked_seconds = self._worked_seconds, self._worked(process.pid)
        seconds = time.monotonic() - started
        if seconds < self._timing.start_limit_seconds:
            return True
        return self._worked_seconds > before and seconds < self._timing.longest_start_seconds

    def _why_it_ended(self, process: subprocess.Popen[bytes]) -> str:
        if self._stop_asked.is_set() or self._restart_asked.is_set():
            return ""
        self._end_process()
        if self.part.ready is None and process.returncode == 0:
            self._change(State.DONE)
            self.settled.set()
            return ""
        if process.returncode == -signal.SIGKILL:
            return "ended by SIGKILL, as where no memory is left"
        if process.returncode < 0:
            return f"ended by {signal.Signals(-process.returncode).name}"
        return f"exited with {process.returncode}"

    def _why_not_ready(self) -> str | None:
        try:
            if self.part.ready is not None:
                self.part.ready(self._timing.ready_probe_seconds)
        except NotThere as answer:
            return str(answer)
        return None

    def _is_alive(self, process: subprocess.Popen[bytes]) -> bool:
        """What the probe says. Nobody waits for it once the process has ended or is to stop: who watches sees that."""
        if self.part.alive is None:
            return True
        try:
            question = Question(self.part.alive, self._timing.alive_probe_seconds)
        except OSError:  # there is no thread or descriptor left to ask with, which says nothing of the process
            return True
        try:
            self._wait(None, process, question.answered)
            return question.agreed is not False
        finally:
            os.close(question.answered)

    def _became_ready(self, started: float) -> None:
        if self._seconds_to_ready is None:
            self._seconds_to_ready = time.monotonic() - started
        self._change(State.READY)
        self.settled.set()

    def _wait(
        self, seconds: float | None, process: subprocess.Popen[bytes] | None = None, answered: int | None = None
    ) -> bool:
        """Sleep; True as soon as a stop is asked for, the process ends, or the descriptor `answered` says something."""
        watched = [self._wake_reader, *([] if answered is None else [answered])]
        if process is not None and self._ending is not None:
            watched.append(self._ending.descriptor)
        return bool(select.select(watched, [], [], seconds)[0])

    def _end_process(self) -> None:
        """SIGTERM and a grace for the process, SIGKILL for whatever is left of its group, then reap it."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        if self._stop_asked.is_set() or self._restart_asked.is_set():
            self._change(State.STOPPING if self._stop_asked.is_set() else State.RESTARTING)
            os.kill(process.pid, signal.SIGTERM)
            if self._ending is not None:
                self._ending.wait(self.stop_seconds)
        # Before it is reaped, so that the number of the group cannot have been given to anybody else.
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        if self._ending is not None:
            self._ending.close()
            self._ending = None
        if self._log_copy is not None:
            self._log_copy.join(LAST_WORDS_SECONDS)
            self._log_copy = None

    def _change(self, state: State, detail: str = "") -> None:
        with self._lock:
            if state != self._state:
                self._since = datetime.now(UTC)
            self._state = state
            self._detail = detail
        self._on_change()


class Question:
    """A probe that is asked in a thread of its own: it may take its whole time while its part is long gone, since
    connections to a process that ended queue in the listening socket.

    Raises:
        OSError: there is no thread, or no descriptor, left for it.
    """

    def __init__(self, probe: Probe, timeout_seconds: float) -> None:
        self.agreed: bool | None = None
        """What it said; None until it has."""
        # Readable once the other end is closed, which happens however the thread ends.
        self.answered, self._answering = os.pipe()
        try:
            start_thread("question", self._ask, probe, timeout_seconds)
        except OSError:
            os.close(self.answered)
            os.close(self._answering)
            raise

    def _ask(self, probe: Probe, timeout_seconds: float) -> None:
        try:
            probe(timeout_seconds)
        except NotThere:
            self.agreed = False
        else:
            self.agreed = True
        finally:
            os.close(self._answering)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)
