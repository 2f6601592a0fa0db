"""`stemwright mail`: the mails of a platform on one machine, and whether those of another can be sent."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import click

from services.accounts.mail.folder import StoredMail, stored
from services.accounts.mail.rendering import render
from services.accounts.mail.transports import MailDelayed, MailRefused, message_of, transport_of
from services.accounts.settings import Settings
from services.accounts.users.emails import parse
from services.kit.env_file import env_file_option
from services.kit.ids import new_id
from services.kit.settings import load


@click.group(invoke_without_command=True)
@click.pass_context
@env_file_option
def mail(ctx: click.Context) -> None:
    """List the mails that the platform on this machine has written, the oldest first.

    Where no mail server is set (STEMWRIGHT_ACCOUNTS_SMTP_HOST) mails are files in the folder `mail` of
    STEMWRIGHT_HOME (default: .stemwright here).
    """
    if ctx.invoked_subcommand is not None:
        return
    folder = _folder()
    found = stored(folder)
    if not found:
        click.echo(f"There is no mail in {folder}.")
        return
    click.echo(f"{'N':>4}  {'sent':19}  {'to':32}  subject")
    for item in found:
        sent = item.sent_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        click.echo(f"{item.number:>4}  {sent}  {item.message['To']!s:32}  {item.message['Subject']}")


@mail.command()
@click.argument("number", metavar="[N]", required=False, type=click.IntRange(1))
@click.option("--html", is_flag=True, help="Its HTML in place of its text.")
@env_file_option
def show(number: int | None, html: bool) -> None:
    """Show mail N of the list; without N, the newest."""
    found = stored(_folder())
    chosen = _chosen(found, number)
    if html:
        click.echo(chosen.body("html"), nl=False)
        return
    for name in ("From", "To", "Date", "Subject"):
        click.echo(f"{name}: {chosen.message[name]}")
    click.echo()
    click.echo(chosen.body("plain"), nl=False)


@mail.command()
@click.argument("address")
@env_file_option
def test(address: str) -> None:
    """Send a mail to ADDRESS now, and say whether it was taken."""
    settings = load(Settings)
    try:
        recipient = parse(address).address
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    mail_id = new_id("mail")
    letter = render("test", {"public_url": settings.public_url})
    message = message_of(mail_id, settings.mail_from, recipient, letter, format_datetime(datetime.now(UTC)))
    try:
        transport_of(settings).send(mail_id, message)
    except (MailRefused, MailDelayed) as error:
        raise click.ClickException(f"it was not taken: {error}") from None
    where = f"by {settings.smtp_host}" if settings.smtp_host else f"into {settings.mail_folder_at_hand}"
    click.echo(f"Taken {where}.")


def _folder() -> Path:
    return load(Settings).mail_folder_at_hand


def _chosen(found: Sequence[StoredMail], number: int | None) -> StoredMail:
    if not found:
        raise click.ClickException(f"there is no mail in {_folder()}")
    if number is not None and number > len(found):
        raise click.ClickException(f"there are {len(found)} mails; `stemwright mail` lists them")
    return found[(number or len(found)) - 1]
