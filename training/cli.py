"""``python -m training``: train, export, evaluate, register.

It is not a part of ``stemwright``, because no service may know training (``.importlinter``) and that command is theirs.
"""

import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from separation.errors import SeparationError
from training.errors import TrainingError

Folder = click.Path(path_type=Path, file_okay=False)
File = click.Path(path_type=Path, dir_okay=False, exists=True)


class _Group(click.Group):
    """Turns what training and the engine refuse into one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (TrainingError, SeparationError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train the network, export it, measure it against the incumbent, and register it."""


@main.command()
@click.argument("config")
@click.option("--data", type=Folder, required=True, help="The folder that the configuration's paths are relative to.")
@click.option("--run", "folder", type=Folder, required=True, help="Where checkpoints go; a run in it is gone on with.")
@click.option("--cache", type=Folder, help="Keep decoded recordings here: 21 MB for a minute of a stem.")
@click.option("--device", help="cpu, cuda or cuda:1; by default a GPU where there is one.")
def train(config: str, data: Path, folder: Path, cache: Path | None, device: str | None) -> None:
    """Begin the run of CONFIG (debug, base, finetune or a TOML file), or go on with it.

    Under torchrun all its processes take part. SIGTERM and Ctrl-C write a checkpoint and end.
    """
    from training.config import load_config
    from training.distributed import process_group
    from training.run import Run

    told = load_config(config)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with process_group(device) as process:
        console = Console(quiet=not process.leads)
        run = Run(told, folder, data, process, cache=cache, console=console)
        if run.reached.steps:
            console.print(f"Going on after step {run.reached.steps}.")
        outcome = run.train(stop.is_set)
        ended = "Finished" if outcome.finished else "Stopped"
        console.print(f"{ended} after step {outcome.reached.steps}; best validation {outcome.reached.best_loss:.4f}.")


@main.command()
@click.argument("checkpoint", type=File)
@click.option("--name", required=True, help="The model's name, such as unet-2stems-2026-11.")
@click.option("--licence", required=True, help="Of the weights.")
@click.option("--out", type=Folder, required=True, help="A model repository to write to.")
def export(checkpoint: Path, name: str, licence: str, out: Path) -> None:
    """Write CHECKPOINT as a model: ONNX file, manifest and card, after a check of parity."""
    from separation.models.repository import ModelRepository
    from training.export import export as export_model

    manifest = export_model(checkpoint, ModelRepository(out), name=name, licence=licence)
    click.echo(f"{out / name}: {manifest.digest}")


@main.command()
@click.argument("name")
@click.option("--models", type=Folder, required=True, help="The model repository that NAME was exported to.")
@click.option("--against", metavar="NAME", help="The incumbent, measured on the same songs.")
@click.option("--repository", type=Folder, help="Where the incumbent is; default: the engine's repository.")
@click.option("--data", type=Folder, required=True, help="A data set.")
@click.option("--kind", type=click.Choice(["musdb18", "musdb18-hq", "stems"]), required=True, help="Of the data set.")
@click.option("--split", type=click.Choice(["train", "validation", "test"]), help="Of MUSDB18.")
@click.option("--instrumentals", type=Folder, help="A folder of music without voices, for leakage.")
@click.option("--bsseval", is_flag=True, help="Measure by museval too; takes about a third of the music's length.")
@click.option("--threads", type=click.IntRange(min=1), help="Processors for the network; default: all.")
@click.option("--out", type=Folder, required=True, help="For evaluation.json and evaluation.png.")
def evaluate(
    name: str,
    models: Path,
    against: str | None,
    repository: Path | None,
    data: Path,
    kind: str,
    split: str | None,
    instrumentals: Path | None,
    bsseval: bool,
    threads: int | None,
    out: Path,
) -> None:
    """Measure the model NAME through the engine, song by song, beside its incumbent."""
    from separation.models.repository import ModelRepository
    from training.config import SourceConfig
    from training.evaluation import Score
    from training.evaluation import evaluate as evaluate_models
    from training.plots import draw
    from training.sources import ACCOMPANIMENT, songs_of

    console = Console(highlight=False)
    songs = songs_of(SourceConfig.model_validate({"kind": kind, "split": split}), data)
    if instrumentals:
        songs += songs_of(SourceConfig(kind="solo", part=ACCOMPANIMENT), instrumentals)
    candidate = ModelRepository(models).load(name, threads=threads)
    incumbent = ModelRepository(repository).load(against, threads=threads) if against else None

    def show(scores: Sequence[Score]) -> None:
        figures = ", ".join(
            f"{score.model} leaks {score.leakage:.1f} dB"
            if score.vocals_sdr is None
            else f"{score.model} {score.vocals_sdr:.2f} dB"
            for score in scores
        )
        console.print(f"{scores[0].song}: {figures}")

    evaluation = evaluate_models(candidate, incumbent, songs, with_bsseval=bsseval, on_song=show)
    out.mkdir(parents=True, exist_ok=True)
    (out / "evaluation.json").write_text(evaluation.to_json(), encoding="utf-8")
    draw(evaluation, out / "evaluation.png")
    console.print_json(data=evaluation.summary())
    for found in evaluation.comparisons:
        limits = f"95 % between {found.low:+.3f} and {found.high:+.3f}"
        console.print(f"{found.measure}: gain {found.mean:+.3f} dB, {limits} ({found.songs} songs)")


@main.command()
@click.argument("name")
@click.option("--models", type=Folder, required=True, help="The model repository that NAME was exported to.")
@click.option("--repository", type=Folder, help="The one it is to serve from; default: the engine's.")
@click.option("--evaluation", type=File, required=True, help="evaluation.json against the model it replaces.")
@click.option("--replaces", metavar="NAME", help="Default: the default model.")
@click.option("--even-if-worse", is_flag=True, help="Register it although it is worse, or nobody knows.")
def register(
    name: str, models: Path, repository: Path | None, evaluation: Path, replaces: str | None, even_if_worse: bool
) -> None:
    """Put the exported model NAME into the repository, unless it is worse than the one it replaces beyond noise."""
    from separation.models.repository import DEFAULT_MODEL, ModelRepository
    from training.registration import register as register_model

    manifest = register_model(
        name,
        ModelRepository(models),
        ModelRepository(repository),
        evaluation,
        replaces=replaces or DEFAULT_MODEL,
        even_if_worse=even_if_worse,
    )
    click.echo(f"Registered {manifest.name} ({manifest.digest}).")
