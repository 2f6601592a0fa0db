"""What fits on a terminal, and in which colour. What is not one gets whole lines without colour."""

import os
import sys
from typing import IO, Any

import click
from rich.cells import cell_len, set_cell_size
from rich.console import Console

_ELLIPSIS = "\u2026"


def is_coloured(stream: IO[Any]) -> bool:
    """On a terminal, unless ``NO_COLOR`` is set (no-color.org) or the terminal is a plain one."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns(stream: IO[Any]) -> int | None:
    """How wide the terminal is; ``None`` where there is none, and nothing is to be cut."""
    return Console(file=stream).width if stream.isatty() else None


def tell(text: str) -> None:
    """On standard output."""
    click.echo(text, color=is_coloured(sys.stdout))


def tell_failure(text: str, stream: IO[Any] | None = None) -> None:
    """In red, on standard error if no other stream is given."""
    stream = stream or sys.stderr
    click.echo(click.style(text, fg="red"), stream, color=is_coloured(stream))


def beginning(text: str, width: int | None) -> str:
    """As much of it as fits, with a mark where it is cut."""
    if width is None or cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + _ELLIPSIS


def end(text: str, width: int | None) -> str:
    """As much of its end as fits: of a path, what tells it from others."""
    if width is None or cell_len(text) <= width:
        return text
    rest = text
    while rest and cell_len(rest) > width - 1:
        rest = rest[1:]
    return _ELLIPSIS + rest
