"""`stemwright models triton`, one of the commands of the engine's own `stemwright models`."""

from pathlib import Path
from typing import Literal

import click

from separation.cli.brief import NearChoice
from separation.cli.model_commands import complete_models, models, repository_option, told_in_one_line
from separation.models.repository import ModelRepository
from services.worker.inference.triton.server.config import CpuTarget, GpuTarget, Target, Transport, served_name


@models.command("triton", short_help="Write the folder that Triton mounts.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_models)
@repository_option
@click.option(
    "--target",
    type=NearChoice(["gpu", "cpu"], "target"),
    default="gpu",
    show_default=True,
    help="gpu: NVIDIA's image with its ONNX Runtime backend; cpu: the Python backend.",
)
@click.option(
    "--accelerator",
    type=NearChoice(["cuda", "tensorrt"], "accelerator"),
    default="cuda",
    show_default=True,
    help="What computes on a GPU.",
)
@click.option(
    "--precision",
    type=NearChoice(["fp32", "fp16"], "precision"),
    default="fp32",
    show_default=True,
    help="What TensorRT computes in.",
)
@click.option(
    "--transport",
    type=NearChoice(["fp32", "fp16"], "transport"),
    default="fp32",
    show_default=True,
    help="What numbers travel in between worker and server.",
)
@click.option(
    "--instances",
    type=click.IntRange(1),
    default=GpuTarget.instances,
    show_default=True,
    help="Of the network, on each GPU.",
)
@click.option(
    "--batch", type=click.IntRange(1), default=8, show_default=True, help="Patches computed together at most."
)
@click.option("--engine-cache", help="Folder in the server's container where TensorRT keeps its engines.")
@click.option("--threads", type=click.IntRange(0), default=0, show_default=True, help="Of the CPU; 0: all.")
def triton_models(
    folder: Path,
    names: tuple[str, ...],
    repository: Path | None,
    target: str,
    accelerator: Literal["cuda", "tensorrt"],
    precision: Literal["fp32", "fp16"],
    transport: Transport,
    instances: int,
    batch: int,
    engine_cache: str | None,
    threads: int,
) -> None:
    """Write FOLDER as Triton mounts it, with the models NAME or all; what else is in it stays."""
    from services.worker.inference.triton.server.layout import lay_out

    models = ModelRepository(repository)
    with told_in_one_line():
        where: Target = (
            CpuTarget(threads, transport)
            if target == "cpu"
            else GpuTarget(accelerator, precision, transport, instances, batch, engine_cache)
        )
        for manifest in lay_out(models, names or [one.name for one in models.manifests()], folder, where):
            click.echo(f"{manifest.name}  {manifest.digest}  {folder / served_name(manifest)}")
