"""What the supervisor knows about a part, and what it can say about it."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from services.local.probes import Probe


@dataclass(frozen=True, slots=True)
class Part:
    """A process to keep running, an errand to run once, or something that runs elsewhere and is only waited for."""

    name: str
    command: tuple[str, ...] | None = None
    """Program and arguments; `None`: it runs elsewhere."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to what it inherits of the supervisor's own environment."""
    listener: socket.socket | None = None
    """Inherited by each process of this part as `LISTEN_FD`; connections queue in it while the part restarts."""
    address: str = ""
    """Where it can be reached, for people."""
    ready: Probe | None = None
    """Asked until it agrees; `None` makes this an errand: it is done when its process exits with 0."""
    alive: Probe | None = None
    """Asked for as long as the part runs; a process that keeps failing it hangs and is replaced."""
    needs: tuple[str, ...] = ()
    """Parts that must be ready, and errands that must be done, before this one is first started."""
    stop_stage: int = 0
    """Parts of a lower stage are stopped, and gone, before those of a higher one are asked to."""
    stop_seconds: float = 0.0
    """What its process may take to end, where that is more than every part gets."""


class State(StrEnum):
    WAITING = "waiting"  # for the parts it needs
    STARTING = "starting"
    READY = "ready"
    DONE = "done"  # an errand that succeeded
    RESTARTING = "restarting"  # between two processes
    FAILED = "failed"  # did not come up when the platform started
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Status:
    name: str
    state: State
    address: str
    since: datetime
    """When it came into this state (UTC)."""
    pid: int | None
    restarts: int
    detail: str
    """Why it is not ready, or why it was last restarted; empty when there is nothing to say."""
    seconds_to_ready: float | None
    """From the first start of its process to its first being ready."""
    elsewhere: bool

    @property
    def port(self) -> int | None:
        """That it listens on, where it does."""
        return urlsplit(self.address if "//" in self.address else f"//{self.address}").port if self.address else None


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient the supervisor is. The defaults suit two busy cores."""

    ready_probe_seconds: float = 0.5
    ready_interval_seconds: float = 0.1
    start_limit_seconds: float = 60.0
    """A process that is neither ready nor alive this long after its start hangs, unless it works."""
    longest_start_seconds: float = 600.0
    """The same, whether it works or not."""
    start_attempts: int = 5
    """Processes that a part may lose before its first being ready; then the platform's start has failed."""
    start_hangs: int = 2
    """Those among them that hung: each took more than `start_limit_seconds`."""
    alive_probe_seconds: float = 5.0
    alive_interval_seconds: float = 3.0
    alive_failures: int = 3
    stop_grace_seconds: float = 10.0
    first_restart_seconds: float = 0.1
    longest_restart_seconds: float = 10.0
    longest_restart_of_ready_seconds: float = 1.0
    """The same for a process that had been ready: what ended it is not what it would do again; and where the machine
    had none for a part that was ready before."""
    steady_after_seconds: float = 30.0
    """A process that was ready and ran this long clears the record: the next restart is quick again."""

    def restart_delay(self, losses: int, *, was_ready: bool = False) -> float:
        """Seconds to wait after the `losses`-th process in a row (from 1) was lost: 0.1, 0.5, 2.5, 10, 10, ..."""
        longest = self.longest_restart_of_ready_seconds if was_ready else self.longest_restart_seconds
        return float(min(self.first_restart_seconds * 5 ** min(losses - 1, 10), longest))
