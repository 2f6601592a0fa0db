"""The commands `stemwright up` and `stemwright demo`."""

import secrets
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Self

import click
from pydantic import ValidationError
from rich.console import Console

from services.local.errors import LocalError
from services.local.home import Home
from services.local.keeper import EX_CONFIG
from services.local.platform import Platform
from services.local.settings import LocalSettings
from services.local.sockets import LOOPBACK, free_port
from services.local.status import View, view_for

MEMORY_REFRESH_SECONDS = 5.0
DISK_FULL = "The disk is full: songs will fail until something is deleted. The space kept for this moment is in use."
DEMO_ENVIRONMENT = {"STEMWRIGHT_ACCOUNTS_WELCOME_CREDITS": "86400"}
"""Enough for whatever song somebody wants to try."""


@click.command()
@click.option("--workers", type=click.IntRange(0, 64), help="Workers to start.  [default: 1, or STEMWRIGHT_WORKERS]")
@click.option("--triton", is_flag=True, help="Run the network in a Triton server beside the workers (`make triton`).")
def up(workers: int | None, triton: bool) -> None:
    """Start every part of the platform on this machine and watch over it until Ctrl-C.

    Everything it keeps is in STEMWRIGHT_HOME (default: .stemwright here). The gateway listens on
    STEMWRIGHT_GATEWAY_PORT (default: 8080, or a free port). KAFKA_BOOTSTRAP_SERVERS, S3_ENDPOINT_URL and DATABASE_URL
    put an event log, an object store or a database that run elsewhere in the place of our own.
    """
    settings = local_settings()
    settings = settings.model_copy(
        update={
            "workers": settings.workers if workers is None else workers,
            "triton": settings.triton or triton,
        }
    )
    changed = threading.Event()
    view = view_for(Console())
    try:
        with StopSignals(changed.set) as signals, Platform(settings, on_change=changed.set) as platform:
            signals.when_impatient = platform.supervisor.kill_now
            for note in platform.plan.notes:
                view.say(f"Note: {note}.")
            _watch(platform, view, changed, signals.stop)
            view.say("Stopping ...")
        view.say("Everything is stopped.")
    except LocalError as error:
        view.close()
        click.echo(f"stemwright: {error}", err=True)
        sys.exit(1)
    view.close()


@click.command()
@click.argument("song", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", default=Path("demo-output"), show_default=True, type=click.Path(path_type=Path))
def demo(song: Path | None, output: Path) -> None:
    """Separate SONG (default: an 11 s sample) through the whole platform, started for this purpose, and prove it.

    Uses only the public REST API. The stems are kept in the output folder; the platform's own data is removed.
    """
    from httpx2 import HTTPError

    from separation.importers.spleeter import sample_song
    from services.local.client import ApiError
    from services.local.demo import report, separate_through

    console = Console()
    settings = local_settings()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # unwinds, so that everything is stopped
    # A home and a port of its own, so that it runs beside a `stemwright up`. The home is removed at the end: its name
    # is one that nothing of anybody else has.
    home = settings.home / f"demo-{secrets.token_hex(4)}"
    own = settings.model_copy(update={"home": home, "gateway_port": free_port(LOOPBACK)})
    try:
        with Platform(own, environment=DEMO_ENVIRONMENT) as platform:
            for note in platform.plan.notes:
                console.print(f"Note: {note}.", highlight=False)
            platform.wait_until_ready()
            console.print(f"Every part is ready after {platform.seconds_to_ready:.1f} s.", highlight=False)
            report(separate_through(platform.gateway_url, song or sample_song(), output, console), console)
    except (LocalError, ApiError, HTTPError, TimeoutError) as error:
        click.echo(f"stemwright demo: {error}", err=True)
        if Home(home).logs.is_dir():
            click.echo(f"Logs: {Home(home).logs}", err=True)
        sys.exit(1)
    shutil.rmtree(home)


def _watch(platform: Platform, view: View, changed: threading.Event, stop: threading.Event) -> None:
    """Show what happens until `stop` is set.

    Raises:
        StartFailed: a part did not come up.
    """
    announced = full = False
    while not stop.is_set():
        changed.clear()
        view.refresh(platform)
        if platform.ballast.given_up != full:
            full = platform.ballast.given_up
            view.say(DISK_FULL if full else "There is room on the disk again.")
        if not announced and platform.is_ready():
            announced = True
            view.ready(platform)
        changed.wait(MEMORY_REFRESH_SECONDS)


class StopSignals:
    """While open, SIGINT, SIGTERM and SIGHUP ask for a stop; a second one waits for nothing to end by itself."""

    def __init__(self, on_stop: Callable[[], None] = lambda: None) -> None:
        self.stop = threading.Event()
        self.when_impatient: Callable[[], None] = lambda: None
        self._on_stop = on_stop

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        return self

    def __exit__(self, *_exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.stop.is_set():
            self.when_impatient()
        self.stop.set()
        self._on_stop()


def local_settings() -> LocalSettings:
    """From the environment; a mistake ends the process with a line that says which."""
    try:
        return LocalSettings()
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            click.echo(f"stemwright: setting {problem['loc'][0]}: {problem['msg']}", err=True)
        sys.exit(EX_CONFIG)
