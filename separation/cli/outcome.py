"""What became of each song, as lines for people or as JSON for programs."""

import errno
import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel
from rich.cells import cell_len

from separation.cli.songs import Song
from separation.cli.terminal import beginning, end
from separation.cli.wording import clock, duration, null_test, pace, place_in_song, sum_in_words
from separation.errors import ExceedsFullScale, OutputWriteFailed, SeparationError
from separation.machine.console import printable
from separation.manifest import AnalysisRecord, Manifest, StemRecord
from separation.settings import END_OF_SONG, Window

_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)
_ARROW = " -> "
_INDENT = "  "


class Failure(BaseModel):
    """``code`` is one of ``separation.errors``, or one that ``docs/command-line.md`` lists beside them."""

    code: str
    message: str


class SongLine(BaseModel):
    """One line of ``--json``. What does not apply is left out.

    ``song`` and ``folder``: paths, relative where those of the command line are. ``status``: ``done``, ``reused``
    (``--skip-existing``) or ``failed``. ``seconds``: wall-clock time spent on it. ``files``: paths of the stems, by
    name, and of the ``manifest`` and the ``waveforms`` beside them. ``notes``: what a listener would wonder about.
    ``manifest``: what stands in that file; with ``failed`` only where the stems are there and the picture is not.
    ``report``: the picture.
    """

    song: str
    folder: str
    status: Literal["done", "reused", "failed"]
    seconds: float
    files: dict[str, str] | None = None
    notes: list[str] | None = None
    manifest: Manifest | None = None
    report: str | None = None
    error: Failure | None = None


class RunLine(BaseModel):
    """The line of ``--json`` where no song is at fault: nothing could begin, or the run was stopped."""

    status: Literal["failed"] = "failed"
    error: Failure


@dataclass
class Outcome:
    """What became of one song; ``error`` of whichever step failed. ``window``: what was wished of it."""

    song: Song
    seconds: float = 0.0
    manifest: Manifest | None = None
    reused: bool = False
    report: Path | None = None
    error: Exception | None = None
    window: Window | None = None

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
        if self.error is None:
            return None
        if isinstance(self.error, OSError) and self.disk_is_full:
            reason = self.error.strerror or str(self.error)
            return Failure(code=OutputWriteFailed.code, message=f"The stems cannot be written: {reason}.")
        return failure_of(self.error)

    @property
    def notes(self) -> list[str]:
        """What somebody who listens would wonder about."""
        return _notes(self.manifest, self.window) if self.manifest else []

    def json(self) -> str:
        """One line after the schema of ``SongLine``."""
        line = SongLine(
            song=self.song.shown or _unicode(self.song.path),
            folder=_unicode(self.song.target),
            status=self.status,
            seconds=round(self.seconds, 3),
            files=self._files() or None,
            notes=self.notes or None,
            manifest=self.manifest,
            report=_unicode(self.report) if self.report else None,
            error=self.failure,
        )
        optional = ("files", "notes", "manifest", "report", "error")
        return line.model_dump_json(exclude={name for name in optional if getattr(line, name) is None})

    def _files(self) -> dict[str, str]:
        if self.manifest is None:
            return {}
        names = {stem.name: stem.file for stem in self.manifest.stems}
        names |= {"waveforms": self.manifest.waveforms.file, "manifest": f"{self.song.file_name('manifest')}.json"}
        return {name: _unicode(self.song.target / file) for name, file in names.items()}

    def lines(self, width: int | None = None, *, verbose: bool = False) -> list[str]:
        """For a person: two, and one more for each note; with ``verbose`` the figures. Cut to ``width`` columns."""
        if self.failure:
            return [f"{printable(str(self.song))}: {self.failure.message} [{self.failure.code}]"]
        where = f"{_ARROW}{end(self._place(), width and max(10, width // 2))}"
        if self.manifest is None:
            return []
        work = self._work(self.manifest)
        first = beginning(printable(self.song.path.name), width and max(10, width - len(work) - 2))
        words = beginning(f"{_INDENT}{sum_in_words(self.manifest)}", width and width - cell_len(where))
        lines = [beginning(f"{first}: {work}", width), words + where]
        lines += [f"{_INDENT}note: {note}" for note in self.notes]
        return [*lines, *(_figures(self) if verbose else [])]

    def _work(self, manifest: Manifest) -> str:
        rate, window = manifest.input.sample_rate_hz, manifest.window
        part = duration(self.audio_seconds)
        if not window.whole_song:
            start, stop = window.start_sample / rate, window.end_sample / rate
            part = f"{place_in_song(start)} to {place_in_song(stop)}"
        return f"{part}, there already" if self.reused else f"{part} separated in {duration(self.seconds)}"

    def _place(self) -> str:
        """The folder, and the file where several songs share one."""
        path = self.song.target
        if self.manifest and self.song.file_name("manifest") != "manifest":
            path /= self.manifest.stems[0].file
        return printable(str(path))


def failure_of(error: Exception) -> Failure:
    """Its code and a sentence for a person, whatever it is."""
    if isinstance(error, ExceedsFullScale):
        return Failure(code=error.code, message=f"{str(error).removesuffix('.')}, or use --overs scale.")
    if isinstance(error, SeparationError):
        return Failure(code=error.code, message=printable(str(error)))
    if isinstance(error, OSError):
        return Failure(code="file_unreadable", message=f"The file cannot be read: {error.strerror or error}.")
    return Failure(code=SeparationError.code, message=printable(_unforeseen(error)))


def _notes(manifest: Manifest, wished: Window | None) -> list[str]:
    notes = []
    rate, taken = manifest.input.sample_rate_hz, manifest.window
    if wished and wished.end_seconds < END_OF_SONG and round(wished.end_seconds * rate) > taken.end_sample:
        start, stop = place_in_song(taken.start_sample / rate), place_in_song(taken.end_sample / rate)
        notes.append(f"the song ends at {stop}, so the preview is {start} to {stop}")
    if taken.whole_song and not manifest.input.complete:
        notes.append("the file is damaged or ends early")
    if repaired := manifest.input.repaired_samples:
        notes.append(f"{repaired} samples were not numbers or absurdly large")
    if gain := manifest.quality.gain_db:
        notes.append(f"all stems scaled by {gain:.1f} dB")
    for stem in manifest.stems:
        if stem.silent:
            notes.append(f"{stem.name} silent")
        elif stem.exceeds_full_scale:
            notes.append(f"{stem.name} beyond full scale")
    return notes


def _figures(outcome: Outcome) -> list[str]:
    manifest = outcome.manifest
    if manifest is None:
        return []
    model, song = manifest.model, manifest.input
    lines = [
        f"song: {song.container}, {song.codec}, {song.sample_rate_hz} Hz, {song.channels} channels",
        *(_stem_figures(stem) for stem in manifest.stems),
        *_music_figures(manifest.analysis),
        f"sum: {null_test(manifest.quality)}",
        f"model: {model.name} {model.digest[:19]} by {model.runtime} on {model.device}",
    ]
    if not outcome.reused:
        spent = sorted(manifest.timings_seconds.items(), key=lambda stage: -stage[1])
        lines.append(f"time: {pace(outcome.audio_seconds, outcome.seconds)}; of threads at once, in seconds:")
        lines.append(_INDENT + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in spent if seconds >= 0.05))
    return [_INDENT + line for line in lines]


def _music_figures(analysis: AnalysisRecord | None) -> list[str]:
    if analysis is None:
        return []
    key = f"{analysis.key} ({analysis.camelot})" if analysis.key else "no key"
    tempo = "no tempo" if analysis.tempo_bpm is None else f"{analysis.tempo_bpm:.1f} BPM"
    return [f"music: {key}, {tempo}"]


def _stem_figures(stem: StemRecord) -> str:
    loudness = "-" if stem.loudness_lufs is None else f"{stem.loudness_lufs:.1f}"
    peak = "-" if stem.peak_dbfs is None else f"{stem.peak_dbfs:.1f}"
    return f"{stem.name}: {loudness} LUFS, peak {peak} dBFS, {stem.size_bytes / 1e6:.1f} MB"


def summary(outcomes: Sequence[Outcome], total: int, seconds: float) -> str:
    """The closing line: how many of ``total`` songs, and how long."""
    counts = {status: sum(outcome.status == status for outcome in outcomes) for status in ("done", "reused", "failed")}
    parts = [f"{counts['done']} {'song' if counts['done'] == 1 else 'songs'} separated"]
    if counts["reused"]:
        parts.append(f"{counts['reused']} there already")
    if counts["failed"]:
        parts.append(f"{counts['failed']} failed")
    if left := total - len(outcomes):
        parts.append(f"{left} not done")
    audio = sum(outcome.audio_seconds for outcome in outcomes if outcome.status == "done")
    return f"{', '.join(parts)} in {duration(seconds)}" + (f" ({clock(audio)} of music)" if audio else "")


def _unforeseen(error: Exception) -> str:
    """What whoever mends it needs to know."""
    place = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
    where = f" ({Path(place.filename).name}:{place.lineno})" if place else ""
    return f"This is a fault of the program: {type(error).__name__}: {error}{where}."


def _unicode(path: Path) -> str:
    """A path as JSON can hold it: bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(path).decode(errors="replace")
