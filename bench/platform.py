"""What the platform costs on one machine: latency beyond the engine, start-up, memory, and processor time at rest.

    python -m bench.platform [--runs 10] [--idle-seconds 30] [--output bench/results/platform.json]

Starts `stemwright up` in a home of its own and orders previews of 30 s through the public REST contract. Each order is
followed by the same window in this process, so that both meet the same machine; the aims are those of issue 2.
"""

import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
import psutil
from rich.console import Console
from rich.table import Table

from separation import Window, load_model, separate
from services.local.client import FINAL, Client
from services.local.home import Home
from services.local.sockets import LOOPBACK, free_port

AIMS = {
    "preview_overhead_seconds": 0.5,
    "startup_seconds": 10.0,
    "idle_resident_megabytes": 900.0,
    "idle_processor_percent_of_one_core": 8.0,
}
START_SECONDS, LENGTH_SECONDS = 30.0, 30.0
STEMS = ("vocals", "instrumental")
SETTLE_SECONDS = 30.0
"""How long nobody has asked for anything when the platform counts as idle: consumers look ever more rarely."""
ENVIRONMENT = {
    # A measurement is many previews of one account in a minute.
    "STEMWRIGHT_ACCOUNTS_PREVIEWS_PER_DAY": '{"free": 100000}',
}


@dataclass
class Result:
    """Seconds, megabytes (1e6 bytes) and percent of one core."""

    startup_seconds: float
    preview_overhead_seconds: float = 0.0
    preview_seconds: list[float] = field(default_factory=list)
    engine_seconds: list[float] = field(default_factory=list)
    resident_megabytes: dict[str, float] = field(default_factory=dict)
    proportional_megabytes: dict[str, float] = field(default_factory=dict)
    """Memory shared by several processes counted once, in equal parts."""
    processor_percent: dict[str, float] = field(default_factory=dict)
    idle_resident_megabytes: float = 0.0
    idle_proportional_megabytes: float = 0.0
    idle_processor_percent_of_one_core: float = 0.0
    machine: str = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


@contextmanager
def running_platform(home: Home, environment: Mapping[str, str]) -> Iterator[tuple[str, float, Mapping[str, int]]]:
    """`stemwright up` as a person starts it: gateway URL, seconds from the command to ready, process ids by part."""
    settings = {"STEMWRIGHT_HOME": str(home.root), "STEMWRIGHT_GATEWAY_PORT": str(free_port(LOOPBACK))}
    home.make()
    begun = time.monotonic()
    with (home.logs / "up.log").open("wb") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "up"],
            env={**os.environ, **environment, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        while not (state := home.read_state() or {}).get("ready"):
            if supervisor.poll() is not None:
                raise click.ClickException(f"the platform did not start:\n{(home.logs / 'up.log').read_text()}")
            time.sleep(0.02)
        took = time.monotonic() - begun
        pids = {name: part["pid"] for name, part in state["parts"].items() if part["pid"] is not None}
        yield state["gateway_url"], took, {"supervisor": supervisor.pid, **pids}
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(60)


def measure_previews(gateway_url: str, song: Path, runs: int, result: Result) -> None:
    """Time from the POST to `succeeded` as a client sees it, and the engine's own time, in turn."""
    engine = InProcessEngine(song)
    with Client(gateway_url) as client:
        client.register(f"bench-{uuid.uuid4().hex}@example.com", uuid.uuid4().hex)
        upload = client.upload(song)
        for run in range(-1, runs):  # the first one warms both up and is not counted
            begun = time.perf_counter()
            preview = {"start_seconds": START_SECONDS, "duration_seconds": LENGTH_SECONDS}
            job = client.create_job(upload["id"], mode="preview", preview=preview, stems=STEMS)
            for event in client.events(job["id"]):
                if event.type == "status" and event.data["status"] in FINAL:
                    break
            took = time.perf_counter() - begun
            if (job := client.job(job["id"]))["status"] != "succeeded":
                raise click.ClickException(f"a preview did not succeed: {job}")
            # The worker writes the preview's mixture as well; the engine alone is given the same to do.
            made = client.call("GET", f"/v1/jobs/{job['id']}/manifest")["parameters"]["stems"]
            alone = engine.seconds(made)
            if run >= 0:
                result.preview_seconds.append(round(took, 4))
                result.engine_seconds.append(round(alone, 4))
    overheads = [whole - alone for whole, alone in zip(result.preview_seconds, result.engine_seconds, strict=True)]
    result.preview_overhead_seconds = round(statistics.median(overheads), 4)


class InProcessEngine:
    """The engine in this process, with the window that the previews have."""

    def __init__(self, song: Path) -> None:
        self._song = song
        self._model = load_model()

    def seconds(self, stems: Sequence[str]) -> float:
        """How long one separation takes."""
        window = Window(START_SECONDS, START_SECONDS + LENGTH_SECONDS)
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            separate(self._song, folder, model=self._model, stems=stems, window=window)
            return time.perf_counter() - begun


def measure_idle(pids: Mapping[str, int], seconds: float, result: Result) -> None:
    """Memory of every process and what all of them compute while nobody asks for anything."""
    time.sleep(SETTLE_SECONDS)
    processes = {name: psutil.Process(pid) for name, pid in pids.items()}
    before = {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}
    begun = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - begun
    for name, process in processes.items():
        memory = process.memory_full_info()
        result.processor_percent[name] = round(100 * (sum(process.cpu_times()[:2]) - before[name]) / elapsed, 2)
        result.resident_megabytes[name] = round(memory.rss / 1e6, 1)
        result.proportional_megabytes[name] = round(memory.pss / 1e6, 1)
    result.idle_resident_megabytes = round(sum(result.resident_megabytes.values()), 1)
    result.idle_proportional_megabytes = round(sum(result.proportional_megabytes.values()), 1)
    result.idle_processor_percent_of_one_core = round(sum(result.processor_percent.values()), 2)


def make_song(path: Path) -> Path:
    """Ninety seconds of stereo: the engine's time does not depend on what is in them."""
    import numpy as np
    from scipy.io import wavfile

    noise = np.random.default_rng(1).standard_normal((90 * 44_100, 2))
    wavfile.write(path, 44_100, (noise * 3000).astype(np.int16))
    return path


def show(result: Result, console: Console) -> None:
    parts = Table(box=None, pad_edge=False, header_style="bold")
    parts.add_column("process, idle")
    for heading in ("RSS MB", "PSS MB", "% of a core"):
        parts.add_column(heading, justify="right")
    for name, resident in result.resident_megabytes.items():
        parts.add_row(
            name,
            f"{resident:.0f}",
            f"{result.proportional_megabytes[name]:.0f}",
            f"{result.processor_percent[name]:.2f}",
        )
    console.print(parts)
    console.print()
    aims = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("", "measured", "aim"):
        aims.add_column(heading, justify="right" if heading else "left")
    aims.add_column("")
    for name, aim in AIMS.items():
        measured = getattr(result, name)
        verdict = "met" if measured <= aim else "missed"
        aims.add_row(name.replace("_", " "), f"{measured:.2f}", f"{aim:g}", verdict)
    console.print(aims)
    preview, alone = statistics.median(result.preview_seconds), statistics.median(result.engine_seconds)
    console.print(
        f"\nPreview of {LENGTH_SECONDS:.0f} s: {preview:.2f} s from POST to succeeded, {alone:.2f} s the engine alone "
        f"(medians of {len(result.preview_seconds)}). {result.machine}.",
        highlight=False,
    )


@click.command()
@click.option("--runs", default=10, show_default=True, help="Previews to measure.")
@click.option("--idle-seconds", default=30.0, show_default=True, help="How long to watch the platform at rest.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("bench/results/platform.json"))
def main(runs: int, idle_seconds: float, output: Path) -> None:
    """Measure the platform on this machine and compare it with its aims."""
    with tempfile.TemporaryDirectory(prefix="stemwright-bench-") as folder:
        song = make_song(Path(folder) / "song.wav")
        with running_platform(Home(Path(folder) / "home"), ENVIRONMENT) as (gateway_url, startup_seconds, pids):
            result = Result(startup_seconds=round(startup_seconds, 2))
            measure_idle(pids, idle_seconds, result)
            measure_previews(gateway_url, song, runs, result)
    show(result, Console())
    output.parent.mkdir(parents=True, exist_ok=True)
    document = {**asdict(result), "aims": AIMS}
    output.write_text(json.dumps(document, indent=2) + "\n")
    Console().print(f"Written to {output}.", highlight=False)


if __name__ == "__main__":
    main()
