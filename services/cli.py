"""The `stemwright` command. Each subcommand lives where its work is done and is imported only when it is called."""

import sys
from importlib import import_module
from typing import Any, ClassVar

import click

from separation.console import forgive_encodings

SERVICES = ("gateway", "upload", "accounts", "orchestrator", "worker")
OURS = ("separation", "services", "training")
EXTRAS = {"separate": "cpu,report", "models": "cpu", "up": "cpu,local,services", "demo": "cpu,local,services"}
"""What a command needs of what is installed on request; all others need `services`."""
EXTRAS_BY_MODULE = {"grpc": "triton", "tritonclient": "triton"}
"""What only some settings of a service need."""


class LazyGroup(click.Group):
    """Imports a subcommand when it is asked for, so that `stemwright --help` starts at once.

    A library that is missing then is named with the extra that brings it.
    """

    places: ClassVar[dict[str, tuple[str, str]]] = {
        "accounts": ("services.accounts.cli:accounts", "Give roles and credits to accounts."),
        "separate": ("separation.cli:separate", "Separate songs on this machine, without any service."),
        "models": ("separation.cli:models", "Import, list and verify models."),
        "up": ("services.local.cli:up", "Start every part of the platform on this machine."),
        "demo": ("services.local.cli:demo", "Separate a song through the whole platform and show the result."),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self.places])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.places:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.places[cmd_name][0].partition(":")
        try:
            command = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            raise named_with_its_extra(error, cmd_name) from error
        assert isinstance(command, click.Command)  # noqa: S101 - the table above is ours
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            raise named_with_its_extra(error, ctx.invoked_subcommand or "") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            own = self.commands.get(name)
            rows.append((name, own.get_short_help_str(100) if own else self.places[name][1]))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def named_with_its_extra(error: ModuleNotFoundError, command: str) -> Exception:
    """One line about a library that is not installed; a module of our own that is missing is a defect and stays one."""
    missing = (error.name or "").partition(".")[0]
    if missing in OURS:
        return error
    extra = EXTRAS_BY_MODULE.get(missing) or EXTRAS.get(command, "services")
    return click.ClickException(
        f"stemwright {command} needs the library {missing}, which is not installed: pip install 'stemwright[{extra}]'"
    )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stemwright")
def main() -> None:
    """Stemwright: a song in, its vocals and the song without them out."""
    forgive_encodings()


@main.command()
@click.argument("service", type=click.Choice(SERVICES))
def run(service: str) -> None:
    """Run one service in the foreground; settings come from the environment."""
    import_module(f"services.{service}.main").main()


@main.command()
@click.argument("service", required=False)
def migrate(service: str | None) -> None:
    """Bring the databases of all services, or of one, to the newest schema (DATABASE_URL)."""
    from services.kit.migrations import SERVICES_WITH_DATABASE
    from services.kit.migrations import migrate as migrate_database
    from services.kit.settings import KitSettings, load

    if service is not None and service not in SERVICES_WITH_DATABASE:
        raise click.BadParameter(f"choose one of {', '.join(SERVICES_WITH_DATABASE)}")
    settings = load(KitSettings)
    for name in [service] if service else SERVICES_WITH_DATABASE:
        migrate_database(settings.database_url.get_secret_value(), name)
        click.echo(f"{name}: schema is up to date")


@main.command()
def settings() -> None:
    """Print every setting of every service with its meaning and default, as an environment file."""
    from services.kit.settings import KitSettings, document

    click.echo(document(KitSettings, "Shared by all services"))
    for name in SERVICES:
        own = import_module(f"services.{name}.settings").Settings
        click.echo(document(own, f"Service {name}"))


if __name__ == "__main__":
    sys.exit(main())
