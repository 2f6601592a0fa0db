"""`stemwright accounts`: what an operator does to an account, on the machine that has the database."""

import click

from services.accounts.emails import EmailAddress, parse
from services.accounts.ledger import MAX_CREDITS
from services.accounts.repository import users
from services.accounts.roles import Role
from services.accounts.service.accounts import Accounts
from services.accounts.settings import Settings
from services.accounts.signing_key import SigningKeyMissingError, load_signing_keys
from services.kit.database import Database
from services.kit.settings import load


class _Email(click.ParamType[EmailAddress]):
    name = "email"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> EmailAddress:
        try:
            return parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group()
@click.pass_context
def accounts(ctx: click.Context) -> None:
    """Give roles and credits to accounts (DATABASE_URL)."""
    settings = load(Settings)
    try:
        keys = load_signing_keys(settings)
    except SigningKeyMissingError as error:
        raise click.ClickException(str(error)) from None
    database = Database(settings.database_url.get_secret_value(), "accounts")
    ctx.call_on_close(database.close)
    ctx.obj = Accounts.build(settings, database, keys)


@accounts.command()
@click.argument("email", type=_Email())
@click.argument("role", type=click.Choice([role.value for role in Role]))
@click.pass_obj
def grant_role(service: Accounts, email: EmailAddress, role: str) -> None:
    """Give a user a role; it counts from their next access token on."""
    try:
        with service.database.write() as session:
            user = service.users.add_role(session, email, Role(role))
    except LookupError:
        raise click.ClickException(f"nobody has registered as {email.address}") from None
    click.echo(f"{user.id} is now: {', '.join(user.roles)}")


@accounts.command()
@click.argument("email", type=_Email())
@click.argument("amount", metavar="CREDITS", type=click.IntRange(1, MAX_CREDITS))
@click.option("--reason", default="Given by the operator", show_default=True, help="What the user's statement says.")
@click.pass_obj
def grant_credits(service: Accounts, email: EmailAddress, amount: int, reason: str) -> None:
    """Give an account credits; the running service tells the others."""
    with service.database.write() as session:
        user = users.find_by_email(session, email)
        if user is None:
            raise click.ClickException(f"nobody has registered as {email.address}")
        balance = service.billing.grant(session, user.id, amount, reason[:200])
    click.echo(f"{user.id} now has {balance.available} credits")
