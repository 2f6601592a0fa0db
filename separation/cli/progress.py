"""A live line for the song in work on the terminal."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

# The terminal's echo of Ctrl-C must not reach the next line, where it would not be wiped away.
_ECHO_COLUMNS = 8


class _Line(Progress):
    """A ``Progress`` that leaves the last columns of ``terminal`` free."""

    def __init__(self, *columns: ProgressColumn, terminal: Console, shown: bool) -> None:
        self._terminal = terminal  # asked for its width before the base class is complete
        super().__init__(
            *columns, console=terminal, transient=True, expand=True, refresh_per_second=5, disable=not shown
        )

    def get_renderable(self) -> RenderableType:
        return Constrain(super().get_renderable(), max(1, self._terminal.width - _ECHO_COLUMNS))


class SongProgress:
    """One line on standard error: name, bar, per cent, speed, time left. It disappears when the song is done.

    ``shown=False`` makes it silent. ``title`` is shortened where the terminal is narrow.
    """

    def __init__(self, title: str, *, shown: bool) -> None:
        columns = (
            TextColumn(
                "{task.description}", markup=False, table_column=Column(ratio=2, no_wrap=True, overflow="ellipsis")
            ),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=10)),
            TaskProgressColumn(),
            TextColumn("{task.fields[pace]:>14}", style="cyan"),
            TextColumn("ETA", style="dim"),
            TimeRemainingColumn(compact=True),
        )
        self._progress = _Line(*columns, terminal=Console(stderr=True), shown=shown)
        self._task = self._progress.add_task(title, total=1.0, pace="")
        self._begun = time.perf_counter()

    def update(self, fraction: float, audio_seconds: float) -> None:
        """``fraction`` of the work, and how much audio is separated; the speed is that over the time since entering."""
        speed = audio_seconds / (time.perf_counter() - self._begun)
        pace = f"{speed:.{0 if speed >= 10 else 1}f}x real time" if audio_seconds else ""
        self._progress.update(self._task, completed=fraction, pace=pace)

    def note(self, words: str) -> None:
        """What is done after the separation, in place of the speed."""
        self._progress.update(self._task, pace=words)

    def __enter__(self) -> Self:
        self._begun = time.perf_counter()
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
