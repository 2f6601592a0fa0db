"""``stemwright models``: import, list and verify."""

from pathlib import Path

import click

from separation.errors import SeparationError
from separation.registry import DEFAULT_MODEL, ModelRepository

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
