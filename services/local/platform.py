"""The whole platform on one machine, running for as long as somebody needs it."""

import errno
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from services.local.disk_reserve import DiskReserve
from services.local.errors import HomeUnusable
from services.local.home import Home
from services.local.logs import PartLog, timestamp
from services.local.part import State, Status, Timing
from services.local.part_settings import check_settings, with_time_to_stop
from services.local.plan import make_plan
from services.local.running import Snapshot
from services.local.settings import LocalSettings
from services.local.supervisor import Supervisor

HOME_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
SUPERVISOR = "supervisor"
"""Its log lies among those of the parts."""


class Platform:
    """Every part of Stemwright, running while this context is open; `environment` holds more settings for the services.

    ```python
    with Platform(LocalSettings(home=Path("somewhere"))) as platform:
        platform.wait_until_ready()
        print(platform.gateway_url)
    ```

    Raises:
        LocalError: the home is in use or cannot be written, the gateway's port is taken, or a part did not start.
        SettingsWrong: a part would refuse its settings; none was started.
    """

    def __init__(
        self,
        settings: LocalSettings,
        timing: Timing | None = None,
        on_change: Callable[[], None] = lambda: None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self.seconds_to_ready: float | None = None
        self._timing = timing
        self._on_change = on_change
        self._environment = environment or {}
        self._state_lock = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        new = self.home.make()
        try:
            self._open(new)
        except OSError as error:
            if error.errno not in HOME_ERRORS:
                raise
            raise HomeUnusable(self.home.root, error) from error
        return self

    def _open(self, new: bool) -> None:
        with ExitStack() as stack:
            stack.enter_context(self.home.locked())
            self.home.refuse_half_a_restore()
            unused = stack.enter_context(ExitStack())
            if new:
                unused.callback(self.home.remove)
            self._begun = time.monotonic()
            self.home.empty_temporary()
            self.disk_reserve = DiskReserve(self.home.disk_reserve, self._on_change)
            self.disk_reserve.start()
            stack.callback(self.disk_reserve.stop)
            self.plan = make_plan(self.settings, self.home, self._environment)
            stack.callback(self.plan.let_go)
            check_settings(self.plan.parts)
            self.plan = replace(self.plan, parts=with_time_to_stop(self.plan.parts))
            unused.pop_all()  # from here on the home is kept, whatever happens: logs say what
            self._since = datetime.now(UTC)
            self._history = _History(self.home.logs / f"{SUPERVISOR}.log")
            stack.callback(self._history.close)
            self.supervisor = Supervisor(self.plan.parts, self.home.logs, self._timing, self._note_change)
            stack.callback(self.home.forget_state)
            stack.callback(self.supervisor.stop)
            self._note_change()
            self.supervisor.start()
            self._stack = stack.pop_all()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop every part; blocks until all are gone. Once is enough, and more does no harm."""
        self._stack.close()

    def is_ready(self) -> bool:
        """Whether every part takes requests at this moment; does not block.

        Raises:
            StartFailed: a part did not come up.
        """
        ready = self.supervisor.is_ready()
        if ready and self.seconds_to_ready is None:
            self.seconds_to_ready = time.monotonic() - self._begun
            self._note_change()
        return ready

    def wait_until_ready(self) -> None:
        """Block until the platform takes requests.

        Raises:
            StartFailed: a part did not come up.
        """
        self.supervisor.wait_until_ready()
        self.is_ready()

    @property
    def gateway_url(self) -> str:
        return self.plan.gateway_url

    def statuses(self) -> list[Status]:
        return self.supervisor.statuses()

    def snapshot(self) -> Snapshot:
        """What it would say of itself now."""
        parts = tuple(self.supervisor.statuses())
        ready = self.seconds_to_ready is not None
        return Snapshot(os.getpid(), self.gateway_url, ready, self._since, parts, self.supervisor.stop_seconds)

    def _note_change(self) -> None:
        # It is called by those who keep the parts running: a disk that is full must not end them.
        with self._state_lock, suppress(OSError):
            snapshot = self.snapshot()
            self._history.note(snapshot.parts)
            self.home.write_state(snapshot.document())
        self._on_change()


class _History:
    """The supervisor's own log: a line for every change of a part."""

    def __init__(self, path: Path) -> None:
        self._log = PartLog(path)
        self._last: dict[str, Status] = {}

    def note(self, statuses: Sequence[Status]) -> None:
        for status in statuses:
            before, self._last[status.name] = self._last.get(status.name), status
            if before is None or (before.state, before.pid, before.detail) != (status.state, status.pid, status.detail):
                self._log.write(self._line(status))

    def close(self) -> None:
        self._log.close()

    def _line(self, status: Status) -> bytes:
        record = {
            "time": timestamp(datetime.now(UTC)),
            "level": "WARNING" if status.state in (State.RESTARTING, State.FAILED) else "INFO",
            "service": "supervisor",
            "message": f"{status.name} is {status.state}" + (f": {status.detail}" if status.detail else ""),
            "pid": status.pid,
        }
        return json.dumps(record).encode() + b"\n"
