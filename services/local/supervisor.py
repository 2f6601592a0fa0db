"""Starts parts together, keeps each running, stops them in order."""

import threading
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from services.local.errors import StartFailed
from services.local.keeper import Keeper
from services.local.logs import PartLog
from services.local.part import Part, State, Status, Timing

LINES_SHOWN = 8


class Supervisor:
    """Runs `parts`, each named once, with a log per part in the folder `logs`.

    Everything returns at once except `wait_until_ready` and `stop`. `on_change` is called from the keepers' threads
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
        self._keepers = {
            part.name: Keeper(part, PartLog(logs / f"{part.name}.log"), timing or Timing(), self._note_change)
            for part in parts
        }

    def start(self) -> None:
        for keeper in self._keepers.values():
            keeper.start(needs=tuple(self._keepers[name] for name in keeper.part.needs))

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
        return [keeper.status() for keeper in self._keepers.values()]

    def pid(self, name: str) -> int | None:
        """The process id of a part's present process."""
        return self._keepers[name].status().pid

    def stop(self) -> None:
        """Stop stage by stage, all parts of a stage at the same time; blocks until every process is gone."""
        stages = sorted(self._keepers.values(), key=lambda keeper: keeper.part.stop_stage)
        for _, stage in groupby(stages, key=lambda keeper: keeper.part.stop_stage):
            keepers = list(stage)
            for keeper in keepers:
                keeper.ask_to_stop()
            for keeper in keepers:
                keeper.join()

    def kill_now(self) -> None:
        """End every process without any grace, for somebody who does not want to wait for `stop`."""
        for keeper in self._keepers.values():
            keeper.kill_now()

    def _note_change(self) -> None:
        with self._changed:
            self._changed.notify_all()
        self._on_change()

    def _explain(self, failed: Sequence[Status]) -> str:
        texts = []
        for status in failed:
            log = self._keepers[status.name].log
            lines = "".join(f"\n    {line}" for line in log.last_lines(LINES_SHOWN))
            texts.append(f"{status.name} did not start: {status.detail or 'no reason given'}{lines}\n  log: {log.path}")
        return "\n".join(texts)
