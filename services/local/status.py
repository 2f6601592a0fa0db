"""What a person sees of a running platform: one table kept up to date, or plain lines where there is no terminal."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

import click
import psutil
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from services.local.logs import timestamp
from services.local.part import State, Status
from services.local.platform import SUPERVISOR, Platform

STYLES = {State.READY: "green", State.DONE: "green dim", State.FAILED: "red", State.RESTARTING: "yellow"}


class View(Protocol):
    def refresh(self, platform: Platform) -> None:
        """Show the present state of every part."""

    def ready(self, platform: Platform) -> None:
        """The platform takes requests."""

    def say(self, text: str) -> None: ...

    def close(self) -> None:
        """Leave on the screen what was shown last; what is said later comes below it."""


class TableView:
    """A table redrawn in place, with what is said above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()

    def refresh(self, platform: Platform) -> None:
        self._live.update(table(platform.statuses()), refresh=True)

    def ready(self, platform: Platform) -> None:
        self.say(f"{announcement(platform)}\nCtrl-C stops it.")

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        self._live.stop()


class LinesView:
    """One line per change, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: dict[str, tuple[State, int | None]] = {}

    def refresh(self, platform: Platform) -> None:
        for status in platform.statuses():
            now = (status.state, status.pid)
            if self._shown.get(status.name) != now and status.state != State.WAITING:
                self._shown[status.name] = now
                self.say(line(status))

    def ready(self, platform: Platform) -> None:
        self.say(f"{announcement(platform)}\nCtrl-C stops it.")

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        pass


class BackgroundView:
    """For whoever waits for `up --detach`: what was decided for them, then that it is ready, then nothing any more."""

    def __init__(self) -> None:
        self._into_log = False

    def refresh(self, platform: Platform) -> None:
        pass

    def ready(self, platform: Platform) -> None:
        """Ends the standard output, by which the waiting process knows; what may come yet goes into the log."""
        hint = "`stemwright status` shows it, `stemwright logs` what it logs, and `stemwright stop` stops it."
        with suppress(OSError):  # nobody may be waiting any more
            click.echo(f"{announcement(platform)}\n{hint}")
        log = os.open(platform.home.logs / f"{SUPERVISOR}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log, stream.fileno())
        os.close(log)
        self._into_log = True

    def say(self, text: str) -> None:
        click.echo(f"{timestamp(datetime.now(UTC))} {text}" if self._into_log else text, err=True)

    def close(self) -> None:
        pass


def view_for(console: Console) -> View:
    return TableView(console) if console.is_terminal else LinesView(console)


def announcement(platform: Platform) -> str:
    """That it is ready, and where everything is."""
    return "\n".join(
        (
            f"Stemwright is ready at {platform.gateway_url} (after {platform.seconds_to_ready:.1f} s).",
            f"  API document  {platform.gateway_url}/docs",
            f"  data          {platform.home.root}",
            f"  logs          {platform.home.logs}",
        )
    )


def line(status: Status) -> str:
    pid = f"  pid {status.pid}" if status.pid is not None else ""
    detail = f"  {status.detail}" if status.detail else ""
    address = f"  {status.address}" if status.state == State.READY and status.address else ""
    return f"{status.name:<14} {status.state:<10}{pid}{address}{detail}"


def table(statuses: Sequence[Status]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("part", "state", "since"):
        shown.add_column(heading, no_wrap=True)
    for heading in ("restarts", "pid", "port", "memory"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("")
    total = 0
    for status in statuses:
        if status.state == State.DONE:
            continue
        memory = resident_bytes(status.pid)
        total += memory
        shown.add_row(
            status.name,
            Text(state_of(status), STYLES.get(status.state, "")),
            local_time(status.since),
            "" if status.elsewhere else str(status.restarts),
            "" if status.pid is None else str(status.pid),
            "" if status.port is None else str(status.port),
            megabytes(memory),
            Text(status.detail, style="dim"),
        )
    if total:
        shown.add_row("together", "", "", "", "", "", megabytes(total), "", style="dim")
    return shown


def state_of(status: Status) -> str:
    return "elsewhere" if status.elsewhere and status.state == State.READY else str(status.state)


def local_time(at: datetime) -> str:
    """The hour, or the day where that is another one."""
    here = at.astimezone()
    today = here.date() == datetime.now().astimezone().date()
    return here.strftime("%H:%M:%S" if today else "%Y-%m-%d")


def megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size else ""


def resident_bytes(pid: int | None) -> int:
    """Resident memory of a process, 0 when it is gone."""
    if pid is None:
        return 0
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
