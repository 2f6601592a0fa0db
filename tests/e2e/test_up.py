"""`stemwright up` as a person runs it: one command starts everything, and nothing outlives it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from services.local.client import Client
from services.local.home import Home
from services.local.platform import SUPERVISOR
from services.local.sockets import LOOPBACK, free_port
from tests.e2e.jobs import eventually
from tests.e2e.processes import processes_of

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Up = subprocess.Popen[str]


@contextmanager
def up(home: Home, **settings: str) -> Iterator[Up]:
    """The command, from its start until it is ready; killed at the end unless it has ended by itself."""
    environment = {**os.environ, "STEMWRIGHT_HOME": str(home.root), **settings}
    with subprocess.Popen(
        [sys.executable, "-m", "services.cli", "up"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "is ready at" in line:
                    break
            else:
                pytest.fail("".join(lines))
            yield process
        finally:
            process.kill()


def test_nothing_outlives_it_and_everything_is_there_the_next_time(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    port = free_port(LOOPBACK)
    with up(home, STEMWRIGHT_GATEWAY_PORT=str(port)) as process, Client(f"http://127.0.0.1:{port}") as client:
        client.register("somebody@example.com", "a long enough password")
        parts = (home.read_state() or {})["parts"]
        assert {part["state"] for part in parts.values()} <= {"ready", "done"}
        assert len(processes_of(home)) >= 7
        process.kill()
        pids = [part["pid"] for part in parts.values() if part["pid"] is not None]
        eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), "every part to end")
        eventually(lambda: processes_of(home) == [], "everything that they started to end")

    with up(home, STEMWRIGHT_GATEWAY_PORT=str(port)) as process, Client(f"http://127.0.0.1:{port}") as client:
        client.sign_in("somebody@example.com", "a long enough password")
        again = subprocess.run(
            [sys.executable, "-m", "services.cli", "up"],
            env={**os.environ, "STEMWRIGHT_HOME": str(home.root)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert again.returncode == 1
        assert re.search(r"is in use by another `stemwright up` \(process \d+\)", again.stderr)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        assert processes_of(home) == []
        assert home.read_state() is None
        assert sorted(path.stem for path in home.logs.glob("*.log")) == sorted([*parts, SUPERVISOR])
