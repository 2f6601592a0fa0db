"""Speed and memory of the engine by the length of the song, as figures and as pictures for ``docs/engine.md``.

    python -m bench.engine_lengths [--seconds 30 --seconds 316 ...] [--output FILE] [--plots docs/images]

Each length is a new process from an MP3 on disk to two FLAC stems on disk, as in ``bench.engine``.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click
from rich.console import Console

from bench.engine import AIMS, cold, write_song
from bench.pictures import BLUE, ORANGE, picture

LENGTHS = (30.0, 60.0, 120.0, 316.0, 1200.0, 7200.0)
_LONG_SECONDS = 600.0
"""A longer song is measured once: its time is the mean of many patches already."""


def measured(lengths: Sequence[float], runs: int, console: Console) -> list[dict[str, Any]]:
    """A row per length: seconds of audio, medians of wall-clock and processor seconds, peak resident megabytes."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="stemwright-bench-") as folder:
        song = Path(folder, "song.mp3")
        for length in lengths:
            write_song(song, length)
            results = [cold(song, Path(folder, "stems")) for _ in range(runs if length < _LONG_SECONDS else 1)]
            seconds = median(one["seconds"] for one in results)
            rows.append(
                {
                    "audio_seconds": length,
                    "seconds": round(seconds, 2),
                    "processor_seconds": round(median(one["cpu"] for one in results), 2),
                    "times_real_time": round(length / seconds, 1),
                    "peak_resident_mb": round(max(one["peak_mb"] for one in results)),
                }
            )
            console.print(rows[-1])
    return rows


def draw(rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """``engine_speed.svg`` and ``engine_memory.svg``."""
    minutes = [row["audio_seconds"] / 60 for row in rows]
    for name, label, values, aim in (
        ("engine_speed", "times real time, cold", "times_real_time", None),
        ("engine_memory", "peak resident megabytes", "peak_resident_mb", AIMS["peak_resident_mb"]),
    ):
        with picture(folder / f"{name}.svg") as (axes,):
            axes.plot(minutes, [row[values] for row in rows], "o-", color=BLUE)
            if aim:
                axes.axhline(aim, color=ORANGE, linestyle="--", linewidth=1)
                axes.annotate(
                    f"aim: {aim:g}", (minutes[0], aim), xytext=(0, 4), textcoords="offset points", color=ORANGE
                )
            axes.set(xscale="log", xlabel="length of the song in minutes", ylabel=label)
            axes.set_xticks(minutes, [f"{minute:g}" if minute < 1 else f"{minute:.0f}" for minute in minutes])
            axes.set_ylim(bottom=0)
            axes.minorticks_off()


@click.command()
@click.option("--seconds", "lengths", type=float, multiple=True, default=LENGTHS, help="Lengths to measure.")
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True, help="Per length up to ten minutes.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="The figures as JSON.")
@click.option("--plots", type=click.Path(path_type=Path, file_okay=False), help="Where the pictures go.")
def main(lengths: tuple[float, ...], runs: int, output: Path | None, plots: Path | None) -> None:
    """Measure speed and memory by length."""
    rows = measured(lengths, runs, Console(width=120))
    if output:
        output.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    if plots:
        draw(rows, plots)


if __name__ == "__main__":
    main()
