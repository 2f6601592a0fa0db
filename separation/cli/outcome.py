"""What became of each song, as a line for people or as JSON for programs."""

import errno
import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from separation.cli.songs import Song
from separation.errors import ExceedsFullScale, OutputWriteFailed, SeparationError
from separation.manifest import Manifest
from separation.wording import duration, null_test, printable

_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)


class Failure(BaseModel):
    """``code`` is one of ``separation.errors``, ``file_unreadable`` or ``folder_without_songs``."""

    code: str
    message: str


class SongLine(BaseModel):
    """One line of ``--json``. What does not apply is left out.

    ``song`` and ``folder``: paths, relative where those of the command line are. ``status``: ``done``, ``reused``
    (``--skip-existing``) or ``failed``. ``seconds``: wall-clock time spent on it. ``manifest``: what stands in
    ``manifest.json``; with ``failed`` only where the stems are there and the picture is not. ``report``: the picture.
    """

    song: str
    folder: str
    status: Literal["done", "reused", "failed"]
    seconds: float
    manifest: Manifest | None = None
    report: str | None = None
    error: Failure | None = None


@dataclass
class Outcome:
    """What became of one song; ``error`` of whichever step failed."""

    song: Song
    seconds: float = 0.0
    manifest: Manifest | None = None
    reused: bool = False
    report: Path | None = None
    error: Exception | None = None

    @property
    def status(self) -> Literal["done", "reused", "failed"]:
        return "failed" if self.error else "reused" if self.reused else "done"

    @property
    def audio_seconds(self) -> float:
        """Length of the stems; 0 where there are none."""
        return self.manifest.stems[0].duration_seconds if self.manifest else 0.0

    @property
    def disk_is_full(self) -> bool:
        """Whether the songs to come would fail as well."""
        causes = (self.error, self.error.__cause__ if self.error else None)
        return any(getattr(cause, "errno", None) in _DISK_IS_FULL for cause in causes)

    @property
    def failure(self) -> Failure | None:
        error = self.error
        if error is None:
            return None
        if isinstance(error, ExceedsFullScale):
            return Failure(code=error.code, message=f"{str(error).removesuffix('.')}, or use --overs scale.")
        if isinstance(error, SeparationError):
            return Failure(code=error.code, message=printable(str(error)))
        if not isinstance(error, OSError):
            return Failure(code=SeparationError.code, message=printable(_unforeseen(error)))
        reason = error.strerror or str(error)
        if self.disk_is_full:
            return Failure(code=OutputWriteFailed.code, message=f"The stems cannot be written: {reason}.")
        return Failure(code="file_unreadable", message=f"The file cannot be read: {reason}.")

    def json(self) -> str:
        """One line after the schema of ``SongLine``."""
        line = SongLine(
            song=_unicode(self.song.path),
            folder=_unicode(self.song.target),
            status=self.status,
            seconds=round(self.seconds, 3),
            manifest=self.manifest,
            report=_unicode(self.report) if self.report else None,
            error=self.failure,
        )
        absent = {name for name in ("manifest", "report", "error") if getattr(line, name) is None}
        return line.model_dump_json(exclude=absent)

    def text(self) -> str:
        """One line for a person."""
        if self.failure:
            return f"{printable(str(self.song.path))}: {self.failure.message} [{self.failure.code}]"
        name, folder = printable(self.song.path.name), printable(str(self.song.target))
        if self.reused or self.manifest is None:
            return f"{name}: there already -> {folder}"
        work, proof = pace(self.audio_seconds, self.seconds), null_test(self.manifest.quality)
        return "; ".join([f"{name}: {work}, {proof} -> {folder}", *_remarks(self.manifest)])


def _remarks(manifest: Manifest) -> list[str]:
    """What somebody who listens would wonder about."""
    remarks = []
    if manifest.window.whole_song and not manifest.input.complete:
        remarks.append("the file is damaged or ends early")
    if repaired := manifest.input.repaired_samples:
        remarks.append(f"{repaired} samples were not numbers or absurdly large")
    if gain := manifest.quality.gain_db:
        remarks.append(f"all stems scaled by {gain:.1f} dB")
    for stem in manifest.stems:
        if stem.silent:
            remarks.append(f"{stem.name} silent")
        elif stem.exceeds_full_scale:
            remarks.append(f"{stem.name} beyond full scale")
    return remarks


def summary(outcomes: Sequence[Outcome], total: int, seconds: float) -> str:
    """The closing line: how many of ``total`` songs, how much audio, how long."""
    counts = {status: sum(outcome.status == status for outcome in outcomes) for status in ("done", "reused", "failed")}
    parts = [f"{counts['done']} {'song' if counts['done'] == 1 else 'songs'} separated"]
    if counts["reused"]:
        parts.append(f"{counts['reused']} there already")
    if counts["failed"]:
        parts.append(f"{counts['failed']} failed")
    if left := total - len(outcomes):
        parts.append(f"{left} not done")
    audio = sum(outcome.audio_seconds for outcome in outcomes if outcome.status == "done")
    return f"{', '.join(parts)}: {pace(audio, seconds)}" if audio else f"{', '.join(parts)} in {duration(seconds)}"


def pace(audio_seconds: float, seconds: float) -> str:
    """``3:20 in 10.0 s (20x real time)``."""
    speed = audio_seconds / seconds
    return f"{duration(audio_seconds)} in {duration(seconds)} ({speed:.{0 if speed >= 10 else 1}f}x real time)"


def _unforeseen(error: Exception) -> str:
    """What whoever mends it needs to know."""
    place = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
    where = f" ({Path(place.filename).name}:{place.lineno})" if place else ""
    return f"This is a fault of the program: {type(error).__name__}: {error}{where}."


def _unicode(path: Path) -> str:
    """A path as JSON can hold it: bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(path).decode(errors="replace")
