"""The engine on the command line: ``stemwright separate`` and ``stemwright models``."""

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from separation.errors import SeparationError
from separation.registry import DEFAULT_MODEL, ModelRepository
from separation.settings import OutputFormat, OutputFormatName, Window

EXIT_SONG_FAILED = 1
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_BEYOND_ANY_SONG = 1e6  # seconds

_repository_option = click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="STEMWRIGHT_MODEL_REPOSITORY",
    help="Folder of models; default: models/repository of the checkout.",
)


def _window(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Window | None:
    """``START:END`` in seconds; either may be left out."""
    if value is None:
        return None
    start, colon, end = value.partition(":")
    try:
        window = Window(float(start or 0), float(end or _BEYOND_ANY_SONG))
    except ValueError:
        window = Window(0, 0)
    if not colon or not 0 <= window.start_seconds < window.end_seconds <= _BEYOND_ANY_SONG:
        raise click.BadParameter("give START:END in seconds, such as 60:90")
    return window


def _stems(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(",") if name.strip())


@click.command()
@click.argument("songs", metavar="SONG...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "folder", metavar="DIR", required=True, type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--format", "format_name", type=click.Choice(["flac", "wav", "mp3"]), default="flac", show_default=True)
@click.option("--bit-depth", type=click.Choice(["16", "24", "32"]), help="FLAC 16 or 24, WAV 16, 24 or 32 (float).")
@click.option(
    "--bitrate", type=int, metavar="KBPS", help="MP3 only; without it, variable bit rate of the best quality."
)
@click.option("--stems", callback=_stems, default="vocals,instrumental", show_default=True, help="Also: mixture.")
@click.option("--preview", metavar="START:END", callback=_window, help="Only this part of the song, in seconds.")
@click.option("--model", "model_name", default=DEFAULT_MODEL, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="Processors to use; default: all.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per song on standard output, and no bar.")
@_repository_option
def separate(
    songs: tuple[Path, ...],
    folder: Path,
    format_name: OutputFormatName,
    bit_depth: str | None,
    bitrate: int | None,
    stems: tuple[str, ...],
    preview: Window | None,
    model_name: str,
    threads: int | None,
    as_json: bool,
    repository: Path | None,
) -> None:
    """Separate each SONG into its stems, in a folder of its own under DIR.

    Ends with 0 when every song was separated, with 1 when one was not (the others are), with 130 after Ctrl-C.
    """
    _refuse_equal_names(songs)
    try:
        output = OutputFormat(format_name, int(bit_depth) if bit_depth else None, bitrate)
        model = ModelRepository(repository).load(model_name, threads=threads)
    except SeparationError as error:
        raise click.ClickException(str(error)) from error

    from separation.engine import Progress, separate_file
    from separation.manifest import Manifest
    from separation.progress import SongProgress

    failures = 0
    try:
        for song in songs:
            target = folder / song.stem
            with SongProgress(song.name, shown=not as_json and sys.stderr.isatty()) as bar:

                def show(progress: Progress, bar: SongProgress = bar) -> None:
                    bar.update(progress.stage, progress.fraction)

                outcome: Manifest | SeparationError | OSError
                try:
                    outcome = separate_file(
                        song, target, model=model, stems=stems, window=preview, output=output, on_progress=show
                    )
                except (SeparationError, OSError) as error:
                    outcome = error
                    failures += 1
            failed = isinstance(outcome, Exception)
            line = _json_line(song, target, outcome) if as_json else _summary(song, target, outcome)
            click.echo(line, err=failed and not as_json)
    except KeyboardInterrupt:
        click.echo("Interrupted; the song in work has left nothing behind.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    if failures:
        sys.exit(EXIT_SONG_FAILED)


def _refuse_equal_names(songs: Sequence[Path]) -> None:
    twice = [name for name, count in Counter(song.stem for song in songs).items() if count > 1]
    if twice:
        raise click.UsageError(f"Several songs are called {twice[0]!r} and would overwrite each other; run them apart.")


def _failure(error: Exception) -> tuple[str, str]:
    """Code and sentence."""
    if isinstance(error, SeparationError):
        return error.code, str(error)
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return "file_unreadable", f"The file cannot be read: {reason}."


def _json_line(song: Path, target: Path, outcome: Any) -> str:
    if isinstance(outcome, Exception):
        code, message = _failure(outcome)
        return json.dumps({"song": str(song), "error": {"code": code, "message": message}})
    return json.dumps({"song": str(song), "folder": str(target), "manifest": outcome.model_dump(mode="json")})


def _summary(song: Path, target: Path, outcome: Any) -> str:
    if isinstance(outcome, Exception):
        code, message = _failure(outcome)
        return f"{song.name}: {message} [{code}]"
    seconds, total = outcome.stems[0].duration_seconds, outcome.timings_seconds["total"]
    null = outcome.quality.null_residual_dbfs
    lines = [f"{song.name}: {seconds:.1f} s in {total:.1f} s ({seconds / total:.0f}x real time) -> {target}"]
    for stem in outcome.stems:
        loudness = "silent" if stem.loudness_lufs is None else f"{stem.loudness_lufs:.1f} LUFS"
        over = ", reaches full scale" if stem.exceeds_full_scale else ""
        lines.append(f"  {stem.file:<20} {stem.size_bytes / 1e6:7.1f} MB  {loudness}{over}")
    lines.append(f"  stems minus song:    {'exactly zero' if null is None else f'{null:.1f} dBFS'}")
    return "\n".join(lines)


@click.group()
def models() -> None:
    """The models of the repository."""


@models.command("import")
@click.argument("name", type=click.Choice([DEFAULT_MODEL]))
@_repository_option
def import_model(name: str, repository: Path | None) -> None:
    """Fetch the published weights of NAME and write the model."""
    from separation.importers.spleeter import import_spleeter

    target = ModelRepository(repository)
    click.echo(f"Importing {name} ...", err=True)
    try:
        manifest = import_spleeter(target)
    except SeparationError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{manifest.name}  {manifest.digest}  {target.folder(name)}")


@models.command("list")
@_repository_option
def list_models(repository: Path | None) -> None:
    """Name, digest and licence of every model."""
    try:
        for manifest in ModelRepository(repository).manifests():
            click.echo(f"{manifest.name}  {manifest.digest}  {manifest.licence}")
    except SeparationError as error:
        raise click.ClickException(str(error)) from error


@models.command("verify")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@_repository_option
def verify_models(names: tuple[str, ...], repository: Path | None) -> None:
    """Compare each model's file with the digest in its manifest; all models when no NAME is given."""
    target = ModelRepository(repository)
    try:
        for name in names or [manifest.name for manifest in target.manifests()]:
            click.echo(f"{name}  {target.verify(name).digest}  ok")
    except SeparationError as error:
        raise click.ClickException(str(error)) from error
