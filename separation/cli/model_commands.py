"""``stemwright models``: import, add, list, verify, promote, roll back, and lay out for Triton."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import click

from separation.errors import SeparationError
from separation.registry import DEFAULT_MODEL, ModelManifest, ModelRepository
from separation.serving.config import CpuTarget, GpuTarget, Target, Transport, served_name
from separation.versions import Versions

repository_option = click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="STEMWRIGHT_MODEL_REPOSITORY",
    help="Folder of models; default: stemwright/models in your data folder, or models/repository of the checkout.",
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


@models.command("add")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--stems", required=True, help="In the order of the network's output, separated by commas.")
@click.option("--licence", required=True, help="Of the weights.")
@click.option("--sample-rate", type=click.IntRange(8000), default=44100, show_default=True, help="Hz.")
@click.option("--fft-size", type=click.IntRange(64), default=4096, show_default=True, help="Samples.")
@click.option("--hop", type=click.IntRange(16), default=1024, show_default=True, help="Samples.")
@click.option("--bins", type=click.IntRange(64), default=1024, show_default=True, help="Lowest bins that it sees.")
@repository_option
def add_model(
    name: str,
    file: Path,
    stems: str,
    licence: str,
    sample_rate: int,
    fft_size: int,
    hop: int,
    bins: int,
    repository: Path | None,
) -> None:
    """Check the network in the ONNX file FILE and enter it as a version of NAME, current if it is the first."""
    from separation.importers.onnx_file import Transform, import_onnx

    target = ModelRepository(repository)
    transform = Transform(sample_rate, fft_size, hop, bins)
    names = [stem.strip() for stem in stems.split(",")]
    with told_in_one_line():
        manifest = import_onnx(target, name, file, names, licence=licence, transform=transform)
        _show(target, manifest)


@models.command("list")
@repository_option
def list_models(repository: Path | None) -> None:
    """Every version of every model: name, digest, licence, and whether it is current."""
    target = ModelRepository(repository)
    with told_in_one_line():
        for current in target.manifests():
            for manifest in Versions(target, current.name).all():
                _show(target, manifest)


@models.command("verify")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@repository_option
def verify_models(names: tuple[str, ...], repository: Path | None) -> None:
    """Compare each model's file with the digest in its manifest; all models when no NAME is given."""
    target = ModelRepository(repository)
    with told_in_one_line():
        for name in names or [manifest.name for manifest in target.manifests()]:
            for manifest in Versions(target, name).verified():
                click.echo(f"{name}  {manifest.digest}  ok")


@models.command("promote")
@click.argument("name")
@click.argument("digest")
@repository_option
def promote_model(name: str, digest: str, repository: Path | None) -> None:
    """Make the version of NAME whose digest begins with DIGEST current. Workers take it when they start."""
    target = ModelRepository(repository)
    with told_in_one_line():
        _show(target, Versions(target, name).promote(digest))


@models.command("rollback")
@click.argument("name")
@repository_option
def roll_back_model(name: str, repository: Path | None) -> None:
    """Make the version of NAME current that was so before the present one."""
    target = ModelRepository(repository)
    with told_in_one_line():
        _show(target, Versions(target, name).rollback())


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
    from separation.serving.layout import lay_out

    models = ModelRepository(repository)
    with told_in_one_line():
        where: Target = (
            CpuTarget(threads, transport)
            if target == "cpu"
            else GpuTarget(accelerator, precision, transport, instances, batch, engine_cache)
        )
        for manifest in lay_out(models, names or [one.name for one in models.manifests()], folder, where):
            click.echo(f"{manifest.name}  {manifest.digest}  {folder / served_name(manifest)}")


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """What was asked for cannot be done: a sentence and an exit status, no traceback."""
    try:
        yield
    except (SeparationError, ValueError, OSError) as error:  # a full disk too
        raise click.ClickException(str(error)) from error


def _show(repository: ModelRepository, manifest: ModelManifest) -> None:
    current = Versions(repository, manifest.name).current()
    mark = "  current" if manifest == current else ""
    click.echo(f"{manifest.name}  {manifest.digest}  {manifest.licence}{mark}")
