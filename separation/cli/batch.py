"""A run over many songs: each is separated or found done, its picture drawn, and what became of it said."""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from separation.cli.brief import STOPPED
from separation.cli.names import Pattern
from separation.cli.outcome import Failure, Outcome, RunLine, summary
from separation.cli.places import Wanted, place
from separation.cli.progress import SongProgress
from separation.cli.reuse import Order, finished
from separation.cli.songs import Song, find_songs
from separation.cli.stop import StopWish
from separation.cli.terminal import columns, tell, tell_failure
from separation.errors import Cancelled, OutputWriteFailed
from separation.machine.console import forget_standard_output, printable, write_json
from separation.machine.drafts import clear_drafts, missing_folders, remove_empty
from separation.models.separator import MaskModel
from separation.stream.job import Progress, separate_file

EXIT_SONG_FAILED = 1


@dataclass(frozen=True)
class RunOptions:
    """Of the run as a whole, beside the order for every song."""

    order: Order
    skip_existing: bool = False
    with_report: bool = False
    as_json: bool = False
    verbose: bool = False
    pattern: Pattern | None = None


def run(arguments: Sequence[str], out: Path, options: RunOptions, load: Callable[[], MaskModel]) -> int:
    """Separates the songs that ``arguments`` mean and returns the exit code.

    Songs that are done are told on standard output, failures on standard error, all as JSON on standard output if that
    is wished. Raises ``SeparationError`` when nothing can begin: no model, a folder that cannot be written, names that
    clash.
    """
    begun = time.perf_counter()
    if options.with_report:
        from separation.cli.report import require_drawing  # drawing takes a second to load

        require_drawing()
    model = load()
    _require_writable(out)
    order = options.order
    songs = place(find_songs(arguments, out), Wanted(order.stems, order.output, order.window, options.pattern))
    batch = Batch(songs, model, options)
    try:
        with StopWish() as stop:
            batch.run(stop)
        if len(songs) > 1 and not options.as_json:
            tell(summary(batch.outcomes, len(songs), time.perf_counter() - begun))
        if stop.signal:
            _say_stopped(options)
            return stop.exit_code
    except BrokenPipeError:
        forget_standard_output()
        click.echo("Nobody reads the output any more; stopped.", err=True)
        return EXIT_SONG_FAILED
    except OSError as error:  # of songs none arrives here
        forget_standard_output()
        click.echo(f"The output cannot be written: {error.strerror}; stopped.", err=True)
        return EXIT_SONG_FAILED
    return EXIT_SONG_FAILED if any(outcome.error for outcome in batch.outcomes) else 0


def _say_stopped(options: RunOptions) -> None:
    if options.as_json:
        write_json(RunLine(error=Failure(code="interrupted", message=STOPPED)).model_dump_json())
    else:
        click.echo(STOPPED, err=True)


class Batch:
    """The songs of one run and what became of them."""

    def __init__(self, songs: Sequence[Song], model: MaskModel, options: RunOptions) -> None:
        self._songs, self._model, self._options = songs, model, options
        self.outcomes: list[Outcome] = []

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Until the last song, a wish to stop, or a full disk. A song in whose midst it stops has no outcome."""
        with_bar = not self._options.as_json and sys.stderr.isatty()
        for number, song in enumerate(self._songs, 1):
            count = f"[{number}/{len(self._songs)}] " if len(self._songs) > 1 else ""
            missing = missing_folders(song.target)
            try:
                if should_stop():
                    raise Cancelled
                with SongProgress(count + printable(song.path.name), shown=with_bar) as bar:
                    outcome = self._outcome(song, bar, should_stop)
            except Cancelled:
                remove_empty(missing)
                return
            if outcome.manifest is None:
                remove_empty(missing)
            self.outcomes.append(outcome)
            self._say(outcome)
            if outcome.disk_is_full:
                return

    def _say(self, outcome: Outcome) -> None:
        if self._options.as_json:
            write_json(outcome.json())
            return
        for line in outcome.lines(columns(sys.stdout), verbose=self._options.verbose):
            (tell_failure if outcome.error else tell)(line)

    def _outcome(self, song: Song, bar: SongProgress, should_stop: Callable[[], bool]) -> Outcome:
        begun = time.perf_counter()
        outcome = Outcome(song, error=song.error, window=self._options.order.window)
        if song.error is None:
            try:
                self._separate(outcome, bar, should_stop)
            except Cancelled:
                raise
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one song, the others are separated
                outcome.error = error
        outcome.seconds = time.perf_counter() - begun
        return outcome

    def _separate(self, outcome: Outcome, bar: SongProgress, should_stop: Callable[[], bool]) -> None:
        song, order = outcome.song, self._options.order
        report = song.target / f"{song.file_name('report')}.png"

        def show(progress: Progress) -> None:
            bar.update(progress.fraction, progress.audio_seconds)

        if self._options.skip_existing:
            clear_drafts(song.target)
            outcome.manifest = finished(song, order, self._model.manifest.digest)
            outcome.reused = outcome.manifest is not None
        if outcome.manifest is None:
            outcome.manifest = separate_file(
                song.path,
                song.target,
                model=self._model,
                stems=order.stems,
                window=order.window,
                output=order.output,
                settings=order.settings,
                on_progress=show,
                should_cancel=should_stop,
                file_name=song.file_name,
            )
        if self._options.with_report:
            if not (outcome.reused and report.exists()):
                from separation.cli.report import write_report

                bar.note("drawing")
                write_report(
                    song.path, song.target, outcome.manifest, should_cancel=should_stop, file_name=song.file_name
                )
            outcome.report = report


def _require_writable(folder: Path) -> None:
    """One clear error now instead of one for every song; leaves nothing behind."""
    missing = missing_folders(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputWriteFailed(f"{printable(str(folder))} cannot be written: {error.strerror}.") from error
    finally:
        remove_empty(missing)
