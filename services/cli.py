"""The `stemwright` command. Each subcommand lives where its work is done and is imported only when it is called."""

import gc
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from typing import Any, ClassVar

import click
from click.shell_completion import CompletionItem, get_completion_class

from separation.cli.brief import BriefGroup, NearChoice, end_interrupted
from separation.machine.console import forgive_encodings
from services.known_settings import unknown_settings

SHELLS = ("bash", "zsh", "fish")
SERVICES = ("gateway", "upload", "accounts", "orchestrator", "notifier", "worker")
PROCESSES = (*SERVICES, "canary")
"""All that `stemwright run` runs; a platform has the last one if it is told to."""
OURS = ("separation", "services", "training")
CLIENT, CLIENT_NEEDED = "stemwright_client", "stemwright-client[cli,mcp]"
EXTRAS = {
    "separate": "cpu,report",
    "models": "cpu",
    **dict.fromkeys(("up", "demo", "status", "logs", "stop"), "cpu,local,services"),
    "doctor": "local,services",
}
"""What a command needs of what is installed on request; all others need `services`."""
EXTRAS_BY_MODULE = {
    "grpc": "triton",
    "tritonclient": "triton",
    "opentelemetry.exporter": "otlp",
    "stripe": "stripe",
}
"""What only some settings of a service need."""


@contextmanager
def without_collection() -> Iterator[None]:
    """Runs the block without looking for garbage, and never looks at what it has left: imports leave next to none, and
    looking takes a tenth of their time, then and whenever all of it is looked at again."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class LazyGroup(BriefGroup):
    """Imports a subcommand when it is asked for, so that `stemwright --help` starts at once.

    A library that is missing then is named with the extra that brings it.
    """

    places: ClassVar[dict[str, tuple[str, str]]] = {
        "client": ("stemwright_client.cli:client", "Separate songs with a platform elsewhere, by an API key."),
        "bucket": ("services.kit.bucket_cli:bucket", "Plan and make the bucket of the object store."),
        "backup": ("services.backup.cli:backup", "Copy every store of a platform into a folder."),
        "restore": ("services.backup.cli:restore", "Put a backup into a platform that holds nothing yet."),
        "doctor": ("services.doctor.cli:doctor", "Say what is wrong with a platform and what to do about it."),
        "accounts": ("services.accounts.cli:accounts", "Give roles and credits to accounts."),
        "mail": ("services.accounts.mail.cli:mail", "List and show the mails of the platform on this machine."),
        "separate": ("separation.cli:separate", "Separate songs on this machine, without any service."),
        "models": ("services.worker.inference.triton.server.cli:models", "Import, list and verify models."),
        "topics": ("services.kit.events.cli:topics", "Plan and make the topics of the event log."),
        "up": ("services.local.cli:up", "Start every part of the platform on this machine."),
        "status": ("services.local.cli_running:status", "Show each part of the platform that runs on this machine."),
        "logs": ("services.local.cli_running:logs", "Show what the parts of the platform have logged."),
        "stop": ("services.local.cli_running:stop", "Stop the platform that runs on this machine."),
        "demo": ("services.local.cli:demo", "Separate a song through the whole platform and show the result."),
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self.places])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.places:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.places[cmd_name][0].partition(":")
        try:
            with without_collection():
                command = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            if ctx.resilient_parsing:  # a shell asks what may be written: not the place for errors
                return None
            raise named_with_its_extra(error, cmd_name) from error
        assert isinstance(command, click.Command)  # noqa: S101 - the table above is ours
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except KeyboardInterrupt:  # while the command is imported
            end_interrupted(as_json=args[0] == "separate" and "--json" in args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            raise named_with_its_extra(error, ctx.invoked_subcommand or "") from error

    def main(self, *arguments: Any, **more: Any) -> Any:
        try:
            return super().main(*arguments, **more)
        except OSError as error:  # a full disk, a folder that cannot be read, also where only help is printed
            about = f"{error.filename}: " if error.filename else ""
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is still to be written would fail again at the end
            sys.exit(f"stemwright: {about}{error.strerror or error}")

    def sentence(self, ctx: click.Context, name: str) -> str:
        return self.places[name][1] if name in self.places else super().sentence(ctx, name)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Without loading any of the commands."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=self.sentence(ctx, name)) for name in names]
        return commands or click.Command.shell_complete(self, ctx, incomplete)


def named_with_its_extra(error: ModuleNotFoundError, command: str) -> Exception:
    """One line about a library that is not installed; a module of our own that is missing is a defect and stays one."""
    module = error.name or ""
    missing = module if module in EXTRAS_BY_MODULE else module.partition(".")[0]
    if missing in OURS:
        return error
    if missing == CLIENT:
        return click.ClickException(
            f"stemwright {command} is a distribution of its own, which is not installed: pip install '{CLIENT_NEEDED}'"
        )
    extra = EXTRAS_BY_MODULE.get(missing) or EXTRAS.get(command, "services")
    return click.ClickException(
        f"stemwright {command} needs the library {missing}, which is not installed: pip install 'stemwright[{extra}]'"
    )


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="stemwright")
def main() -> None:
    """Stemwright: a song in, its vocals and the song without them out."""
    forgive_encodings()
    for sentence in unknown_settings(os.environ):
        click.echo(f"stemwright: {sentence}", err=True)


@main.command()
@click.argument("service", metavar="SERVICE", type=NearChoice(PROCESSES, "service"))
def run(service: str) -> None:
    """Run one service in the foreground; settings come from the environment.

    SERVICE is gateway, upload, accounts, orchestrator, notifier, worker or canary.
    """
    with without_collection():
        serve = import_module(f"services.{service}.main").main
    try:
        serve()
    except OSError:
        # A line is for people at a terminal; whoever reads the log of a service wants to know where it was.
        traceback.print_exc()
        sys.exit(1)


@main.command()
@click.argument("service", required=False)
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 unless every schema is there and new enough.")
@click.option("--refuse-newer", is_flag=True, help="Exit with 1 where a schema is of a newer version.")
def migrate(service: str | None, check: bool, refuse_newer: bool) -> None:
    """Bring the databases of all services, or of one, to the newest schema (DATABASE_URL).

    A schema of a newer version, as after a rollback, is left as it is.

    Where services do not make their topics themselves (STEMWRIGHT_KAFKA_MAKE_TOPICS=false), it makes all of them too.
    """
    with without_collection():
        from sqlalchemy.exc import DBAPIError

        from services.kit.database import Database, sqlite_file
        from services.kit.schema import (
            SERVICES_WITH_DATABASE,
            SchemaMissing,
            check_schema,
            is_newest,
            newer_revision,
            no_schema,
        )
        from services.kit.settings import DatabaseSettings, EveryDatabaseSettings, TopicSettings, load

    if service is not None:
        NearChoice(SERVICES_WITH_DATABASE, "database of the service").convert(service, None, None)
    settings = load(DatabaseSettings if service else EveryDatabaseSettings)
    url = settings.database_url.get_secret_value()
    for name in [service] if service else SERVICES_WITH_DATABASE:
        file = sqlite_file(url, name)
        try:
            if check and file is not None and not file.exists():
                raise no_schema(name)
            with closing(Database.from_settings(settings, name)) as database:
                if (newer := newer_revision(database)) is not None:
                    _leave_newer(name, newer, refuse=refuse_newer)
                    continue
                if check:
                    check_schema(database)
                elif not is_newest(database):
                    _bring_to_newest(url, name, pooled=settings.database_pooled)
        except SchemaMissing as missing:
            raise click.ClickException(str(missing)) from None
        except DBAPIError as error:
            raise click.ClickException(f"the database of {name} cannot be used: {error.orig}") from None
        click.echo(f"{name}: schema is up to date")
    if service is None and not check and not load(TopicSettings).kafka_make_topics:
        import_module("services.kit.events.cli").apply_topics()


def _bring_to_newest(url: str, service: str, *, pooled: bool) -> None:
    # At most starts there is nothing to do, and Alembic takes as long to import as all that is done then.
    with without_collection():
        from services.kit.migrations import migrate as migrate_database

    migrate_database(url, service, pooled=pooled)


def _leave_newer(service: str, revision: str, *, refuse: bool) -> None:
    """Services work with a newer schema while a version is rolled out or back (docs/operations.md); whoever installs an
    older version over one machine's data has most often not meant to, and is told. Raises ClickException then."""
    if refuse:
        raise click.ClickException(
            f"the database of {service} was made by a newer version of Stemwright, or another branch: install that "
            "version, or restore the backup from before the upgrade"
        )
    click.echo(f"{service}: schema is at revision {revision}, of a newer version, and is left as it is")


@main.command()
def settings() -> None:
    """Print every setting with its meaning and default, as an environment file."""
    from services.kit.settings import SHARED
    from services.kit.settings_file import described, document
    from services.known_settings import ENGINE
    from services.local.settings import LocalSettings

    told = []
    services = {name: import_module(f"services.{name}.settings").Settings for name in PROCESSES}
    for group, heading in SHARED.items():
        users = [name for name, settings_class in services.items() if issubclass(settings_class, group)]
        told.append(document(group, f"{heading} ({', '.join(users)})"))
    told += [document(settings_class, f"Service {name}") for name, settings_class in services.items()]
    before = {line.partition("=")[0].removeprefix("#") for text in told for line in text.splitlines()}
    told.append(document(LocalSettings, "A platform on one machine (stemwright up)", before))
    engine = [line for name, meaning in ENGINE.items() for line in described(name, meaning, "")]
    told.append("\n".join(["# The engine", "", *engine]))
    click.echo("\n".join(told))


@main.command()
@click.argument("shell", metavar="SHELL", type=NearChoice(SHELLS, "completion for the shell"))
def completion(shell: str) -> None:
    """Print what makes the Tab key complete commands in SHELL: bash, zsh or fish.

    \b
    bash: eval "$(stemwright completion bash)"              # in ~/.bashrc
    zsh:  eval "$(stemwright completion zsh)"               # in ~/.zshrc
    fish: stemwright completion fish | source               # in config.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows all three
    script = kind(main, {}, "stemwright", "_STEMWRIGHT_COMPLETE")
    # Not its `source`, which for bash starts one to ask for its version.
    click.echo(kind.source_template % script.source_vars())


if __name__ == "__main__":
    sys.exit(main())
