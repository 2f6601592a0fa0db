"""What the doctor says."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "wrong", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and what to do about it. Never a secret."""

    about: str
    state: State
    says: str
    advice: str = ""

    def __str__(self) -> str:
        line = f"{self.state:<8}{self.about}: {self.says}"
        return f"{line}. {self.advice}" if self.advice else line


def ok(about: str, says: str) -> Finding:
    return Finding(about, "ok", says)


def wrong(about: str, says: object, advice: str) -> Finding:
    return Finding(about, "wrong", one_line(says), advice)


def warning(about: str, says: object, advice: str) -> Finding:
    return Finding(about, "warning", one_line(says), advice)


def skipped(about: str, says: object, advice: str = "") -> Finding:
    """It was not looked at, and why."""
    return Finding(about, "skipped", one_line(says), advice)


def one_line(says: object) -> str:
    """The first line of what a library says, without its full stop."""
    lines = str(says).strip().splitlines() or [type(says).__name__]
    return lines[0].rstrip(". ")[:300]
