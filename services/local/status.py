"""What a person sees of a running platform: one table kept up to date, or plain lines where there is no terminal."""

from typing import Protocol

import psutil
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from services.local.part import State, Status
from services.local.platform import Platform

STYLES = {State.READY: "green", State.DONE: "green dim", State.FAILED: "red", State.RESTARTING: "yellow"}


class View(Protocol):
    def refresh(self, platform: Platform) -> None:
        """Show the present state of every part."""

    def ready(self, platform: Platform) -> None:
        """The platform takes requests."""

    def say(self, text: str) -> None: ...

    def close(self) -> None: ...


class TableView:
    """A table redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()

    def refresh(self, platform: Platform) -> None:
        self._live.update(table(platform.statuses()), refresh=True)

    def ready(self, platform: Platform) -> None:
        self.say(announcement(platform))

    def say(self, text: str) -> None:
        self._live.console.print(text, highlight=False)

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
        self.say(announcement(platform))

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def close(self) -> None:
        pass


def view_for(console: Console) -> View:
    return TableView(console) if console.is_terminal else LinesView(console)


def announcement(platform: Platform) -> str:
    return f"Stemwright is ready at {platform.gateway_url} (after {platform.seconds_to_ready:.1f} s). Ctrl-C stops it."


def line(status: Status) -> str:
    pid = f"  pid {status.pid}" if status.pid is not None else ""
    detail = f"  {status.detail}" if status.detail else ""
    address = f"  {status.address}" if status.state == State.READY and status.address else ""
    return f"{status.name:<14} {status.state:<10}{pid}{address}{detail}"


def table(statuses: list[Status]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("part", "state", "pid", "address"):
        shown.add_column(heading)
    for heading in ("memory", "restarts"):
        shown.add_column(heading, justify="right")
    shown.add_column("")
    total = 0
    for status in statuses:
        if status.state == State.DONE:
            continue
        memory = resident_bytes(status.pid)
        total += memory
        shown.add_row(
            status.name,
            Text(
                "elsewhere" if status.elsewhere and status.state == State.READY else status.state,
                STYLES.get(status.state, ""),
            ),
            "" if status.pid is None else str(status.pid),
            status.address,
            megabytes(memory),
            str(status.restarts or ""),
            Text(status.detail, style="dim"),
        )
    shown.add_row("together", "", "", "", megabytes(total), "", "", style="dim")
    return shown


def megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size else ""


def resident_bytes(pid: int | None) -> int:
    """Resident memory of a process, 0 when it is gone."""
    if pid is None:
        return 0
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
