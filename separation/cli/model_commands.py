"""``stemwright models``: import, list, verify, and lay out for Triton."""

from pathlib import Path
from typing import Literal

import click

from separation.errors import SeparationError
from separation.registry import DEFAULT_MODEL, ModelRepository
from separation.serving.config import CpuTarget, GpuTarget, Target, Transport, served_name

repository_option = click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="STEMWRIGHT_MODEL_REPOSITORY",
    help="Folder of models; default: models/repository of the checkout.",
)


@click.group()
def models() -> None:
    """The models of the repository."""


@models.command("import")
@click.argument("name", type=click.Choice([DEFAULT_MODEL]))
@repository_option
def import_model(name: str, repository: Path | None) -> None:
    """Fetch the published weights of NAME and write the model."""
    from separation.importers.spleeter import import_spleeter

    target = ModelRepository(repository)
    click.echo(f"Importing {name} ...", err=True)
    try:
        manifest = import_spleeter(target)
    except SeparationError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{manifest.name}  {manifest.digest}  {target.folder(name)}")


@models.command("list")
@repository_option
def list_models(repository: Path | None) -> None:
    """Name, digest and licence of every model."""
    try:
        for manifest in ModelRepository(repository).manifests():
            click.echo(f"{manifest.name}  {manifest.digest}  {manifest.licence}")
    except SeparationError as error:
        raise click.ClickException(str(error)) from error


@models.command("verify")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@repository_option
def verify_models(names: tuple[str, ...], repository: Path | None) -> None:
    """Compare each model's file with the digest in its manifest; all models when no NAME is given."""
    target = ModelRepository(repository)
    try:
        for name in names or [manifest.name for manifest in target.manifests()]:
            click.echo(f"{name}  {target.verify(name).digest}  ok")
    except SeparationError as error:
        raise click.ClickException(str(error)) from error


@models.command("triton")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", metavar="[NAME]...", nargs=-1)
@repository_option
@click.option(
    "--target",
    type=click.Choice(["gpu", "cpu"]),
    default="gpu",
    show_default=True,
    help="gpu: NVIDIA's image with its ONNX Runtime backend; cpu: the Python backend.",
)
@click.option("--accelerator", type=click.Choice(["cuda", "tensorrt"]), default="cuda", show_default=True)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "fp16"]),
    default="fp32",
    show_default=True,
    help="What TensorRT computes in.",
)
@click.option(
    "--transport",
    type=click.Choice(["fp32", "fp16"]),
    default="fp32",
    show_default=True,
    help="What numbers travel in between worker and server.",
)
@click.option("--instances", type=click.IntRange(1), default=1, show_default=True, help="Of the network, on each GPU.")
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
    from separation.serving.layout import lay_out

    models = ModelRepository(repository)
    try:
        where: Target = (
            CpuTarget(threads, transport)
            if target == "cpu"
            else GpuTarget(accelerator, precision, transport, instances, batch, engine_cache)
        )
        for manifest in lay_out(models, names or [one.name for one in models.manifests()], folder, where):
            click.echo(f"{manifest.name}  {manifest.digest}  {folder / served_name(manifest)}")
    except (SeparationError, ValueError) as error:
        raise click.ClickException(str(error)) from error
