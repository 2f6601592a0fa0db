"""How well the engine separates, against Spleeter itself on the same songs.

    python -m bench.engine_quality [--set nc_clips --set cc0_songs ...] [--settings NAME ...] [--level DB] [--museval]
        [--plots DIR]

Global SDR per song, ``10 log10(sum of s^2 / sum of (s - estimate)^2)`` over all samples and channels, not aligned or
scaled; for music without a voice the level of what leaks into the vocals. ``--settings`` compares steps of the
ablation table in ``docs/engine.md``. The first run lets the rival separate everything and keeps its answers.
``--level`` gives our engine the songs that much louder, or quieter where it is negative.
``--museval`` adds the measures of F.-R. Stöter, A. Liutkus, N. Ito, "The 2018 signal separation evaluation campaign",
LVA/ICA 2018: medians over the seconds of a song, of SDR, SIR, SAR and ISR. It needs the package ``museval``.
``--plots`` draws the default settings and the rival by genre; those of the clips are MUSDB18's own (``genres.csv``).
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from bench.engine_audio import RATE, SETS, Rival, Samples, Track, tracks
from bench.pictures import BLUE, GREY, picture
from bench.second_filter import filtered_again
from bench.spleeter import vocals_by_spleeter
from separation.models.repository import ModelRepository
from separation.models.runtimes.answers import one_by_one
from separation.models.separator import MaskModel
from separation.settings import SeparationSettings
from separation.stream.pipeline import WindowPlan, separate_stream

_DEFAULT = SeparationSettings()
_PROJECTION = SeparationSettings(
    levels_dbfs=None, transpositions=(), wiener_share=0.0, extension_gain=0.0, presence_floor_db=None
)
_WIENER = replace(_PROJECTION, wiener_share=_DEFAULT.wiener_share)
_EXTENSION = replace(_WIENER, extension_gain=_DEFAULT.extension_gain)
_LOOKS = replace(_DEFAULT, transpositions=(1.12, 0.94))
# What each step adds to the one before it, after Spleeter's own way.
SPLEETER, BEST = "spleeter", "best"
STEPS = {
    "projection": _PROJECTION,
    "wiener": _WIENER,
    "extension": _EXTENSION,
    "look": replace(_EXTENSION, transpositions=_DEFAULT.transpositions),
    "presence": replace(_DEFAULT, levels_dbfs=None),
    "default": _DEFAULT,
    "looks": _LOOKS,
}
WAYS = (SPLEETER, *STEPS, BEST)
_SECOND_SHARE = 0.3
_NOISE = 1e-3
_BLOCK = 65536


@dataclass(frozen=True)
class Score:
    """dB. Of a song with a voice the two SDRs; without one ``vocals`` is the leakage, lower is better."""

    group: str
    song: str
    who: str
    vocals: float
    accompaniment: float | None = None
    by_second: Mapping[str, float] = field(default_factory=dict)
    """museval's measures, such as ``vocals SIR``: medians over the seconds of the song."""


def sdr(reference: Samples, estimate: Samples) -> float:
    """Global signal-to-distortion ratio in dB."""
    error = reference.astype(np.float64) - estimate
    return float(10 * np.log10((np.vdot(reference, reference) + 1e-12) / (np.vdot(error, error) + 1e-12)))


def vocals_by(way: str, model: MaskModel, mixture: Samples) -> Samples:
    """By Spleeter's way, by one of ``STEPS``, or by the best known: all looks and a second filter."""
    if way == SPLEETER:
        return vocals_by_spleeter(model, mixture)
    vocals = separated(model, STEPS["looks" if way == BEST else way], mixture)
    return filtered_again(mixture, vocals, model.manifest, _SECOND_SHARE) if way == BEST else vocals


def separated(model: MaskModel, settings: SeparationSettings, mixture: Samples) -> Samples:
    """The vocals, streamed as in ``separate_file``."""
    plan = WindowPlan(model.manifest, settings, sample_rate_hz=RATE, channel_names=("FL", "FR"))
    blocks = (mixture[begin : begin + _BLOCK] for begin in range(0, len(mixture), _BLOCK))
    vocals: list[Samples] = []
    separate_stream(plan, model, blocks, vocals.append)
    return np.concatenate(vocals)


class Remembering:
    """A model that answers the same patch from memory: most steps ask the very same of the network."""

    def __init__(self, model: MaskModel) -> None:
        self._model = model
        self.manifest, self.rest = model.manifest, model.rest
        self.device, self.runtime = model.device, model.runtime
        self._answers: dict[bytes, Samples] = {}

    def fractions(self, magnitudes: Samples) -> Samples:
        key = sha256(magnitudes.tobytes()).digest()
        if key not in self._answers:
            self._answers[key] = self._model.fractions(magnitudes)
        return self._answers[key].copy()  # whoever asks may overwrite the answer

    def fractions_of_each(self, images: Sequence[Samples]) -> list[Samples]:
        return one_by_one(self.fractions, images)


def score(track: Track, who: str, vocals: Samples, accompaniment: Samples, *, museval: bool = False) -> Score:
    if track.vocals is None:
        leak = np.vdot(vocals, vocals) / np.vdot(track.mixture, track.mixture)
        return Score(track.group, track.name, who, float(10 * np.log10(leak + 1e-12)))
    more = by_second([track.vocals, track.accompaniment], [vocals, accompaniment]) if museval else {}
    return Score(track.group, track.name, who, sdr(track.vocals, vocals), sdr(track.accompaniment, accompaniment), more)


def by_second(known: Sequence[Samples], estimated: Sequence[Samples]) -> dict[str, float]:
    """Medians over seconds of museval's measures for both stems, dB; without the seconds in which a stem is silent.

    The same noise, 60 dB below the mixture, is added to what is known and what was estimated. AAC has left the clips
    nothing above 16 kHz, and the filters that museval fits are undetermined there: without it SIR and SAR came out
    below the SDR, for everybody. It moves no SDR by more than 0.01 dB, and three times as much gives the same.
    """
    try:
        import museval  # type: ignore[import-not-found]
    except ImportError as error:
        raise click.ClickException(
            "--museval needs the package museval; it is not one of the project's own."
        ) from error
    level = _NOISE * np.sqrt(np.mean(np.square(np.add(*known))))
    noise = level * np.random.default_rng(0).standard_normal((len(known), *known[0].shape))
    sdr_isr_sir_sar = museval.evaluate(np.stack(known) + noise, np.stack(estimated) + noise, win=RATE, hop=RATE)
    return {
        f"{stem} {name}": float(np.nanmedian(values[number]))
        for name, values in zip(("SDR", "ISR", "SIR", "SAR"), sdr_isr_sir_sar, strict=True)
        for number, stem in enumerate(("vocals", "accompaniment"))
    }


def measured(
    groups: Sequence[str],
    steps: Sequence[str],
    model: MaskModel,
    console: Console,
    *,
    level_db: float = 0.0,
    museval: bool = False,
) -> list[Score]:
    """The rival's scores, where it is installed, and those of every step on every song."""
    gain = np.float32(10 ** (level_db / 20))
    rival = Rival()
    scores: list[Score] = []
    for group in groups:
        if rival.installed:
            rival.prepare(list(tracks([group])))
        for track in tracks([group]):
            if stems := rival.stems(track):
                scores.append(score(track, "rival", *stems, museval=museval))
            remembering = Remembering(model)
            for step in steps:
                vocals = vocals_by(step, remembering, gain * track.mixture) / gain
                scores.append(score(track, step, vocals, track.mixture - vocals, museval=museval))
            console.print(f"[dim]{group} {track.name}[/]")
    return scores


def _columns(scores: Sequence[Score], group: str) -> dict[str, list[Score]]:
    columns: dict[str, list[Score]] = {}
    for one in scores:
        if one.group == group:
            columns.setdefault(one.who, []).append(one)
    return columns


def summary(scores: Sequence[Score]) -> dict[str, Any]:
    """By set and by who separated: medians, means, and the worst song against the rival."""
    result: dict[str, Any] = {}
    for group in dict.fromkeys(one.group for one in scores):
        columns = _columns(scores, group)
        for who, column in columns.items():
            entry: dict[str, Any] = {"songs": len(column)}
            for stem in ("vocals", "accompaniment"):
                values = [getattr(one, stem) for one in column]
                if None in values:
                    continue
                entry[f"{stem}_median"] = round(median(values), 3)
                entry[f"{stem}_mean"] = round(float(np.mean(values)), 3)
                if "rival" in columns:
                    gains = [a - getattr(b, stem) for a, b in zip(values, columns["rival"], strict=True)]
                    entry[f"{stem}_gain_median"] = round(median(gains), 3)
                    entry[f"{stem}_gain_range"] = [round(min(gains), 3), round(max(gains), 3)]
            if column[0].by_second:
                entry["museval_medians"] = {
                    name: round(median(one.by_second[name] for one in column), 2) for name in column[0].by_second
                }
            result.setdefault(group, {})[who] = entry
    return result


def _one_column(columns: Mapping[str, list[Score]]) -> list[Score]:
    """Whoever it is that separated: all have the same songs."""
    return next(iter(columns.values()))


def by_genre(scores: Sequence[Score]) -> dict[str, dict[str, list[Score]]]:
    """Songs with a voice by genre, the largest first, and by who separated; songs without a genre by their set."""
    with Path(__file__).with_name("genres.csv").open(encoding="utf-8", newline="") as file:
        genres = {row["Track Name"]: row["Genre"] for row in csv.DictReader(file)}
    found: dict[str, dict[str, list[Score]]] = {}
    for one in scores:
        if one.accompaniment is not None:
            found.setdefault(genres.get(one.song, one.group), {}).setdefault(one.who, []).append(one)
    return dict(sorted(found.items(), key=lambda item: -len(_one_column(item[1]))))


def draw(scores: Sequence[Score], folder: Path) -> None:
    """``quality_by_genre.svg``: each song a point, each median a bar, of the default settings and of the rival."""
    genres = by_genre(scores)
    labels = [f"{name} ({len(_one_column(columns))})" for name, columns in genres.items()]
    with picture(folder / "quality_by_genre.svg", width=8, height=0.6 + 0.55 * len(genres), panels=2) as panels:
        for axes, stem in zip(panels, ("vocals", "accompaniment"), strict=True):
            for row, columns in enumerate(genres.values()):
                for who, colour, line in (("rival", GREY, row - 0.17), ("default", BLUE, row + 0.17)):
                    values = [getattr(one, stem) for one in columns.get(who, [])]
                    if values:
                        axes.scatter(values, [line] * len(values), s=12, alpha=0.5, color=colour, linewidths=0)
                        axes.vlines(median(values), line - 0.15, line + 0.15, color=colour, linewidth=2.5)
            axes.set(xlabel=f"{stem}: global SDR, dB")
            axes.set_yticks(range(len(genres)), labels)
        panels[0].invert_yaxis()
        panels[1].plot([], [], "o", color=GREY, label="Spleeter")
        panels[1].plot([], [], "o", color=BLUE, label="Stemwright")
        panels[1].legend(frameon=False, loc="lower right")


def show(scores: Sequence[Score], console: Console) -> None:
    for group in dict.fromkeys(one.group for one in scores):
        columns = _columns(scores, group)
        table = Table(title=f"{group}, dB: vocals / accompaniment" if group != "instrumental" else f"{group}: leakage")
        table.add_column("song")
        for who in columns:
            table.add_column(who, justify="right")
        for row in zip(*columns.values(), strict=True):
            table.add_row(row[0].song, *(_cell(one.vocals, one.accompaniment) for one in row))
        for name, of in (("median", median), ("mean", lambda values: float(np.mean(values)))):
            cells = []
            for column in columns.values():
                backing = [one.accompaniment for one in column if one.accompaniment is not None]
                cells.append(_cell(of([one.vocals for one in column]), of(backing) if backing else None))
            table.add_row(name, *cells, style="bold")
        console.print(table)


def _cell(vocals: float, accompaniment: float | None) -> str:
    return f"{vocals:.2f}" if accompaniment is None else f"{vocals:.2f} / {accompaniment:.2f}"


@click.command()
@click.option("--set", "groups", multiple=True, type=click.Choice(SETS), default=SETS)
@click.option("--settings", "steps", multiple=True, type=click.Choice(WAYS), default=("default",))
@click.option("--level", "level_db", type=float, default=0.0, help="Change the level of the songs for our engine, dB.")
@click.option("--museval", is_flag=True, help="Measure by museval too; minutes for a set of clips.")
@click.option("--threads", type=int)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="The summary as JSON.")
@click.option("--plots", type=click.Path(path_type=Path, file_okay=False), help="Where the picture by genre goes.")
def main(
    groups: tuple[str, ...],
    steps: tuple[str, ...],
    level_db: float,
    museval: bool,
    threads: int | None,
    output: Path | None,
    plots: Path | None,
) -> None:
    """Measure the engine's quality against Spleeter."""
    console = Console(width=160)
    model = ModelRepository().load(threads=threads)
    scores = measured(groups, steps, model, console, level_db=level_db, museval=museval)
    show(scores, console)
    figures = summary(scores)
    console.print_json(json.dumps(figures))
    if output:
        output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if plots:
        draw(scores, plots)


if __name__ == "__main__":
    main()
