"""`stemwright accounts`: what an operator does to an account, on the machine that has the database."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
from sqlalchemy.exc import ProgrammingError

from services.accounts.accounts import Accounts
from services.accounts.canary import new_canary_key
from services.accounts.ledger.check import check_books
from services.accounts.ledger.transfers import MAX_CREDITS, Source, SourceType, TransferKind
from services.accounts.payments.amounts import amount_text
from services.accounts.payments.errors import ProviderUnavailable
from services.accounts.payments.totals import Amounts
from services.accounts.second_factor.errors import SecondFactorAbsent
from services.accounts.security_events.origin import Origin
from services.accounts.security_events.service import COMMAND_LINE
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings
from services.accounts.users import repository as users
from services.accounts.users.emails import EmailAddress, parse
from services.accounts.users.roles import Role
from services.kit.database import DATABASE_AWAY, Database, sqlite_file
from services.kit.env_file import env_file_option
from services.kit.ids import new_id
from services.kit.settings import load


class _Email(click.ParamType[EmailAddress]):
    name = "email"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> EmailAddress:
        try:
            return parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group()
@env_file_option
def accounts() -> None:
    """Give roles and credits to accounts, and check the books.

    Of the platform in STEMWRIGHT_HOME (default: .stemwright here), or of the database that DATABASE_URL names. It may
    run meanwhile.
    """


@contextmanager
def _service() -> Iterator[Accounts]:
    """The service on its database, which is there already: a command about accounts makes none."""
    settings = load(Settings)
    file = sqlite_file(settings.database_url.get_secret_value(), "accounts")
    if file is not None and not file.exists():
        raise click.ClickException(
            f"there are no accounts in {file}: `stemwright up` makes them there; STEMWRIGHT_HOME or DATABASE_URL says "
            "where else to look"
        )
    with closing(Database.from_settings(settings, "accounts")) as database:
        try:
            yield Accounts.build(settings, database, SigningKeys.generate())  # nothing is signed here
        except DATABASE_AWAY as error:
            raise click.ClickException(
                f"the database does not answer: {getattr(error, 'orig', None) or error}"
            ) from None
        except ProgrammingError:
            raise click.ClickException("the database has not the present tables: `stemwright migrate` first") from None


@accounts.command()
@click.argument("email", type=_Email())
@click.argument("role", type=click.Choice([role.value for role in Role]))
def grant_role(email: EmailAddress, role: str) -> None:
    """Give a user a role. It counts within five seconds."""
    _give(email, Role(role))


@accounts.command()
@click.argument("email", type=_Email())
def make_admin(email: EmailAddress) -> None:
    """Make a user an admin."""
    _give(email, Role.ADMIN)


def _give(email: EmailAddress, role: Role) -> None:
    try:
        with _service() as service, service.database.write() as session:
            user = service.users.add_role(session, email, role)
    except LookupError:
        raise click.ClickException(f"nobody has registered as {email.address}") from None
    click.echo(f"{user.id} is now: {', '.join(user.roles)}")


@accounts.command()
@click.argument("email", type=_Email())
def remove_second_factor(email: EmailAddress) -> None:
    """Let a user sign in with the password alone again.

    For one who has lost the app and the recovery codes; make sure first who asks.
    """
    with _service() as service, service.database.write() as session:
        user = users.find_by_email(session, email)
        if user is None:
            raise click.ClickException(f"nobody has registered as {email.address}")
        try:
            service.second_factors.remove(session, user.id, Origin(), actor=COMMAND_LINE)
        except SecondFactorAbsent:
            raise click.ClickException(f"{email.address} has no second factor") from None
    click.echo(f"{user.id} signs in with the password alone")


@accounts.command()
@click.argument("email", type=_Email())
@click.argument("amount", metavar="CREDITS", type=click.IntRange(1, MAX_CREDITS))
@click.option("--reason", default="Given by the operator", show_default=True, help="What the user's statement says.")
def grant_credits(email: EmailAddress, amount: int, reason: str) -> None:
    """Give an account credits. The running service tells the others."""
    with _service() as service, service.database.write() as session:
        user = users.find_by_email(session, email)
        if user is None:
            raise click.ClickException(f"nobody has registered as {email.address}")
        source = Source(SourceType.OPERATOR, new_id("req"))
        balance = service.credits.post(session, TransferKind.GRANT, user.id, amount, source, reason=reason[:200])
    click.echo(f"{user.id} now has {balance.available} credits")


@accounts.command()
@click.option("--output", type=click.Path(path_type=Path), help="A file for it, which its owner alone may read.")
def canary_key(output: Path | None) -> None:
    """Make the key that the canary orders with.

    It is printed, or written where --output says. What is ordered with it
    costs nothing, and is in no number of people's songs. Those of before work no more.
    """
    with _service() as service:
        key = new_canary_key(service)
    if output is None:
        click.echo(key)
    else:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(descriptor, 0o600)
            file.write(key)


@accounts.command()
@click.option(
    "--days", type=click.IntRange(0, 366), default=0, show_default=True, help="Days to compare with the provider."
)
def ledger_check(days: int) -> None:
    """Add the books up. Ends with 1 where they do not, and says what is wrong.

    With --days, what the payment provider took on each of so many days before today (UTC), and what of it was paid back
    or disputed, is compared with the books too; the provider's settings are needed here as for the service.
    """
    with _service() as service:
        with service.database.read() as session:
            findings = check_books(session)
        try:
            totals = service.provider_totals.of_last(days)
        except ProviderUnavailable:
            raise click.ClickException("the payment provider does not answer") from None
    for name, ids in findings.faults.items():
        for found in ids:
            click.echo(f"{name.replace('_', ' ')}: {found}", err=True)
    for day in totals:
        click.echo(f"{day.day} {_amounts(day.provider, day.currency)}", err=not day.agree)
        if not day.agree:
            click.echo(f"{day.day} but by our books {_amounts(day.books, day.currency)}", err=True)
    if not findings.ok or not all(day.agree for day in totals):
        raise click.ClickException("the books do not add up")
    click.echo(f"The books add up: {findings.transfers} transfers, {findings.entries} entries.")


def _amounts(amounts: Amounts, currency: str) -> str:
    paid, refunded, disputed = (
        amount_text(minor, currency) for minor in (amounts.paid_minor, amounts.refunded_minor, amounts.disputed_minor)
    )
    return f"paid {paid}, paid back {refunded}, disputed {disputed}"
