"""The commands `stemwright-client ...`, which are `stemwright client ...` where the platform is installed too."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NoReturn, ParamSpec, TypeVar

import click
from pydantic import BaseModel

from stemwright_client import Client, JobFailed, Order, Outcome, StemwrightError, UnexpectedAnswer
from stemwright_client.terminal import Display, Notices, failure_of, file_code, written

P = ParamSpec("P")
T = TypeVar("T")

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
FORMATS = ("flac", "wav", "mp3", "m4a", "ogg", "opus")
as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on standard output.")
output = click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("stems"), help="Where the stems go.  [stems]"
)


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong is a line, and no trace; with `--json` an object."""
    log, notices = logging.getLogger("stemwright_client"), Notices()
    log.addHandler(notices)
    try:
        yield
    except StemwrightError as error:
        _fail(error.code, f"{error}{_advice(error)}", error)
    except BrokenPipeError:  # `| head`: click ends without a word
        raise
    except KeyboardInterrupt:
        _say_interrupted()
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        about = f"{error.filename}: " if error.filename else ""
        songs = click.get_current_context().params.get("songs", ())
        _fail(file_code(error, songs), f"{about}{error.strerror or error}", error)
    finally:
        log.removeHandler(notices)


def _fail(code: str, message: str, error: Exception | None = None) -> NoReturn:
    if click.get_current_context().params.get("as_json"):
        _print_failure(code, message)
        sys.exit(1)
    raise click.ClickException(message) from error


def _say_interrupted() -> None:
    if click.get_current_context().params.get("as_json"):
        _print_failure("interrupted", "Stopped.")
    else:
        click.echo("Stopped.", err=True)


def _print_failure(code: str, message: str) -> None:
    _print({"status": "failed", "error": {"code": code, "message": message}})


def _advice(error: StemwrightError) -> str:
    if isinstance(error, UnexpectedAnswer) or error.code == "route_not_found":
        return ("" if str(error).endswith("]") else ".") + " Is STEMWRIGHT_URL the address of a platform?"
    return ""


def with_client(command: Callable[..., T]) -> Callable[..., T]:
    """Gives the command a client of the account that the environment names."""

    @wraps(command)
    def called(*arguments: Any, **options: Any) -> T:
        with told(), Client() as client:
            return command(client, *arguments, **options)

    return called


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def client() -> None:
    """Separate songs with a platform elsewhere.

    The API key is taken from STEMWRIGHT_API_KEY, the platform's address from STEMWRIGHT_URL (else this machine).
    """


def ordered(command: Callable[P, T]) -> Callable[P, T]:
    """The options of an order."""
    for option in reversed(
        (
            click.option("--stems", default="vocals,instrumental", help="With commas.  [vocals,instrumental]"),
            click.option("--format", "format_", type=click.Choice(FORMATS), default="flac", help="[flac]"),
            click.option("--bit-depth", type=click.IntRange(16, 32), help="FLAC 16 or 24; WAV 16, 24 or 32."),
            click.option("--bitrate", type=click.IntRange(64, 320), help="MP3, M4A and Opus: 64 to 320 kbit/s."),
            click.option("--preview", is_flag=True, help="Half a minute, free a number of times a day."),
            click.option("--start", type=click.FloatRange(0), help="Where the preview begins, in seconds."),
            click.option("--duration", type=click.FloatRange(1), help="How long the preview is, in seconds."),
            click.option(
                "--tier", type=click.Choice(("fast", "relaxed")), default="fast", help="relaxed is cheaper and later."
            ),
            click.option("--model", help="A network by its name; else the platform's choice."),
        )
    ):
        command = option(command)
    return command


def order_of(
    stems: str,
    format_: str,
    bit_depth: int | None,
    bitrate: int | None,
    start: float | None,
    duration: float | None,
    tier: Literal["fast", "relaxed"],
    model: str | None,
    *,
    preview: bool,
) -> Order:
    window = (start, duration) if (start, duration) != (None, None) else None
    if window is not None and not preview:
        raise click.UsageError("--start and --duration are of a preview: say --preview too.")
    return Order(
        stems=tuple(name.strip() for name in stems.split(",")),
        format=format_,
        bit_depth=bit_depth,
        bitrate_kbps=bitrate,
        mode="preview" if preview else "full",
        preview=window,
        tier=tier,
        model=model,
    )


@client.command()
@click.argument("songs", nargs=-1, required=True, metavar="SONG...", type=click.Path(path_type=Path))
@output
@ordered
@click.option("--parallel", type=click.IntRange(1, 32), default=4, help="So many songs at a time.  [4]")
@as_json
@with_client
def separate(api: Client, songs: tuple[Path, ...], output: Path, parallel: int, as_json: bool, **wanted: Any) -> None:
    """Separate songs, and the songs in folders.

    Run again after it was stopped it goes on where it was, and pays nothing twice.
    """
    with Display(visible=not as_json) as display:

        def tell(outcome: Outcome) -> None:
            display.clear()
            if as_json:
                click.echo(json.dumps(written(outcome)))
            elif outcome.separation is not None:
                display.line(f"{outcome.song}: {display.price(outcome.separation.job)} -> {outcome.separation.folder}")
            else:
                display.failure(f"{outcome.song}: {failure_of(outcome)}")

        outcomes = api.separate_many(
            songs, output, order_of(**wanted), parallel=parallel, on_progress=display.progress, on_outcome=tell
        )
    if not outcomes:
        _fail("folder_without_songs", "There is no audio in this folder.")
    failed = sum(outcome.error is not None for outcome in outcomes)
    if not as_json and len(outcomes) != 1:
        click.echo(f"{len(outcomes) - failed} separated" + (f", {failed} failed" if failed else ""))
    if failed:
        sys.exit(1)


@client.command()
@click.argument("songs", nargs=-1, required=True, metavar="SONG...", type=click.Path(path_type=Path, dir_okay=False))
@ordered
@as_json
@with_client
def quote(api: Client, songs: tuple[Path, ...], as_json: bool, **wanted: Any) -> None:
    """Say what songs would cost. They are uploaded for it, and not again when they are separated."""
    for song in songs:
        with Display(visible=not as_json) as display:
            upload = api.upload(song, on_progress=display.progress)
        told = api.quote(upload.id, order_of(**wanted))
        if as_json:
            _print({"song": str(song), "upload_id": upload.id, "quote": told.model_dump(mode="json")})
        else:
            able = "" if told.affordable else f" ({(told.reason or 'not affordable').replace('_', ' ')})"
            click.echo(f"{song}: {told.price_credits} credits of {told.available_credits}{able}")


@client.command()
@click.option("--status", help="Only those: queued, running, succeeded, failed ...")
@click.option("--search", help="Part of the name of the song's file.")
@click.option("--limit", type=click.IntRange(1), default=20, help="So many, the newest first.  [20]")
@as_json
@with_client
def jobs(api: Client, status: str | None, search: str | None, limit: int, as_json: bool) -> None:
    """List the account's jobs."""
    for job in islice(api.jobs(status=status, search=search), limit):
        if as_json:
            _print(job)
        else:
            click.echo(f"{job.id}  {job.created_at:%Y-%m-%d %H:%M}  {job.status:<9}  {job.filename or job.upload_id}")


@client.command()
@click.argument("job_id", metavar="JOB")
@as_json
@with_client
def status(api: Client, job_id: str, as_json: bool) -> None:
    """Show how a job stands."""
    job = api.get_job(job_id)
    if as_json:
        _print(job)
    elif job.error is not None:
        click.echo(f"{job.status}: {job.error.message} [{job.error.code}]")
    else:
        click.echo(job.status if job.status != "running" else f"running, {job.progress.fraction:.0%}")


@client.command()
@click.argument("job_id", metavar="JOB")
@click.option("--timeout", type=click.FloatRange(0), help="Seconds; else until it has ended.")
@as_json
@with_client
def wait(api: Client, job_id: str, timeout: float | None, as_json: bool) -> None:
    """Wait until a job has ended. The exit status is 1 where it did not succeed."""
    with Display(visible=not as_json) as display:
        job = api.wait(job_id, timeout_seconds=timeout, on_progress=display.progress)
    if as_json:
        _print(job)
    elif job.status == "succeeded":
        click.echo(job.status)
    if job.status != "succeeded":
        if as_json:
            sys.exit(1)
        raise JobFailed(job)


@client.command()
@click.argument("job_id", metavar="JOB")
@output
@as_json
@with_client
def fetch(api: Client, job_id: str, output: Path, as_json: bool) -> None:
    """Download the stems of a job. Each appears whole and checked."""
    with Display(visible=not as_json) as display:
        files = api.download(job_id, output, on_progress=display.progress)
    if as_json:
        _print({"job_id": job_id, "files": {name: str(path) for name, path in files.items()}})
    else:
        for path in files.values():
            click.echo(path)


@client.command()
@click.argument("job_id", metavar="JOB")
@as_json
@with_client
def cancel(api: Client, job_id: str, as_json: bool) -> None:
    """Stop a job. What does not succeed costs nothing."""
    job = api.cancel_job(job_id)
    if as_json:
        _print(job)
    else:
        click.echo(job.status)


@client.command()
@as_json
@with_client
def balance(api: Client, as_json: bool) -> None:
    """Show the account's credits; one is a second of song."""
    left = api.balance()
    if as_json:
        _print(left)
    else:
        reserved = f", {left.reserved_credits} reserved" if left.reserved_credits else ""
        click.echo(f"{left.available_credits} credits{reserved}")


@client.command()
@click.option("--after", type=click.IntRange(0), help="What follows this number; else all that are kept.")
@click.option("--type", "types", multiple=True, help="Only these, as job.succeeded; may be given several times.")
@click.option("--follow", is_flag=True, help="Go on with what happens, until Ctrl-C.")
@as_json
@with_client
def events(api: Client, after: int | None, types: tuple[str, ...], follow: bool, as_json: bool) -> None:
    """Print what happened to the account (for partners)."""
    for event in api.events(after, types=types, follow=follow):
        if as_json:
            _print(event)
        else:
            about = next((part["id"] for part in event.data.values() if isinstance(part, dict) and "id" in part), "")
            click.echo(f"{event.sequence}  {event.occurred_at:%Y-%m-%d %H:%M:%S}  {event.type}  {about}")


@client.command()
@click.option("--spend-limit", type=click.IntRange(0), default=600, help="Credits, in all of this session.  [600]")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="Songs are read and stems written in there, and nowhere else.  [where it is started]",
)
def mcp(spend_limit: int, folder: Path) -> None:
    """Offer the platform to an assistant as tools.

    It speaks the Model Context Protocol on standard input and output.
    """
    try:
        from stemwright_client.mcp import serve
    except ModuleNotFoundError as missing:
        if missing.name == "mcp":
            raise click.ClickException("this needs the library mcp: pip install 'stemwright-client[mcp]'") from None
        raise
    with told():
        serve(spend_limit_credits=spend_limit, folder=folder)


def _print(document: BaseModel | dict[str, Any]) -> None:
    click.echo(document.model_dump_json() if isinstance(document, BaseModel) else json.dumps(document))


def main() -> None:
    client(prog_name="stemwright-client")


if __name__ == "__main__":
    main()
