"""A platform that runs, as another process of the same machine finds and stops it."""

import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from services.local.errors import NotEnding
from services.local.home import Home
from services.local.part import State, Status
from services.local.processes import Other, other_process

WELL = frozenset({State.READY, State.DONE})
KILLED_SECONDS = 10.0
"""How long the kernel may take to end the processes of a supervisor that is killed."""


@dataclass(frozen=True)
class Snapshot:
    """What a supervisor says of its platform. It is written to the home's `run/state.json` at every change."""

    pid: int
    gateway_url: str
    ready: bool
    """Whether every part was ready at the same time since the start."""
    since: datetime
    parts: tuple[Status, ...]
    stop_seconds: float = 0.0
    """The longest that it takes to stop; 0 where it does not say."""

    @property
    def is_well(self) -> bool:
        """Whether every part is ready, or done, now."""
        return self.ready and all(part.state in WELL for part in self.parts)

    def document(self) -> dict[str, Any]:
        """As JSON has it; parts by their names."""
        parts = {part.name: {**asdict(part), "since": part.since.isoformat()} for part in self.parts}
        head = {
            "pid": self.pid,
            "gateway_url": self.gateway_url,
            "ready": self.ready,
            "stop_seconds": self.stop_seconds,
        }
        return {**head, "since": self.since.isoformat(), "parts": parts}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """
        Raises:
            ValueError: it is none; fields that it has besides, as a newer version's may, do no harm.
        """
        parts = document.get("parts")
        named = parts.values() if isinstance(parts, Mapping) else ()
        return TypeAdapter(cls).validate_python({**document, "parts": tuple(named)})


def running(home: Home) -> Snapshot | None:
    """The platform that runs in a home; `None` where none does, also after its supervisor was killed.

    Raises:
        HomeUnusable: the home is another person's.
    """
    pid = home.holder()
    if pid is None:
        return None
    snapshot = last_snapshot(home)
    if snapshot is None or snapshot.pid != pid:  # it has the home, and has not written yet or writes no more
        return Snapshot(pid, "", ready=False, since=datetime.now(UTC), parts=())
    return snapshot


def last_snapshot(home: Home) -> Snapshot | None:
    """What the last supervisor of a home has left; `None` when there is nothing, or nothing that can be understood:
    what was killed may have left half a file, and another version another format."""
    state = home.read_state()
    if state is None:
        return None
    try:
        return Snapshot.of(state)
    except ValidationError:
        return None


def stop(home: Home, pid: int, seconds: float) -> bool:
    """Ask the supervisor of a home to stop everything, and block until it has ended: within `seconds`, or killed.

    Returns whether it ended by itself.

    Raises:
        NotEnding: it is another person's, or lives on although it was killed.
    """
    try:
        with other_process(pid) as process:
            if home.holder() != pid:  # it has ended, and its number may be somebody else's
                return True
            return _stop(process, pid, seconds)
    except ProcessLookupError:
        return True
    except PermissionError:
        raise NotEnding(f"process {pid} is another person's: only they, or root, can stop it") from None


def _stop(process: Other, pid: int, seconds: float) -> bool:
    process.send(signal.SIGTERM)
    if process.has_ended(seconds):
        return True
    process.send(signal.SIGKILL)  # the kernel ends its parts with it
    if not process.has_ended(KILLED_SECONDS):
        raise NotEnding(f"process {pid} was killed and does not end")
    return False
