"""The commands about a platform that runs: `stemwright status`, `stemwright logs` and `stemwright stop`."""

import json
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import click
from rich.console import Console
from rich.style import Style

from services.kit.env_file import env_file_option
from services.kit.settings import load
from services.local.disk_reserve import DISK_FULL, is_full
from services.local.errors import told_to_a_person
from services.local.home import Home
from services.local.log_lines import Follower, Line, chosen_parts, last_lines
from services.local.running import Snapshot, last_snapshot, running
from services.local.running import stop as stop_running
from services.local.settings import LocalSettings
from services.local.status import local_time, resident_bytes, table

NOT_READY, NOTHING_RUNS = 1, 3
WIDE = 200
"""Columns where there is no terminal: nothing is cut off for a program that reads on."""
INTERRUPTED = 130
PATIENCE_SECONDS = 60.0


def home_at_hand() -> Home:
    """That of STEMWRIGHT_HOME, else the one in the folder at hand, whether or not there is anything in it."""
    return Home(load(LocalSettings).home)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: one document on standard output.")
@env_file_option
def status(as_json: bool) -> None:
    """Show each part of the platform that runs on this machine.

    \b
    Exit status: 0 every part is ready
                 1 some part is not
                 3 nothing runs in STEMWRIGHT_HOME (default: .stemwright here)
    """
    home = home_at_hand()
    with told_to_a_person():
        snapshot = running(home)
    if as_json:
        click.echo(json.dumps(_document(home, snapshot), indent=2))
    elif snapshot is None:
        click.echo(f"{_nothing_runs(home)} `stemwright up` starts it; STEMWRIGHT_HOME names another home.")
    else:
        _show(home, snapshot)
    sys.exit(NOTHING_RUNS if snapshot is None else 0 if snapshot.is_well else NOT_READY)


@click.command()
@click.argument("parts", nargs=-1, metavar="[PART]...")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(0), default=100, show_default=True, help="How many lines, the last.")
@click.option("--raw", is_flag=True, help="Lines as they were written, such as JSON for jq.")
@env_file_option
def logs(parts: tuple[str, ...], follow: bool, lines: int, raw: bool) -> None:
    """Show what the parts of the platform have logged, all of them in the order of time.

    PART is a name that `stemwright status` shows, such as gateway or worker-1, or supervisor, which tells of starts
    and ends. Logs are there after the platform has stopped, too.
    """
    folder = home_at_hand().logs
    with told_to_a_person():
        chosen = chosen_parts(folder, parts)
    width = max(map(len, chosen)) if len(chosen) > 1 else 0
    with closing(Follower(folder, chosen)) as follower:  # made before the last lines are read: none is lost in between
        _print(last_lines(folder, chosen, lines), width, raw)
        if follow:
            try:
                _print(follower, width, raw)
            except KeyboardInterrupt:
                sys.exit(INTERRUPTED)


@click.command()
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="What has not ended by then is killed.  [default: 60, or more where its settings give it longer]",
)
@env_file_option
def stop(timeout: float | None) -> None:
    """Stop the platform that runs on this machine, and wait until all of it has ended.

    Songs that are being separated are begun anew at the next start. Where nothing runs there is nothing to do, which
    is said and no failure.
    """
    home = home_at_hand()
    with told_to_a_person():
        snapshot = running(home)
        if snapshot is None:
            click.echo(_nothing_runs(home))
            return
        click.echo(f"Stopping the platform in {home.root} (process {snapshot.pid}) ...")
        begun = time.monotonic()
        timeout = max(PATIENCE_SECONDS, snapshot.stop_seconds) if timeout is None else timeout
        by_itself = stop_running(home, snapshot.pid, timeout)
    names = [part.name for part in snapshot.parts if part.pid is not None]
    how = "Stopped" if by_itself else f"Killed, after {timeout:g} s of waiting:"
    count = f"{len(names)} part{'' if len(names) == 1 else 's'}" if names else "it"
    click.echo(f"{how} {count} in {time.monotonic() - begun:.1f} s{': ' if names else ''}{', '.join(names)}.")


def _nothing_runs(home: Home) -> str:
    left = last_snapshot(home)
    killed = f"; its last supervisor (process {left.pid}) was killed" if left else ""
    return f"Nothing runs in {home.root}{killed}."


def _show(home: Home, snapshot: Snapshot) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    if home.is_half_restored():
        click.echo(f"A backup is being restored into {home.root} by process {snapshot.pid}.")
        return
    if not snapshot.parts:
        click.echo(
            f"Stemwright runs in {home.root} as process {snapshot.pid}, which does not say yet what its parts do. Ask "
            "again in a moment; if that does not help, `stemwright stop` ends it."
        )
        return
    well = "ready" if snapshot.is_well else "not ready"
    console.print(
        f"Stemwright is {well} at {snapshot.gateway_url}, process {snapshot.pid}, since {local_time(snapshot.since)}",
        style=Style(bold=True),
        highlight=False,
        soft_wrap=True,
    )
    console.print(table(snapshot.parts))
    if is_full(home.disk_reserve):
        console.print(DISK_FULL, style="red", highlight=False, soft_wrap=True)
    console.print(f"data {home.root}, logs {home.logs}", style=Style(dim=True), highlight=False, soft_wrap=True)


def _document(home: Home, snapshot: Snapshot | None) -> dict[str, Any]:
    """What `--json` prints. Fields are added and none is taken away."""
    found: dict[str, Any] = {"home": str(home.root), "logs": str(home.logs), "running": snapshot is not None}
    if snapshot is None:
        return found
    parts = [
        {
            "name": part.name,
            "state": part.state,
            "since": part.since.isoformat(timespec="milliseconds"),
            "restarts": part.restarts,
            "pid": part.pid,
            "port": part.port,
            "address": part.address or None,
            "memory_bytes": resident_bytes(part.pid) or None,
            "elsewhere": part.elsewhere,
            "detail": part.detail or None,
        }
        for part in snapshot.parts
    ]
    return {
        **found,
        "ready": snapshot.is_well,
        "pid": snapshot.pid,
        "since": snapshot.since.isoformat(timespec="milliseconds"),
        "gateway_url": snapshot.gateway_url or None,
        "parts": parts,
    }


def _print(lines: Iterable[Line], width: int, raw: bool) -> None:
    """Each line with its part before it, where there are several; `raw` with nothing."""
    for line in lines:
        if raw:
            click.echo(line.text)
            continue
        prefix = f"{line.part:<{width}}  " if width else ""
        click.echo("\n".join(prefix + row for row in line.readable().split("\n")))
