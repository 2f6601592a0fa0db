"""Replays a day of songs against the autoscaler, for several thresholds: what people wait, and what it costs.

    python -m bench.autoscale [--songs 20000] [--days 3] [--plots docs/images] [--output bench/results/autoscale.json]

Placement is the orchestrator's own code, the autoscaler Kubernetes' documented algorithm with the rules of the rendered
chart, and speeds and the time to load the model are measured; the day is made up (`bench.autoscale.day`), and so is
the time until a pod runs. It computes the same for the same seeds and takes about a minute.
"""

import json
import platform
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.autoscale.day import day
from bench.autoscale.fleet import LOAD_SECONDS, POD_SECONDS, Fleet, Outcome
from bench.autoscale.hpa import Scaling, chart_scaling
from bench.pictures import BLUE, GREY, ORANGE, picture

TARGETS = (15, 30, 60, 120, 240)
"""Values of `targetWaitSeconds`."""
SPEED = 20
"""The chart's `speed`, and `slots: 1`."""
NODE_SECONDS = 180.0
"""Until a node has come, which a pod waits for where none is free: assumed."""
PROMISED_SECONDS = 60.0
"""Within which 95 % of paid songs have a worker (docs/runbooks.md)."""


def outcomes(scaling: Scaling, songs: int, seeds: Sequence[int], start_seconds: float) -> list[Outcome]:
    """One for each day."""
    return [Fleet(day(songs, seed=seed), scaling, start_seconds=start_seconds).run() for seed in seeds]


def figures(found: Sequence[Outcome]) -> dict[str, float]:
    """Of all the days: the worst wait, the mean of the hours."""
    return {
        "people p50, s": max(each.wait("people", 0.5) for each in found),
        "people p95, s": max(each.wait("people", 0.95) for each in found),
        "people in 60 s, %": 100 * min(each.begun_within("people", PROMISED_SECONDS) for each in found),
        "fast p95, s": max(each.wait("fast", 0.95) for each in found),
        "fast in 60 s, %": 100 * min(each.begun_within("fast", PROMISED_SECONDS) for each in found),
        "relaxed p95, min": max(each.wait("relaxed", 0.95) for each in found) / 60,
        "worker-hours": float(np.mean([each.worker_hours for each in found])),
        "of them busy, %": 100 * sum(each.busy_hours for each in found) / sum(each.worker_hours for each in found),
        "most workers": max(each.most_workers for each in found),
        "handed over": sum(each.handed_over for each in found),
        "lost": sum(each.lost for each in found),
    }


def draw(folder: Path, outcome: Outcome) -> None:
    """The first day with the chart's threshold."""
    course = outcome.course[::8]  # every two minutes
    hours = [at / 3600 for at, *_ in course]
    with picture(folder / "autoscale_day.svg", width=9) as [axes]:
        axes.step(hours, [workers for _, workers, _, _ in course], where="post", color=BLUE, label="workers")
        axes.fill_between(hours, [busy for _, _, busy, _ in course], step="post", color=ORANGE, alpha=0.6, label="busy")
        axes.axhline(course[0][1], color=GREY, linewidth=0.8, linestyle=":")
        axes.set_xlabel("hour of the day")
        axes.set_ylabel("workers")
        axes.set_xlim(0, 24)
        axes.legend(loc="upper left")


@click.command()
@click.option("--songs", default=20_000, show_default=True, help="Songs a day.")
@click.option("--days", default=3, show_default=True, help="Days, each from a seed of its own.")
@click.option("--plots", type=click.Path(path_type=Path), help="Folder for the picture.")
@click.option("--output", type=click.Path(path_type=Path))
def main(songs: int, days: int, plots: Path | None, output: Path | None) -> None:
    """Computes and prints."""
    chart = chart_scaling()
    seeds = range(1, days + 1)
    table = Table(title=f"{songs} songs a day, {days} days; {chart.least} to {chart.most} workers")
    results: dict[str, dict[str, float]] = {}
    for start in (POD_SECONDS, NODE_SECONDS):
        for target in TARGETS:
            scaling = replace(chart, threshold=float(target * SPEED))
            results[f"{target} s, a pod after {start:g} s"] = figures(
                outcomes(scaling, songs, seeds, start + LOAD_SECONDS)
            )
    first = next(iter(results.values()))
    for column in ("targetWaitSeconds", *first):
        table.add_column(column, justify="right")
    for name, row in results.items():
        table.add_row(name, *(f"{value:.4g}" for value in row.values()))
    Console(width=200).print(table)
    if plots is not None:
        draw(plots, outcomes(chart, songs, seeds[:1], POD_SECONDS + LOAD_SECONDS)[0])
    if output is not None:
        when, where = datetime.now(UTC).isoformat(timespec="seconds"), platform.processor()
        output.parent.mkdir(parents=True, exist_ok=True)
        told = {"at": when, "machine": where, "songs": songs, "days": days, "results": results}
        output.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
