"""How fast the engine is and how much memory it takes, against Spleeter itself on the same song.

    python -m bench.engine [--runs 3] [--seconds 316] [--no-rival] [--output FILE]
    python -m bench.engine --against bench/engine_baseline.json      # ends with 1 when something got worse

Cold: a whole new process from a song on disk to stems on disk. Warm: the model is loaded and the decoded song is in
memory, until the stems are in memory. Engine and rival take turns in every run, so that both meet the same machine;
only their ratio means anything on a machine that others use too.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import av
import click
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.engine_audio import RATE, Rival, Samples, audio_folder, decoded
from separation.models.repository import ModelRepository
from separation.settings import SeparationSettings
from separation.stream.pipeline import WindowPlan, separate_stream

SONG = "cc0_songs/Hydrogen"
# Products of both networks for one patch and its second look, as our kernels count them (record 0113); a plain
# convolution would take 15.3e9.
MULTIPLY_ADDS_PER_PATCH = 7.05e9
AIMS = {"cold_ratio": 7.0, "warm_ratio": 3.5, "peak_resident_mb": 450.0}
# How much worse than the baseline a ratio may be before it counts, on a machine that is not quiet.
_TOLERANCE = 0.15

_CHILD = """
import json, resource, sys, time
from pathlib import Path
begun = time.perf_counter()
from separation import separate
manifest = separate(sys.argv[1], sys.argv[2])
usage = resource.getrusage(resource.RUSAGE_SELF)
# Not ru_maxrss: a process inherits that from the one that started it.
peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({"peak_mb": int(peak) / 1024, "cpu": usage.ru_utime + usage.ru_stime,
                  "stages": manifest.timings_seconds}))
"""


def write_song(path: Path, seconds: float) -> None:
    """An MP3 of ``seconds``: the song, repeated as often as needed."""
    folder = audio_folder() / SONG
    song = decoded(folder / "vocals.ogg") + decoded(folder / "accompaniment.ogg")
    samples = np.resize(song, (round(seconds * RATE), 2))
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libmp3lame", rate=RATE, layout="stereo")
        for begin in range(0, len(samples), RATE):
            data = np.ascontiguousarray(samples[begin : begin + RATE].T)
            frame = av.AudioFrame.from_ndarray(data, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = RATE, begin
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def cold(song: Path, out: Path) -> dict[str, Any]:
    """Seconds, peak megabytes, processor seconds and stages of a new process."""
    begun = time.perf_counter()
    answer = subprocess.run([sys.executable, "-c", _CHILD, song, out], check=True, capture_output=True, text=True)
    return {"seconds": time.perf_counter() - begun, **json.loads(answer.stdout)}


class Warm:
    """The engine with its model loaded."""

    def __init__(self) -> None:
        self._model = ModelRepository().load()
        self(np.zeros((RATE, 2), np.float32))

    def __call__(self, mixture: Samples) -> float:
        """Seconds from the song in memory to both stems in memory."""

        begun = time.perf_counter()
        plan = WindowPlan(self._model.manifest, SeparationSettings(), sample_rate_hz=RATE, channel_names=("FL", "FR"))
        pieces: list[Samples] = []
        blocks = (mixture[begin : begin + 65536] for begin in range(0, len(mixture), 65536))
        separate_stream(plan, self._model, blocks, pieces.append)
        vocals = np.concatenate(pieces)
        _instrumental = mixture - vocals
        return time.perf_counter() - begun


def measured(song: Path, scratch: Path, runs: int, rival: Rival | None, console: Console) -> dict[str, Any]:
    mixture, warm = decoded(song), Warm()
    engine: list[dict[str, Any]] = []
    rivals: list[dict[str, Any]] = []
    warm_seconds: list[float] = []
    for run in range(runs):
        engine.append(cold(song, scratch / "stems"))
        warm_seconds.append(warm(mixture))
        if rival:
            # Its first answer is cold, from process start to stems on disk; the second one is warm.
            first, second = rival.run([song, song], scratch / "rival")
            rivals.append({"cold": first["process_seconds"], "warm": second["separate_seconds"], **first})
        console.print(
            f"[dim]run {run + 1} of {runs}: cold {engine[-1]['seconds']:.1f} s, warm {warm_seconds[-1]:.1f} s[/]"
        )
    typical = sorted(engine, key=lambda one: one["seconds"])[len(engine) // 2]
    figures: dict[str, Any] = {
        "audio_seconds": round(len(mixture) / RATE, 1),
        "cold_seconds": round(median(one["seconds"] for one in engine), 2),
        "cold_processor_seconds": round(median(one["cpu"] for one in engine), 2),
        "warm_seconds": round(median(warm_seconds), 2),
        "peak_resident_mb": round(max(one["peak_mb"] for one in engine)),
        "stages_seconds": typical["stages"],
    }
    if rivals:
        figures["rival"] = {
            "cold_seconds": median(one["cold"] for one in rivals),
            "warm_seconds": median(one["warm"] for one in rivals),
            "peak_resident_mb": max(one["peak_resident_mb"] for one in rivals),
        }
        figures["cold_ratio"] = round(median(r["cold"] / e["seconds"] for r, e in zip(rivals, engine, strict=True)), 2)
        figures["warm_ratio"] = round(median(r["warm"] / w for r, w in zip(rivals, warm_seconds, strict=True)), 2)
    return figures


def machine_limits() -> dict[str, float]:
    """What this machine does at best, on one core: float32 multiply-adds a second, bytes copied a second."""
    size = 768
    a, b = np.ones((2, size, size), np.float32)
    source = np.ones(1 << 24, np.float32)
    target = np.empty_like(source)
    products, copies = [], []
    for _ in range(8):
        processor = time.process_time()
        a @ b
        products.append(size**3 / max(time.process_time() - processor, 1e-4))
        begun = time.perf_counter()
        np.copyto(target, source)
        copies.append(2 * source.nbytes / (time.perf_counter() - begun))
    return {"multiply_adds_per_second": max(products), "bytes_per_second": max(copies)}


def stage_limits(figures: dict[str, Any], limits: dict[str, float]) -> dict[str, float]:
    """The least each stage could take on one core: its multiply-adds or the bytes it must read and write."""
    seconds = figures["audio_seconds"]
    values = seconds * RATE * 2
    frames = seconds * RATE / 1024 * 2
    butterfly = 2.5 * 4096 * 12 / 2  # multiply-adds of a real transform of 4096 points
    patches = seconds * RATE / 1024 / (512 - 2 * SeparationSettings().context_frames)
    flops, width = limits["multiply_adds_per_second"], limits["bytes_per_second"]
    return {
        "network": patches * MULTIPLY_ADDS_PER_PATCH / flops,
        # Twice: for the networks, and for what their answer is applied to.
        "transform": 2 * (frames * butterfly / flops + frames * (4096 * 4 + 2049 * 8) / width),
        "inverse": frames * butterfly / flops + frames * (4096 * 4 + 2049 * 8) / width,
        "mask": frames * (2049 * 8 * 2 + 1024 * 4 * 2) / width,
        "split": values * 4 * 5 / width,
        "measure": 2 * values * 4 * 2 / width,
    }


def show(figures: dict[str, Any], limits: dict[str, float], console: Console) -> None:
    least = stage_limits(figures, limits)
    table = Table(title=f"Stages of {figures['audio_seconds']:.0f} s of audio, cold; stages overlap")
    for column in ("stage", "seconds", "least on one core", "times the least"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage, seconds in sorted(figures["stages_seconds"].items(), key=lambda item: -item[1]):
        bound = least.get(stage)
        table.add_row(
            stage, f"{seconds:.2f}", f"{bound:.2f}" if bound else "", f"{seconds / bound:.1f}" if bound else ""
        )
    console.print(table)
    console.print_json(json.dumps({name: value for name, value in figures.items() if name != "stages_seconds"}))
    for name, aim in AIMS.items():
        if name in figures:
            reached = figures[name] <= aim if name == "peak_resident_mb" else figures[name] >= aim
            console.print(f"{name}: {figures[name]} (aim {aim:g}, {'reached' if reached else 'not reached'})")


def worse(figures: dict[str, Any], baseline: dict[str, Any]) -> list[str]:
    """What is worse than the baseline by more than a busy machine explains."""
    complaints = [
        f"{name} fell from {baseline[name]} to {figures[name]}"
        for name in ("cold_ratio", "warm_ratio")
        if name in figures and name in baseline and figures[name] < baseline[name] * (1 - _TOLERANCE)
    ]
    if figures["peak_resident_mb"] > baseline["peak_resident_mb"] * 1.1:
        complaints.append(f"memory rose from {baseline['peak_resident_mb']} to {figures['peak_resident_mb']} MB")
    return complaints


@click.command()
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--seconds", type=float, default=316.0, show_default=True, help="Length of the song.")
@click.option("--rival/--no-rival", "with_rival", default=True, help="Run Spleeter too, where it is installed.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="The figures as JSON.")
@click.option("--against", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A baseline.")
def main(runs: int, seconds: float, with_rival: bool, output: Path | None, against: Path | None) -> None:
    """Measure the engine's speed and memory."""
    console = Console(width=120)
    rival = Rival()
    with tempfile.TemporaryDirectory(prefix="stemwright-bench-") as folder:
        song = Path(folder, "song.mp3")
        write_song(song, seconds)
        figures = measured(song, Path(folder), runs, rival if with_rival and rival.installed else None, console)
    show(figures, machine_limits(), console)
    if output:
        output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if against:
        complaints = worse(figures, json.loads(against.read_text(encoding="utf-8")))
        for complaint in complaints:
            console.print(f"[red]worse than the baseline: {complaint}[/]")
        if complaints:
            sys.exit(1)


if __name__ == "__main__":
    main()
