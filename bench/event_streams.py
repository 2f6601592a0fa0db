"""What idle event streams cost the gateway: memory and processor time.

    python -m bench.event_streams [--streams 2000] [--seconds 40] [--output bench/results/event_streams.json]

Starts `stemwright up` in a home of its own, opens streams of one account one after another over plain sockets, and then
leaves them alone. What is said of memory is of the gateway's process, before the first stream and with all of them.
"""

import json
import os
import platform
import resource
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import psutil
from rich.console import Console

from bench.open_stream import NoStream, open_stream
from bench.platform import running_platform
from services.local.client import Client
from services.local.home import Home

AIM_MEGABYTES = 200.0
PASSWORD = "a long enough password"  # noqa: S105 - of an account that ends with the run
TRIES = 5
WARM_STREAMS = 20
"""Opened and closed before anything is measured: code is loaded by the first."""


@dataclass
class Result:
    """Megabytes are 1e6 bytes."""

    streams: int
    before_megabytes: float
    with_all_megabytes: float
    after_idling_megabytes: float
    kilobytes_a_stream: float
    processor_percent_of_one_core: float
    seconds: float
    machine: str = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def partner_key(gateway_url: str, home: Home) -> str:
    """A key of a new partner for events."""
    with Client(gateway_url) as client:
        email = "partner@example.com"
        client.register(email, PASSWORD)
        command = [sys.executable, "-m", "services.cli", "accounts", "grant-role", email, "partner"]
        subprocess.run(command, env={**os.environ, "STEMWRIGHT_HOME": str(home.root)}, check=True, capture_output=True)
        client.sign_in(email, PASSWORD)
        made: str = client.call("POST", "/v1/api-keys", json={"name": "bench", "scopes": ["events"]})["key"]
    return made


def opened(gateway_url: str, key: str) -> socket.socket:
    """One stream; a busy machine may need more than one try."""
    for _ in range(TRIES - 1):
        with suppress(NoStream, OSError):
            return open_stream(gateway_url, key)
        time.sleep(1)
    return open_stream(gateway_url, key)


def resident(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


def measure(gateway_url: str, key: str, gateway: psutil.Process, streams: int, seconds: float) -> Result:
    for stream in [opened(gateway_url, key) for _ in range(WARM_STREAMS)]:
        stream.close()
    time.sleep(2)
    before = resident(gateway)
    held = [opened(gateway_url, key) for _ in range(streams)]
    with_all = resident(gateway)
    spent, begun = sum(gateway.cpu_times()[:2]), time.monotonic()
    time.sleep(seconds)
    lasted = time.monotonic() - begun
    percent = 100 * (sum(gateway.cpu_times()[:2]) - spent) / lasted
    idled = resident(gateway)
    for stream in held:
        stream.close()
    each = 1000 * (max(with_all, idled) - before) / streams
    return Result(
        streams,
        before_megabytes=round(before, 1),
        with_all_megabytes=round(with_all, 1),
        after_idling_megabytes=round(idled, 1),
        kilobytes_a_stream=round(each, 1),
        processor_percent_of_one_core=round(percent, 1),
        seconds=round(lasted, 1),
    )


@click.command()
@click.option("--streams", default=2000, show_default=True, help="How many are open.")
@click.option("--seconds", default=40.0, show_default=True, help="How long they are left alone.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("bench/results/event_streams.json"))
def main(streams: int, seconds: float, output: Path) -> None:
    """Measure idle event streams on this machine."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    room = str(streams + WARM_STREAMS + 10)
    environment = {
        **{f"STEMWRIGHT_GATEWAY_STREAMS_{of}": room for of in ("PER_ACCOUNT", "PER_ADDRESS", "IN_ALL")},
        **{f"STEMWRIGHT_GATEWAY_{of}_RATE": "1000000/minute" for of in ("ADDRESS", "ACCOUNT")},
    }
    with tempfile.TemporaryDirectory(prefix="stemwright-bench-") as folder:
        home = Home(Path(folder) / "home")
        with running_platform(home, environment) as (gateway_url, _startup_seconds, pids):
            key = partner_key(gateway_url, home)
            result = measure(gateway_url, key, psutil.Process(pids["gateway"]), streams, seconds)
    verdict = "met" if max(result.with_all_megabytes, result.after_idling_megabytes) < AIM_MEGABYTES else "missed"
    Console().print(
        f"{result.streams} idle streams: the gateway has {result.with_all_megabytes:g} MB, "
        f"{result.after_idling_megabytes:g} MB after {result.seconds:g} s ({result.before_megabytes:g} MB without any; "
        f"{result.kilobytes_a_stream:g} kB a stream; aim {AIM_MEGABYTES:g} MB, {verdict}) and takes "
        f"{result.processor_percent_of_one_core:g} % of a core. {result.machine}.",
        highlight=False,
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(asdict(result), indent=2) + "\n")
    Console().print(f"Written to {output}.", highlight=False)


if __name__ == "__main__":
    main()
