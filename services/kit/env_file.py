"""Settings from a file, for commands that a person starts by hand."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import click
from dotenv.parser import parse_stream

from services.known_settings import unknown_settings


def _read(_context: click.Context, _parameter: click.Parameter, file: Path | None) -> Path | None:
    """Puts what the file sets into the environment; what is set there already stays."""
    if file is None:
        return None
    try:
        given = dict(_settings_in(file.read_text(encoding="utf-8-sig")))
    except UnicodeError:
        raise click.BadParameter(f"{file} cannot be read: it is no text in UTF-8") from None
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    for sentence in unknown_settings(given.keys() - os.environ.keys()):
        click.echo(f"stemwright: {sentence}", err=True)
    for name, value in given.items():
        os.environ.setdefault(name, value)
    return file.absolute()


def _settings_in(text: str) -> Iterator[tuple[str, str]]:
    """Names and values, which are taken as they stand.

    Raises:
        ValueError: a line is none of the kind; its text names the line and not what is in it, which may be a secret.
    """
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or "\0" in binding.original.string:
            blank = len(binding.original.string) - len(binding.original.string.lstrip("\r\n"))
            line = binding.original.line + binding.original.string[:blank].count("\n")
            raise ValueError(f"line {line} is not NAME=value")
        if binding.key is not None and binding.value is not None:
            yield binding.key, binding.value


env_file_option = click.option(
    "--env-file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_read,
    help="Read settings from FILE, such as deploy/settings.env; the environment goes before it.",
)
"""Adds `--env-file FILE` to a command. It is read before any other option, and before settings are."""
