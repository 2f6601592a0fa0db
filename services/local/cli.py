"""The commands `stemwright up` and `stemwright demo`."""

import _thread
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Self

import click
from rich.console import Console

from services.kit.env_file import env_file_option
from services.kit.settings import load
from services.known_settings import unknown_names
from services.local.disk_reserve import DISK_FULL
from services.local.errors import LocalError, SettingsWrong
from services.local.home import Home
from services.local.own_python import STEMWRIGHT, inherited_environment
from services.local.platform import Platform
from services.local.reload import Reloader
from services.local.settings import ANY_PORT, LocalSettings
from services.local.status import BackgroundView, View, view_for

MEMORY_REFRESH_SECONDS = 5.0
STOPPING_REFRESH_SECONDS = 0.2
DEMO_ENVIRONMENT = {"STEMWRIGHT_ACCOUNTS_WELCOME_CREDITS": "86400"}
"""Enough for whatever song somebody wants to try."""
PAID_DEMO_ENVIRONMENT = {
    "STEMWRIGHT_ACCOUNTS_WELCOME_CREDITS": "0",
    "STEMWRIGHT_ACCOUNTS_PAYMENT_PROVIDER": "sandbox",
}


@click.command()
@click.option("--workers", type=click.IntRange(0, 64), help="Workers to start.  [default: 1, or STEMWRIGHT_WORKERS]")
@click.option("--triton", is_flag=True, help="Run the network in a Triton server beside the workers (`make triton`).")
@click.option("--reload", is_flag=True, help="Restart a part when the code that it runs changes (`make dev`).")
@click.option("-d", "--detach", is_flag=True, help="Return when everything is ready, and leave it running.")
@click.option("--in-background", is_flag=True, hidden=True)
@env_file_option
def up(workers: int | None, triton: bool, reload: bool, detach: bool, in_background: bool) -> None:
    """Start every part of the platform on this machine and watch over it until Ctrl-C.

    Everything it keeps is in STEMWRIGHT_HOME (default: .stemwright here). The gateway listens on
    STEMWRIGHT_GATEWAY_PORT (default: 8080, or a free port). KAFKA_BOOTSTRAP_SERVERS, S3_ENDPOINT_URL and DATABASE_URL
    put an event log, an object store or a database that run elsewhere in the place of our own.
    """
    settings = load(LocalSettings)
    settings = settings.model_copy(
        update={
            "workers": settings.workers if workers is None else workers,
            "triton": settings.triton or triton,
        }
    )
    if detach:
        sys.exit(start_in_background(settings, reload=reload))
    view = BackgroundView() if in_background else view_for(Console())
    try:
        _run(settings, view, reload=reload)
    except LocalError as error:
        view.close()
        click.echo(f"stemwright: {error}", err=True)
        sys.exit(error.status)


def start_in_background(settings: LocalSettings, *, reload: bool) -> int:
    """Starts `up` in a session of its own and waits until it is ready or has ended; its exit status where it has.

    What it says on the way goes to this process's standard error by itself.
    """
    command = [*STEMWRIGHT, "up", "--in-background", f"--workers={settings.workers}"]
    command += [*(["--triton"] if settings.triton else []), *(["--reload"] if reload else [])]
    told = set(unknown_names(os.environ))  # it was said what is wrong with them: once is enough
    environment = {name: value for name, value in inherited_environment().items() if name not in told}
    started = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True, env=environment
    )
    assert started.stdout is not None  # noqa: S101 - asked for above
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        announcement = started.stdout.read().decode()
    except BaseException:
        started.terminate()
        started.wait()
        raise
    if not announcement:
        return started.wait() or 1
    click.echo(announcement, nl=False)
    return 0


def _run(settings: LocalSettings, view: View, *, reload: bool) -> None:
    """Everything, from the start to the end that a signal asks for.

    Raises:
        LocalError: the home is in use, a port is taken, or a part did not come up. All has ended then.
    """
    changed = threading.Event()
    with StopSignals(changed.set) as signals, Platform(settings, on_change=changed.set) as platform:
        signals.when_impatient = platform.supervisor.kill_now
        for note in platform.plan.notes:
            view.say(f"Note: {note}.")
        try:
            with Reloader(platform.supervisor, view.say) if reload else nullcontext():
                _watch(platform, view, changed, signals.stop)
        finally:
            view.say("Stopping ...")
            _stop(platform, view, changed)
    view.close()
    view.say("Everything is stopped.")


def _stop(platform: Platform, view: View, changed: threading.Event) -> None:
    """Show what happens until everything is gone, and that it is."""
    closing = threading.Thread(target=platform.close, name="stopping")
    closing.start()
    while closing.is_alive():
        changed.clear()
        view.refresh(platform)
        changed.wait(STOPPING_REFRESH_SECONDS)
    view.refresh(platform)


@click.command()
@click.argument("song", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@env_file_option
@click.option("-o", "--output", default=Path("demo-output"), show_default=True, type=click.Path(path_type=Path))
@click.option("--paid", is_flag=True, help="Begin with nothing and buy credits first, in the sandbox.")
def demo(song: Path | None, output: Path, paid: bool) -> None:
    """Separate SONG (default: an 11 s sample) through the whole platform, started for this purpose, and prove it.

    Uses only the public REST API. The stems are kept in the output folder; the platform's own data is removed.
    """
    from httpx2 import HTTPError

    from separation.models.importers.spleeter import sample_song
    from services.local.client import ApiError
    from services.local.demo import report, separate_through

    console = Console()
    settings = load(LocalSettings)
    make_writable(output)  # or say so before anything is started
    # A home and a port of its own, so that it runs beside a `stemwright up`. The home is removed at the end: its name
    # is one that nothing of anybody else has.
    home = settings.home / f"demo-{secrets.token_hex(4)}"
    own = settings.model_copy(update={"home": home, "gateway_port": ANY_PORT})
    with StopSignals() as signals:
        try:
            with (
                Platform(own, environment=PAID_DEMO_ENVIRONMENT if paid else DEMO_ENVIRONMENT) as platform,
                signals.breaking_off(),
            ):
                signals.when_impatient = platform.supervisor.kill_now
                for note in platform.plan.notes:
                    console.print(f"Note: {note}.", highlight=False)
                platform.wait_until_ready()
                console.print(f"Every part is ready after {platform.seconds_to_ready:.1f} s.", highlight=False)
                outcome = separate_through(platform.gateway_url, song or sample_song(), output, console, paid=paid)
                report(outcome, console)
        except SettingsWrong as error:
            click.echo(f"stemwright: {error}", err=True)
            sys.exit(error.status)
        except (LocalError, ApiError, HTTPError, TimeoutError) as error:
            click.echo(f"stemwright demo: {error}", err=True)
            _say_where_logs_are(home)
            sys.exit(1)
        except OSError:  # what is shown, or the stems, cannot be written
            _say_where_logs_are(home)
            raise
        except SystemExit:
            shutil.rmtree(home, ignore_errors=True)
            click.echo("stemwright demo: stopped; its platform is gone", err=True)
            raise
        shutil.rmtree(home)


def make_writable(folder: Path) -> None:
    """Makes a folder that is not there.

    Raises:
        OSError: it cannot be made, or nothing can be written to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _say_where_logs_are(home: Path) -> None:
    if Home(home).logs.is_dir():
        click.echo(f"Logs: {Home(home).logs}", err=True)


def _watch(platform: Platform, view: View, changed: threading.Event, stop: threading.Event) -> None:
    """Show what happens until `stop` is set.

    Raises:
        StartFailed: a part did not come up.
    """
    announced = full = False
    while not stop.is_set():
        changed.clear()
        view.refresh(platform)
        if platform.disk_reserve.given_up != full:
            full = platform.disk_reserve.given_up
            view.say(DISK_FULL if full else "There is room on the disk again.")
        if not announced and platform.is_ready():
            announced = True
            view.ready(platform)
        changed.wait(MEMORY_REFRESH_SECONDS)


class StopSignals:
    """While open, SIGINT, SIGTERM and SIGHUP ask for a stop; a second one waits for nothing to end by itself.

    A SIGHUP that was ignored before stays ignored, as `nohup` has it.
    """

    def __init__(self, on_stop: Callable[[], None] = lambda: None) -> None:
        self.stop = threading.Event()
        self.when_impatient: Callable[[], None] = lambda: None
        self._on_stop = on_stop
        self._signal: int | None = None
        self._breaks_off = False

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN
        }
        return self

    def __exit__(self, *_exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def breaking_off(self) -> Iterator[None]:
        """The first signal ends the block by `SystemExit`, with the status by which shells tell of it. One that came
        before does so at once; those that come later do not interrupt what is tidied up."""
        self._breaks_off = True
        try:
            if self._signal is not None:
                sys.exit(128 + self._signal)
            yield
        finally:
            self._breaks_off = False

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        again, self._signal = self._signal is not None, number
        # In a thread of its own: what is called takes locks, and the thread that was interrupted may hold them.
        try:
            _thread.start_new_thread(self._tell, (again,))
        except RuntimeError:  # there are no threads left
            self._tell(again)
        if self._breaks_off:
            self._breaks_off = False
            sys.exit(128 + number)

    def _tell(self, again: bool) -> None:
        if again:
            self.when_impatient()
        self.stop.set()
        self._on_stop()
