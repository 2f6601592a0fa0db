"""``stemwright separate``."""

import sys
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, get_args

import click

from separation.cli.brief import Brief, BriefCommand, NearChoice, end_interrupted
from separation.cli.model_commands import complete_models, repository_option
from separation.cli.names import FIELDS, BadPattern, Pattern, parse_pattern
from separation.errors import RequestError, SeparationError, did_you_mean
from separation.machine.console import forgive_encodings, write_json
from separation.models.repository import DEFAULT_MODEL, ModelRepository
from separation.settings import Device, OutputFormat, OutputFormatName, Overs, SeparationSettings, Window

EXIT_FAILED, EXIT_USAGE = 1, 2


class _Command(BriefCommand):
    """Under ``--json`` a command that is wrong is told in JSON, too."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        options = args[: args.index("--")] if "--" in args else [*args]
        try:
            return super().make_context(info_name, args, parent, **extra)
        except Brief as error:
            if "--json" in options:
                _end_in_json("usage", error.message, error.exit_code)
            raise
        except KeyboardInterrupt:
            end_interrupted(as_json="--json" in options)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except Brief as error:
            if ctx.params["as_json"]:
                code = "usage" if error.exit_code == EXIT_USAGE else "separation_failed"
                _end_in_json(code, error.message, error.exit_code)
            raise
        except KeyboardInterrupt:  # before the first song: nothing to tidy up
            end_interrupted(as_json=ctx.params["as_json"])


def _end_in_json(code: str, message: str, exit_code: int) -> NoReturn:
    from separation.cli.outcome import Failure, RunLine

    write_json(RunLine(error=Failure(code=code, message=message)).model_dump_json())
    raise click.exceptions.Exit(exit_code)


def _window(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Window | None:
    try:
        return None if value is None else Window.parse(value)
    except RequestError as error:
        raise click.BadParameter(str(error)) from error


def _stems(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    from separation.stems.set import STEM_NAMES

    names = tuple(name.strip() for name in value.split(",") if name.strip())
    unknown = [name for name in names if name not in STEM_NAMES]
    if unknown or not names:
        wish = f"there is no stem {unknown[0]!r}." if unknown else "none is named."
        meant = did_you_mean(unknown[0], STEM_NAMES) if unknown else ""
        raise click.BadParameter(f"{wish}{meant} Choose from {', '.join(STEM_NAMES)}, with commas between them.")
    return names


def _pattern(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Pattern | None:
    try:
        return None if value is None else parse_pattern(value)
    except BadPattern as error:
        raise click.BadParameter(str(error)) from error


def _complete_stems(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from separation.stems.set import STEM_NAMES

    before, comma, last = incomplete.rpartition(",")
    return [before + comma + name for name in STEM_NAMES if name.startswith(last)]


@click.command(cls=_Command)
@click.argument("songs", metavar="SONG_OR_FOLDER...", nargs=-1, required=True, type=click.Path())
@click.option(
    "-o",
    "--output",
    "out",
    metavar="DIR",
    default="stems",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the stems go: those of song.mp3 to DIR/song, those of Album/1.mp3 in a folder Album to DIR/Album/1.",
)
@click.option(
    "--filename",
    "pattern",
    metavar="PATTERN",
    callback=_pattern,
    help="Names of the files below DIR, without suffix, such as '{artist} - {title} ({stem})'. "
    f"Fields: {', '.join(FIELDS)}.  [default: {{song}}/{{stem}}]",
)
@click.option(
    "--format",
    "format_name",
    type=NearChoice(get_args(OutputFormatName), "format"),
    default="flac",
    show_default=True,
    help="Of the files.",
)
@click.option("--bit-depth", type=NearChoice(["16", "24", "32"], "bit depth"), help="FLAC 16, 24; WAV 16, 24, 32.")
@click.option("--bitrate", type=int, metavar="KBPS", help="MP3, M4A and Opus: 64 to 320. Default: a high quality.")
@click.option(
    "--stems",
    metavar="NAMES",
    callback=_stems,
    shell_complete=_complete_stems,
    default="vocals,instrumental",
    show_default=True,
    help="With commas between them; also: mixture.",
)
@click.option(
    "--preview",
    metavar="START-END",
    callback=_window,
    help="Only this part of each song, such as 1:00-1:30 or 60-90; it goes to a folder of its own.",
)
@click.option(
    "--overs",
    type=NearChoice(get_args(Overs), "such wish"),
    default="keep",
    show_default=True,
    help="A stem beyond full scale: keep it as it is, or scale all stems of the song alike.",
)
@click.option("--report", is_flag=True, help="Draw waveforms and spectrograms of each song and its stems.")
@click.option("--skip-existing", is_flag=True, help="Keep stems that this very order has already made of a song.")
@click.option("-v", "--verbose", is_flag=True, help="The figures: levels, the null test, the time of every stage.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output, nothing else.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Processors for the network. Default: all.")
@click.option(
    "--device",
    type=NearChoice(get_args(Device), "device"),
    default="auto",
    show_default=True,
    help="Where the network runs; auto: on a GPU if there is one.",
)
@click.option(
    "--model",
    "model_name",
    metavar="NAME",
    default=DEFAULT_MODEL,
    show_default=True,
    shell_complete=complete_models,
    help="One of: stemwright models list.",
)
@repository_option
def separate(
    songs: tuple[str, ...],
    out: Path,
    pattern: Pattern | None,
    format_name: OutputFormatName,
    bit_depth: str | None,
    bitrate: int | None,
    stems: tuple[str, ...],
    preview: Window | None,
    overs: Overs,
    report: bool,
    skip_existing: bool,
    verbose: bool,
    as_json: bool,
    threads: int | None,
    device: Device,
    model_name: str,
    repository: Path | None,
) -> None:
    """Separate songs into vocals and instrumental.

    Of a folder every audio file in it is taken, at any depth. Stems that are there are replaced. Ctrl-C leaves the
    songs that are done, and nothing of the one in work.

    Ends with 0 when every song was separated, with 1 when one was not (the others are) or nothing could begin, with 2
    when the command is wrong, with 130 after Ctrl-C.
    """
    try:
        output = OutputFormat(format_name, int(bit_depth) if bit_depth else None, bitrate, overs)
    except SeparationError as error:
        raise click.UsageError(str(error)) from error
    if pattern and not pattern.tells_stems_apart and len(stems) > 1:
        raise click.UsageError(f"--filename has no {{stem}}, so {' and '.join(stems)} would have the same name.")
    try:
        from separation.cli.batch import RunOptions, run
        from separation.cli.reuse import Order

        forgive_encodings()
        options = RunOptions(
            Order(stems, preview, output, SeparationSettings()),
            skip_existing=skip_existing,
            with_report=report,
            as_json=as_json,
            verbose=verbose,
            pattern=pattern,
        )
        models = ModelRepository(repository)
        load = partial(models.load, model_name, threads=threads, device=device)
        code = run(songs, out, options, load)
    except ModuleNotFoundError:  # which the group tells by the extra that brings it
        raise
    except Exception as error:
        from separation.cli.outcome import failure_of

        failure = failure_of(error)
        if as_json:
            _end_in_json(failure.code, failure.message, EXIT_FAILED)
        raise click.ClickException(failure.message) from error
    sys.exit(code)
