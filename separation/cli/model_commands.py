"""``stemwright models``: import, add, list, verify, promote and roll back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from separation.cli.brief import BriefGroup, NearChoice
from separation.errors import SeparationError
from separation.models.repository import DEFAULT_MODEL, ModelRepository
from separation.models.spec import ModelManifest
from separation.models.versions import Versions

repository_option = click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="STEMWRIGHT_MODEL_REPOSITORY",
    help="Folder of models; default: stemwright/models in your data folder, or models/repository of the checkout.",
)


def complete_models(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of the models there are, for a shell."""
    names = ModelRepository(context.params.get("repository")).names()
    return [name for name in names if name.startswith(incomplete)]


@click.group(cls=BriefGroup)
def models() -> None:
    """The models of the repository."""


@models.command("import")
@click.argument("name", metavar="NAME", type=NearChoice([DEFAULT_MODEL], "published model"))
@repository_option
def import_model(name: str, repository: Path | None) -> None:
    """Fetch the published weights of NAME, spleeter-2stems, and write the model."""
    from separation.models.importers.spleeter import import_spleeter

    target = ModelRepository(repository)
    click.echo(f"Importing {name} ...", err=True)
    with told_in_one_line():
        manifest = import_spleeter(target)
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
    from separation.models.importers.onnx_file import Transform, import_onnx

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
        for current in _all_in(target):
            for manifest in Versions(target, current.name).all():
                _show(target, manifest)


@models.command("verify")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_models)
@repository_option
def verify_models(names: tuple[str, ...], repository: Path | None) -> None:
    """Compare each model's file with the digest in its manifest; all models when no NAME is given."""
    target = ModelRepository(repository)
    with told_in_one_line():
        for name in names or [manifest.name for manifest in _all_in(target)]:
            for manifest in Versions(target, name).verified():
                click.echo(f"{name}  {manifest.digest}  ok")


@models.command("promote")
@click.argument("name", shell_complete=complete_models)
@click.argument("digest")
@repository_option
def promote_model(name: str, digest: str, repository: Path | None) -> None:
    """Make the version of NAME whose digest begins with DIGEST current. Workers take it when they start."""
    target = ModelRepository(repository)
    with told_in_one_line():
        _show(target, Versions(target, name).promote(digest))


@models.command("rollback")
@click.argument("name", shell_complete=complete_models)
@repository_option
def roll_back_model(name: str, repository: Path | None) -> None:
    """Make the version of NAME current that was so before the present one."""
    target = ModelRepository(repository)
    with told_in_one_line():
        _show(target, Versions(target, name).rollback())


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """What was asked for cannot be done: a sentence and an exit status, no traceback."""
    try:
        yield
    except OSError as error:  # a full disk too
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{where}{error.strerror or error}") from error
    except (SeparationError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _all_in(repository: ModelRepository) -> list[ModelManifest]:
    """All models; where there are none, how to get one is said."""
    manifests = repository.manifests()
    if not manifests:
        click.echo(f"No models in {repository.path}. Run: stemwright models import {DEFAULT_MODEL}", err=True)
    return manifests


def _show(repository: ModelRepository, manifest: ModelManifest) -> None:
    current = Versions(repository, manifest.name).current()
    mark = "  current" if manifest == current else ""
    click.echo(f"{manifest.name}  {manifest.digest}  {manifest.licence}{mark}")
