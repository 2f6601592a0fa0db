"""Starts parts together, keeps each running, stops them in order."""

import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from services.local.errors import StartFailed
from services.local.log_lines import Line
from services.local.logs import PartLog
from services.local.part import Part, State, Status, Timing
from services.local.part_runner import PartRunner

LINES_SHOWN = 8


class Supervisor:
    """Runs `parts`, each named once, with a log per part in the folder `logs`.

    Everything returns at once except `wait_until_ready` and `stop`. `on_change` is called from the runners' threads
    after every change of a state and must not block.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        logs: Path,
        timing: Timing | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._changed = threading.Condition()
        self._on_change = on_change
        self._runners = {
            part.name: PartRunner(part, PartLog(logs / f"{part.name}.log"), timing or Timing(), self._note_change)
            for part in parts
        }

    def start(self) -> None:
        for runner in self._runners.values():
            runner.start(needs=tuple(self._runners[name] for name in runner.part.needs))

    def is_ready(self) -> bool:
        """Whether every part is ready or done at this moment.

        Raises:
            StartFailed: a part did not come up.
        """
        statuses = self.statuses()
        failed = [status for status in statuses if status.state == State.FAILED]
        if failed:
            raise StartFailed(self._explain(failed))
        return all(status.state in (State.READY, State.DONE) for status in statuses)

    def wait_until_ready(self) -> None:
        """Block until every part is ready or done.

        Raises:
            StartFailed: a part did not come up.
        """
        with self._changed:
            while not self.is_ready():
                self._changed.wait(1)

    def statuses(self) -> list[Status]:
        return [runner.status() for runner in self._runners.values()]

    def pid(self, name: str) -> int | None:
        """The process id of a part's present process."""
        return self._runners[name].status().pid

    def restart(self, name: str) -> None:
        """Replace a part's process by a new one, with the grace of a stop; returns at once."""
        self._runners[name].restart()

    def stop(self) -> None:
        """Stop stage by stage, all parts of a stage at the same time; blocks until every process is gone."""
        for runners in self._stages():
            for runner in runners:
                runner.ask_to_stop()
            for runner in runners:
                runner.join()

    @property
    def stop_seconds(self) -> float:
        """The longest that `stop` takes."""
        return sum(max(runner.stop_seconds for runner in runners) for runners in self._stages())

    def _stages(self) -> list[list[PartRunner]]:
        stages = sorted(self._runners.values(), key=lambda runner: runner.part.stop_stage)
        return [list(stage) for _, stage in groupby(stages, key=lambda runner: runner.part.stop_stage)]

    def kill_now(self) -> None:
        """End every process without any grace, for somebody who does not want to wait for `stop`."""
        for runner in self._runners.values():
            runner.kill_now()

    def _note_change(self) -> None:
        with self._changed:
            self._changed.notify_all()
        self._on_change()

    def _explain(self, failed: Sequence[Status]) -> str:
        texts = []
        for status in failed:
            log = self._runners[status.name].log
            lines = "".join(f"\n    {Line(status.name, text).in_a_line()}" for text in log.last_lines(LINES_SHOWN))
            texts.append(f"{status.name} did not start: {status.detail or 'no reason given'}{lines}\n  log: {log.path}")
        return "\n".join(texts)
