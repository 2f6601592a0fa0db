"""`stemwright backup` and `stemwright restore`."""

import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType

import click

from services.backup.contents import Contents, check, read
from services.backup.errors import BackupError
from services.backup.platform import Stores
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
@click.option(
    "--check", "only_check", is_flag=True, help="Only say whether every file of the backup is as it was made."
)
@env_file_option
def restore(folder: Path, only_check: bool) -> None:
    """Put the backup in DIR into a platform that holds nothing yet and does not run.

    Replaces nothing: what is there already is named, and nothing is done. Neither is anything where a file of the
    backup is missing or damaged.
    """
    with _in_one_line():
        if only_check:
            contents = read(folder)
            check(folder, contents)
            click.echo(f"{folder} is whole, as of {contents.made_at}: {_told(contents)}")
        else:
            restored = _stores().restore(folder)
            contents = replace(restored.contents, services=restored.services, objects=restored.objects)
            click.echo(f"restored as of {contents.made_at}: {_told(contents)}")
    if contents.files_sha256 is None:
        click.echo(
            "An older version made the backup, which lists no files: that none is damaged could not be checked, only "
            "that no database is missing and how many objects there are."
        )


def _stores() -> Stores:
    return Stores(load(LocalSettings), load(StorageSettings))


def _told(contents: Contents) -> str:
    return f"{', '.join(contents.services)}; {contents.objects} objects; Stemwright {contents.version}"


@contextmanager
def _in_one_line() -> Iterator[None]:
    """What goes wrong in the block is told in one line, and what asks the process to end unwinds it: what was made of a
    backup or of a restore is removed."""
    before = {
        number: signal.signal(number, _end)
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN  # under `nohup` it goes on
    }
    try:
        yield
    except (BackupError, LocalError) as error:
        raise click.ClickException(str(error)) from None
    except StemwrightError as error:
        raise click.ClickException(complaint(error)) from None
    except OSError as error:
        raise click.ClickException(_first_complaint(error)) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _first_complaint(error: OSError) -> str:
    """shutil's own errors hold a triple for each file that it could not copy."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        return str(error.args[0][0][-1])
    return f"{error.filename2 or error.filename}: {error.strerror}" if error.filename else str(error)
