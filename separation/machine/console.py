"""Names and streams such that anything can be written to a terminal, whatever the name is and the encoding lacks."""

import io
import json
import os
import sys
from contextlib import suppress
from pathlib import Path


def printable(name: str) -> str:
    """A file's name without what would move the cursor or break the line."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name)


def forgive_encodings() -> None:
    """From now on letters that an encoding does not have are written as a question mark, and raise nothing.

    What was closed before the program began (``>&-``) takes everything, and keeps its number from the files to come.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - for good
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def write_json(line: str) -> None:
    """One line of JSON; letters that standard output does not have are escaped, so that no name is lost."""
    try:
        line.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        line = json.dumps(json.loads(line))
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def forget_standard_output() -> None:
    """What is left in the buffer goes nowhere, lest the interpreter complains at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
