"""`stemwright bucket`: the bucket, its lifecycle and its CORS rules."""

from collections.abc import Callable, Sequence

import click

from services.kit import bucket as rules
from services.kit.errors import StemwrightError
from services.kit.s3 import S3Storage
from services.kit.settings import StorageSettings, load
from services.kit.storage import complaint

Work = Callable[[S3Storage, Sequence[str]], list[rules.Difference]]
ORIGINS = click.option(
    "--origin",
    "origins",
    multiple=True,
    metavar="URL",
    envvar="STEMWRIGHT_ACCOUNTS_PUBLIC_URL",
    help="Where the web app is, if it sends songs to the store itself, such as https://songs.example.com; default: "
    "STEMWRIGHT_ACCOUNTS_PUBLIC_URL.",
)


@click.group()
def bucket() -> None:
    """Plan and make the bucket (S3_BUCKET), what it throws away by itself, and who may send songs to it."""


@bucket.command()
@ORIGINS
def plan(origins: tuple[str, ...]) -> None:
    """Print how the bucket differs.

    Ends with status 1 if it does.
    """
    found = _said(rules.plan, origins)
    for difference in found:
        click.echo(str(difference))
    if any(difference.is_known for difference in found):
        raise SystemExit(1)
    click.echo("the bucket is as it should be")


@bucket.command()
@ORIGINS
def apply(origins: tuple[str, ...]) -> None:
    """Make what `plan` prints. Deletes no object and no rule of others."""
    for difference in _said(rules.apply, origins):
        click.echo(f"{difference}{': made' if difference.is_known else ''}")
    click.echo("the bucket is up to date")


def _said(work: Work, origins: tuple[str, ...]) -> list[rules.Difference]:
    try:
        return work(S3Storage.from_settings(load(StorageSettings)), [origin.rstrip("/") for origin in origins])
    except StemwrightError as error:
        raise click.ClickException(complaint(error)) from None
