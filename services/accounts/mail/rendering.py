"""Templates become mails: each has a text, whose first line is the subject, and the same as HTML."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Letter:
    """What a mail says."""

    subject: str
    text: str
    html: str


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape  # needed by the first mail only

    return Environment(
        loader=PackageLoader("services.accounts.mail"),
        autoescape=select_autoescape(("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def exists(template: str) -> bool:
    """Whether there is such a template."""
    folder = files("services.accounts.mail").joinpath("templates")
    return all(folder.joinpath(f"{template}.{kind}.j2").is_file() for kind in ("txt", "html"))


def render(template: str, values: Mapping[str, Any]) -> Letter:
    """The mail of a template. Raises jinja2.UndefinedError where it names a value that is not given."""
    subject, _, text = _environment().get_template(f"{template}.txt.j2").render(values).partition("\n")
    html = _environment().get_template(f"{template}.html.j2").render({"subject": subject, **values})
    # A subject is one line, whatever somebody calls himself.
    return Letter(" ".join(subject.split()), text.strip() + "\n", html)
