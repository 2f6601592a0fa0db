"""Commands that say what is wrong in one or two lines, guess what was meant, and whose help is never cut off."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, NoReturn

import click
from click.exceptions import NoArgsIsHelpError, NoSuchCommand

from separation.errors import did_you_mean
from separation.machine.console import write_json

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
STOPPED = "Stopped; nothing half done is left behind."
_WIDE_ENOUGH_FOR_ANY_SENTENCE = 500


class Brief(click.ClickException):
    """Another error of click's in a line, and in a second one where to read on."""

    def __init__(self, error: click.ClickException) -> None:
        message = " ".join(error.format_message().split())
        if isinstance(error, click.NoSuchOption):
            message = (
                f"There is no option {error.option_name}.{did_you_mean(error.option_name, error.possibilities or ())}"
            )
        context = getattr(error, "ctx", None)
        if isinstance(error, NoSuchCommand) and context is not None and isinstance(context.command, click.Group):
            commands = context.command.list_commands(context)
            meant = did_you_mean(error.command_name, commands) or f" Choose from {', '.join(commands)}."
            message = f"There is no command {error.command_name!r}.{meant}"
        super().__init__(message)
        setattr(self, "exit_code", error.exit_code)  # noqa: B010 - for mypy it is the class's
        self.hint = f"See: {context.command_path} --help" if context is not None else None

    def show(self, file: IO[Any] | None = None) -> None:
        # It loads rich, half of what the command itself does; every part of a platform is one, and has nothing to show.
        from separation.cli.terminal import tell_failure

        tell_failure(f"Error: {self.message}", file)
        if self.hint:
            click.echo(self.hint, file or sys.stderr)


@contextmanager
def told_briefly() -> Iterator[None]:
    try:
        yield
    except (NoArgsIsHelpError, Brief):
        raise
    except click.ClickException as error:
        raise Brief(error) from error


def end_interrupted(*, as_json: bool) -> NoReturn:
    """After Ctrl-C, of which click would say that it "aborted", with 1. Loads nothing: a module may be half loaded."""
    if as_json:
        write_json(json.dumps({"status": "failed", "error": {"code": "interrupted", "message": STOPPED}}))
    raise click.exceptions.Exit(EXIT_INTERRUPTED)


class BriefCommand(click.Command):
    """A command whose errors are brief, also where it is not a part of a group."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with told_briefly():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with told_briefly():
            return super().invoke(ctx)


class BriefGroup(BriefCommand, click.Group):
    """A group that lists each command with its whole first sentence."""

    command_class = BriefCommand

    def sentence(self, ctx: click.Context, name: str) -> str:
        """What the list says of a command."""
        command = self.get_command(ctx, name)
        return command.get_short_help_str(_WIDE_ENOUGH_FOR_ANY_SENTENCE) if command else ""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.sentence(ctx, name)) for name in self.list_commands(ctx)])


BriefGroup.group_class = BriefGroup


class NearChoice(click.Choice[str]):
    """One of a few words; of another one, the nearest of them is suggested."""

    def __init__(self, choices: Sequence[str], what: str) -> None:
        super().__init__(choices)
        self._what = what

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:  # noqa: ARG002 - click's
        words = [str(choice) for choice in self.choices]
        return f"there is no {self._what} {value!r}.{did_you_mean(str(value), words)} Choose from {', '.join(words)}."
