"""`stemwright backup` and `stemwright restore`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from services.backup.errors import BackupError
from services.backup.platform import Contents, Stores
from services.kit.env_file import env_file_option
from services.kit.errors import StemwrightError
from services.kit.settings import StorageSettings, load
from services.kit.storage import complaint
from services.local.errors import LocalError
from services.local.settings import LocalSettings

FOLDER = click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))


@click.command()
@FOLDER
@env_file_option
def backup(folder: Path) -> None:
    """Copy every store of a platform into DIR, a folder that is empty or not there.

    Databases, songs and stems, and the keys in STEMWRIGHT_HOME (default: .stemwright here); with DATABASE_URL and
    S3_ENDPOINT_URL those that are elsewhere. The platform may run meanwhile. DIR then holds secrets: keep it as they
    are kept.
    """
    with _in_one_line():
        contents = _stores().back_up(folder)
    click.echo(f"{folder}: {_told(contents)}")
    if not contents.secrets:
        click.echo("Keys are not in it: they are where the platform's secrets are kept.")


@click.command()
@FOLDER
@env_file_option
def restore(folder: Path) -> None:
    """Put the backup in DIR into a platform that holds nothing yet and does not run.

    Replaces nothing: what is there already is named, and nothing is done.
    """
    with _in_one_line():
        stores = _stores()
        pid = stores.home.holder()
        if pid is not None:
            raise BackupError(f"a platform runs in {stores.home.root} (process {pid}): `stemwright stop` ends it")
        contents = stores.restore(folder)
    click.echo(f"restored as of {contents.made_at}: {_told(contents)}")


def _stores() -> Stores:
    return Stores(load(LocalSettings), load(StorageSettings))


def _told(contents: Contents) -> str:
    return f"{', '.join(contents.services)}; {contents.objects} objects; Stemwright {contents.version}"


@contextmanager
def _in_one_line() -> Iterator[None]:
    try:
        yield
    except (BackupError, LocalError) as error:
        raise click.ClickException(str(error)) from None
    except StemwrightError as error:
        raise click.ClickException(complaint(error)) from None
