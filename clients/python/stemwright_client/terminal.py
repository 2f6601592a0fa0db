"""What the commands say of songs, on a terminal and as JSON."""

import logging
import shutil
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click

from stemwright_client.models import Job
from stemwright_client.progress import Progress
from stemwright_client.songs import Outcome


class Notices(logging.Handler):
    """What the library has to say while it goes on: a line on standard error, in place of one that changes."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(("\r\x1b[K" if sys.stderr.isatty() else "") + self.format(record), err=True)


class Display:
    """A line that changes while songs are on their way, on a terminal alone. Is called from several threads."""

    def __init__(self, *, visible: bool) -> None:
        self._visible = visible and sys.stderr.isatty()
        self._lock = threading.Lock()
        self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def progress(self, progress: Progress) -> None:
        if not self._visible:
            return
        how_far = "" if progress.fraction is None else f" {progress.fraction:.0%}"
        text = f"{progress.song.name}: {progress.stage}{how_far}"[: shutil.get_terminal_size().columns - 1]
        with self._lock:
            click.echo("\r" + text.ljust(self._shown), nl=False, err=True)
            self._shown = len(text)

    def clear(self) -> None:
        with self._lock:
            if self._shown:
                click.echo("\r" + " " * self._shown + "\r", nl=False, err=True)
                self._shown = 0

    def line(self, text: str) -> None:
        click.echo(text)

    def failure(self, text: str) -> None:
        click.echo(click.style(text, fg="red"), err=True)

    def price(self, job: Job) -> str:
        return f"separated for {job.price_credits} credits" if job.price_credits else "separated"


def file_code(error: OSError, songs: Iterable[Path]) -> str:
    """Of what the machine's own files have said.

    What has no name broke off in the middle of a file: as a rule the disk is full.
    """
    unreadable = error.filename is not None and any(_is_of(song, Path(error.filename)) for song in songs)
    return "file_unreadable" if unreadable else "output_write_failed"


def _is_of(song: Path, path: Path) -> bool:
    """Whether it is the song, or in the folder of songs, that was named."""
    return path == song or (path.is_relative_to(song) and song.is_dir())


def failure_of(outcome: Outcome) -> str:
    error = outcome.error
    if isinstance(error, OSError):
        about = f"{error.filename}: " if error.filename not in (None, str(outcome.song)) else ""
        return about + (error.strerror or str(error))
    code = f"[{getattr(error, 'code', '')}]"
    return str(error) if code in str(error) else f"{error} {code}"


def written(outcome: Outcome) -> dict[str, Any]:
    """As `separate --json` prints it."""
    if outcome.separation is None:
        error = outcome.error
        code = file_code(error, [outcome.song]) if isinstance(error, OSError) else getattr(error, "code", "")
        message = failure_of(outcome).removesuffix(f" [{code}]")
        return {"song": str(outcome.song), "status": "failed", "error": {"code": code, "message": message}}
    made = outcome.separation
    return {
        "song": str(outcome.song),
        "status": "done",
        "folder": str(made.folder),
        "files": {name: str(path) for name, path in made.files.items()},
        "job": made.job.model_dump(mode="json"),
    }
