"""The logs of a platform's parts as a person reads them: of one part or of all in the order of their times."""

import json
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.local.errors import LocalError
from services.local.logs import FILES_KEPT

STAMPED = re.compile(r"(\d{4}-\d\d-\d\dT[\d:.]+Z) (.*)", re.DOTALL)
PRINTED_FIRST = frozenset({"time", "level", "service", "logger", "message", "msg", "exc_info", "stack_info"})
FOLLOW_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Line:
    part: str
    text: str
    """As it was written, without its end."""

    @property
    def time(self) -> str:
        """ISO 8601 in UTC to the millisecond, so that texts sort as times do; empty where the line has none."""
        if (record := self._record()) is not None:
            return str(record.get("time", ""))[:23]
        stamped = STAMPED.match(self.text)
        return stamped[1][:23] if stamped else ""

    def readable(self) -> str:
        """Time, level and message, then what else the record holds as `name=value`."""
        return f"{self.time}Z {self.said()}" if self.time else self.said()

    def said(self) -> str:
        """The same without the time."""
        record = self._record()
        if record is None:
            stamped = STAMPED.match(self.text)
            return stamped[2] if stamped else self.text
        message = f"{str(record.get('level', '')).upper():<7} {record.get('message', record.get('msg', ''))}"
        more = (f" {key}={value}" for key, value in record.items() if key not in PRINTED_FIRST and value is not None)
        trace = "".join(f"\n{record[key]}" for key in ("exc_info", "stack_info") if record.get(key))
        return message + "".join(more) + trace

    def in_a_line(self) -> str:
        """The same with the error that was raised, and not where."""
        first, *trace = self.said().rstrip().split("\n")
        return f"{first}: {trace[-1]}" if trace else first

    def _record(self) -> dict[str, Any] | None:
        if not self.text.startswith("{"):
            return None
        try:
            record: dict[str, Any] = json.loads(self.text)
        except ValueError:
            return None
        return record


def parts_with_logs(folder: Path) -> list[str]:
    # Not by `glob`, which from Python 3.13 on finds nothing where a folder cannot be read.
    try:
        return sorted(path.stem for path in folder.iterdir() if path.suffix == ".log")
    except FileNotFoundError:
        return []


def chosen_parts(folder: Path, wanted: Sequence[str]) -> list[str]:
    """The parts whose logs are `wanted`, all where none is named.

    Raises:
        LocalError: there are no logs, or a part has none.
    """
    there = parts_with_logs(folder)
    if not there:
        raise LocalError(f"there are no logs in {folder}: nothing was started in this home yet")
    for part in wanted:
        if part not in there:
            raise LocalError(f"there is no log of {part}; there are those of {', '.join(there)}")
    return list(wanted) or there


def last_lines(folder: Path, parts: Sequence[str], count: int) -> list[Line]:
    """The newest lines of all `parts` together, oldest first. A line without a time follows the one before it."""
    timed = []
    for part in parts:
        at = ""
        for line in deque(_lines_of(folder, part), maxlen=count):
            at = line.time or at
            timed.append((at, line))
    timed.sort(key=lambda pair: pair[0])
    return [line for _, line in timed][-count:] if count else []


class Follower:
    """Lines as they are written from its making on, for ever; `pause` is called between two looks. To be closed."""

    def __init__(self, folder: Path, parts: Sequence[str], pause: Callable[[float], None] = time.sleep) -> None:
        self._tails = [_Tail(folder / f"{part}.log", part) for part in parts]
        self._pause = pause

    def __iter__(self) -> Iterator[Line]:
        while True:
            for tail in self._tails:
                yield from tail.new_lines()
            self._pause(FOLLOW_SECONDS)

    def close(self) -> None:
        for tail in self._tails:
            tail.close()


class _Tail:
    """What is added to a log, over its changes of files."""

    def __init__(self, path: Path, part: str) -> None:
        self._path = path
        self._part = part
        self._file = path.open("rb")
        self._file.seek(0, 2)
        self._begun = b""

    def new_lines(self) -> Iterator[Line]:
        yield from self._rest()
        if self._was_replaced():
            yield from self._rest()  # what came between the two looks
            self._file.close()
            self._file = self._path.open("rb")
            yield from self._rest()

    def close(self) -> None:
        self._file.close()

    def _rest(self) -> Iterator[Line]:
        *whole, self._begun = (self._begun + self._file.read()).split(b"\n")
        for line in whole:
            yield Line(self._part, line.decode(errors="replace"))

    def _was_replaced(self) -> bool:
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:  # between the old file's new name and the new file
            return False


def _lines_of(folder: Path, part: str) -> Iterator[Line]:
    names = [*(f"{part}.log.{number}" for number in range(FILES_KEPT - 1, 0, -1)), f"{part}.log"]
    for name in names:
        if (folder / name).exists():
            for line in (folder / name).read_text(encoding="utf-8", errors="replace").split("\n"):
                if line:
                    yield Line(part, line)
