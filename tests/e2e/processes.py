"""Which processes a platform has on this machine."""

import os
import signal

import psutil

from services.local.home import Home
from services.local.part import State
from services.local.platform import Platform
from tests.e2e.jobs import eventually


def processes_of(home: Home) -> list[str]:
    """Command lines of everything that inherited the settings of the platform in `home`, started by whomever."""
    marker = str(home.temporary)
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == marker and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def kill(platform: Platform, part: str) -> None:
    """Kills the process of a part as it stands."""
    pid = platform.supervisor.pid(part)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def wait_until_ready(platform: Platform) -> None:
    """Waits until every part is back."""
    eventually(
        lambda: all(status.state in (State.READY, State.DONE) for status in platform.statuses()), "every part to run"
    )
