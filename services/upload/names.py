"""What a file may be called. Names are shown, and never used as paths. Pure."""

import re

from services.kit.schemas import CONTROL
from services.kit.validation import form

MAX_FILENAME_CHARACTERS = 255

_REORDERING = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks that make a name read as another one (`gpj.exe` for `exe.jpg`)."""

FILENAME = form(
    rf"^[^{CONTROL}{_REORDERING}]+$", "must be one line of text without control characters, nor marks that reorder it"
)

_UNFIT = re.compile(f"[{CONTROL}{_REORDERING}\ud800-\udfff]")
_LONGEST_ENDING = 10


def fitting(path: str) -> str | None:
    """The last piece of somebody's path as a name that is allowed; None where nothing of it is left."""
    name = _UNFIT.sub("", re.split(r"[/\\]", path)[-1]).strip()
    if len(name) > MAX_FILENAME_CHARACTERS:
        stem, dot, ending = name.rpartition(".")
        kept = dot + ending if stem and len(ending) <= _LONGEST_ENDING else ""
        name = name[: MAX_FILENAME_CHARACTERS - len(kept)] + kept
    return name if name.strip(".") else None
