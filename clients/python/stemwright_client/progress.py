"""How far a song is."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Stage(StrEnum):
    UPLOADING = "uploading"
    CHECKING = "checking"
    """The platform decodes the upload to its end."""
    WAITING = "waiting"
    """For the job's turn."""
    SEPARATING = "separating"
    DOWNLOADING = "downloading"


@dataclass(frozen=True, slots=True)
class Progress:
    """`fraction` is of the stage, 0 to 1; None where it cannot be told."""

    song: Path
    stage: Stage
    fraction: float | None


OnProgress = Callable[[Progress], None]

Report = Callable[[Stage, float | None], None]
"""`OnProgress` of one song."""


def report_of(song: Path, on_progress: OnProgress | None) -> Report:
    if on_progress is None:
        return lambda _stage, _fraction: None
    return lambda stage, fraction: on_progress(Progress(song, stage, fraction))
