"""``stemwright separate``."""

import sys
from functools import partial
from pathlib import Path
from typing import get_args

import click

from separation.cli.model_commands import repository_option
from separation.errors import SeparationError
from separation.registry import DEFAULT_MODEL, ModelRepository
from separation.settings import Device, OutputFormat, OutputFormatName, Overs, SeparationSettings, Window

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
_BEYOND_ANY_SONG = 1e6  # seconds
_QUALITIES = {"default": SeparationSettings, "best": SeparationSettings.best}


def _window(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Window | None:
    """``START:END`` in seconds; either may be left out."""
    if value is None:
        return None
    start, colon, end = value.partition(":")
    try:
        window = Window(float(start or 0), float(end or _BEYOND_ANY_SONG))
    except ValueError:
        window = None
    if not colon or window is None or window.end_seconds > _BEYOND_ANY_SONG:
        raise click.BadParameter("give START:END in seconds, such as 60:90")
    return window


def _stems(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    from separation.stems import STEM_NAMES

    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if not names or not set(names) <= set(STEM_NAMES):
        raise click.BadParameter(f"choose from {', '.join(STEM_NAMES)}, with commas between them")
    return names


@click.command()
@click.argument("songs", metavar="SONG_OR_FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "out",
    metavar="DIR",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Stems of song.mp3 go to DIR/song, those of Album/cd1/song.mp3 in a folder Album to DIR/Album/cd1/song.",
)
@click.option(
    "--format", "format_name", type=click.Choice(get_args(OutputFormatName)), default="flac", show_default=True
)
@click.option("--bit-depth", type=click.Choice(["16", "24", "32"]), help="FLAC 16 or 24, WAV 16, 24 or 32 (float).")
@click.option("--bitrate", type=int, metavar="KBPS", help="MP3, M4A and Opus: 64 to 320; default: a high quality.")
@click.option(
    "--overs",
    type=click.Choice(get_args(Overs)),
    default="keep",
    show_default=True,
    help="A stem beyond full scale: keep it as it is, or scale all stems of the song alike.",
)
@click.option(
    "--stems",
    metavar="NAMES",
    callback=_stems,
    default="vocals,instrumental",
    show_default=True,
    help="With commas between them; also: mixture.",
)
@click.option("--preview", metavar="START:END", callback=_window, help="Only this part of each song, in seconds.")
@click.option(
    "--quality",
    type=click.Choice(list(_QUALITIES)),
    default="default",
    show_default=True,
    help="best takes up to twice the time.",
)
@click.option("--report", is_flag=True, help="Draw waveforms and spectrograms of each song and its stems: report.png.")
@click.option("--skip-existing", is_flag=True, help="Keep stems that this very order has already made of a song.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Processors for the network; default: all.")
@click.option(
    "--device",
    type=click.Choice(get_args(Device)),
    default="auto",
    show_default=True,
    help="Where the network runs; auto: on a GPU if there is one.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per song on standard output, nothing else.")
@click.option("--model", "model_name", metavar="NAME", default=DEFAULT_MODEL, show_default=True)
@repository_option
def separate(
    songs: tuple[Path, ...],
    out: Path,
    format_name: OutputFormatName,
    bit_depth: str | None,
    bitrate: int | None,
    overs: Overs,
    stems: tuple[str, ...],
    preview: Window | None,
    quality: str,
    report: bool,
    skip_existing: bool,
    threads: int | None,
    device: Device,
    as_json: bool,
    model_name: str,
    repository: Path | None,
) -> None:
    """Separate songs into vocals and instrumental, each in a folder of its own below DIR.

    Of a folder every audio file in it is taken, at any depth. Stems that are there are replaced. Ctrl-C leaves the
    songs that are done, and nothing of the one in work.

    Ends with 0 when every song was separated, with 1 when one was not (the others are) or nothing could begin, with 2
    when the command is wrong, with 130 after Ctrl-C.
    """
    try:
        output = OutputFormat(format_name, int(bit_depth) if bit_depth else None, bitrate, overs)
    except SeparationError as error:
        raise click.UsageError(str(error)) from error
    try:
        from separation.cli.batch import Wishes, run
        from separation.cli.reuse import Order
        from separation.console import forgive_encodings

        forgive_encodings()
        wishes = Wishes(
            Order(stems, preview, output, _QUALITIES[quality]()),
            skip_existing=skip_existing,
            with_report=report,
            as_json=as_json,
        )
        models = ModelRepository(repository)
        load = partial(models.load, model_name, threads=threads, device=device)
        code = run(songs, out, wishes, load)
    except KeyboardInterrupt:  # before the first song: nothing to tidy up
        code = EXIT_INTERRUPTED
    except SeparationError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(code)
