"""What docs/operating.md promises to who runs the platform on one machine, with the commands of that page: one command
starts everything, in the background or not, nothing outlives it, and everything is there the next time."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from separation.machine.cache import cache_directory
from services.local.client import Client, Document
from services.local.home import Home
from services.local.platform import SUPERVISOR
from services.local.sockets import LOOPBACK, free_port, listen
from services.metrics import METRICS, PREFIX
from tests.e2e.jobs import eventually
from tests.e2e.processes import processes_of
from tests.e2e.songs import music, write_wav_16

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PAGE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text(encoding="utf-8")
EMAIL, PASSWORD = "somebody@example.com", "a long enough password"
TIMED = re.compile(r"[\w-]+ +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")


class Operator:
    """Somebody at a terminal, in a folder of their own and with nothing in their home folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user_home = folder / "user"
        self.user_home.mkdir()
        self.port = free_port(LOOPBACK)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "STEMWRIGHT_"))}
        self.environment = {
            **inherited,
            "HOME": str(self.user_home),
            # What other toolchains of this machine leave in a home folder is not ours.
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), "/usr/bin", "/bin")),
            "STEMWRIGHT_CACHE": str(cache_directory()),
            "STEMWRIGHT_GATEWAY_PORT": str(self.port),
        }

    def does(self, commands: str, status: int = 0) -> str:
        """Types commands, which end with `status`, and reads what they say."""
        # In a file: what keeps running must not keep a pipe open.
        with (self.folder / "said.txt").open("w+") as said:
            ended = subprocess.run(
                ["/bin/bash", "-ec", commands],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                timeout=400,
                check=False,
            )
            said.seek(0)
            text = said.read()
        assert ended.returncode == status, text
        return text

    @contextmanager
    def has_in_the_foreground(self) -> Iterator[subprocess.Popen[str]]:
        """`stemwright up`, from when it is ready; killed at the end unless it has ended by itself."""
        with subprocess.Popen(
            ["stemwright", "up"], cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True
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


def commands_below(heading: str) -> list[str]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", section, re.DOTALL)


def separated(client: Client, folder: Path) -> Document:
    upload = client.upload(write_wav_16(folder / "song.wav", music(3)))
    job = client.wait_for_job(client.create_job(upload["id"])["id"], timeout_seconds=300)
    assert job["status"] == "succeeded", job
    return job


def metrics_of(operator: Operator) -> set[str]:
    """Names of everything that the services expose."""
    document = json.loads(operator.does("stemwright status --json"))
    services = [
        part for part in document["parts"] if part["name"] not in ("broker", "object-store", "migrate", "model")
    ]
    ports = {part["name"]: part["port"] for part in services}
    ports["gateway"] = Home(operator.folder / ".stemwright").remembered_ports()["gateway-admin"]
    names: set[str] = set()
    for port in ports.values():
        with urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=60) as answer:
            names |= set(re.findall(r"^# HELP (\w+) ", answer.read().decode(), re.MULTILINE))
    return {name for name in names if not name.endswith("_created")}


def nothing_outlives_the_death_of_its_supervisor(home: Home) -> None:
    state = home.read_state() or {}
    assert {part["state"] for part in state["parts"].values()} <= {"ready", "done"}
    assert len(processes_of(home)) >= 7
    os.kill(state["pid"], signal.SIGKILL)
    pids = [part["pid"] for part in state["parts"].values() if part["pid"] is not None]
    eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), "every part to end")
    eventually(lambda: processes_of(home) == [], "everything that they started to end")


def it_runs_once_and_ends_when_it_is_asked_to(operator: Operator, home: Home, process: subprocess.Popen[str]) -> None:
    parts = (home.read_state() or {})["parts"]
    again = operator.does("stemwright up", status=1)
    assert re.search(r"is in use by another `stemwright up` \(process \d+\)", again)
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0
    assert processes_of(home) == []
    assert home.read_state() is None
    assert sorted(path.stem for path in home.logs.glob("*.log")) == sorted([*parts, SUPERVISOR])


def test_a_platform_is_run_and_backed_up_and_restored_as_the_page_says(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    home, restored = Home(tmp_path / ".stemwright"), Home(tmp_path / "restored")
    stem, fetched = tmp_path / "vocals.flac", tmp_path / "fetched.flac"
    try:
        said = operator.does("stemwright up --detach")
        for where in (f"http://127.0.0.1:{operator.port}/docs", str(home.root), str(home.logs), "stemwright stop"):
            assert where in said
        if shutil.which("curl"):
            (asked,) = commands_below("Health and metrics")
            assert "stemwright_http_requests_total" in operator.does(asked)
        with Client(f"http://127.0.0.1:{operator.port}") as client:
            client.register(EMAIL, PASSWORD)
            job = separated(client, tmp_path)
            client.download(f"/v1/jobs/{job['id']}/stems/vocals", stem)
            before = client.call("GET", "/v1/billing/balance")["available_credits"]
            operator.does(f"stemwright accounts grant-credits {EMAIL} 5")
            assert client.call("GET", "/v1/billing/balance")["available_credits"] == before + 5

        exposed = metrics_of(operator)
        # There is a canary for whoever asks for one; its own metrics are shown by its own tests.
        told = {metric.name for metric in METRICS if not metric.name.startswith(f"{PREFIX}canary_")}
        assert {name for name in exposed if name.startswith(PREFIX)} == told
        # A busy machine may be slow to answer, which is wrong while it lasts.
        doctor = "stemwright doctor && echo All is well || true"
        eventually(lambda: "All is well" in operator.does(doctor), "the doctor to find nothing wrong")

        logged = operator.does("stemwright logs --lines 1000000").splitlines()
        assert {line.split()[0] for line in logged if TIMED.match(line)} >= {
            "supervisor",
            "gateway",
            "broker",
            "worker-1",
        }
        assert [line for line in logged if not TIMED.match(line)] == []
        assert not re.search(r"\x1b|u001b", "".join(path.read_text() for path in home.logs.iterdir()))

        backup, restore = commands_below("Back up and restore")
        assert "orchestrator" in operator.does(backup)  # while it runs
        nothing_outlives_the_death_of_its_supervisor(home)
        assert "Nothing runs" in operator.does("stemwright status", status=3)

        with operator.has_in_the_foreground() as process, Client(f"http://127.0.0.1:{operator.port}") as client:
            client.sign_in(EMAIL, PASSWORD)
            assert client.job(job["id"])["status"] == "succeeded"
            it_runs_once_and_ends_when_it_is_asked_to(operator, home, process)

        # On another address, which the links to stems then name.
        operator.environment["STEMWRIGHT_GATEWAY_HOST"] = "127.0.0.2"
        operator.does(restore)
        with Client(f"http://127.0.0.2:{operator.port}") as client:
            client.sign_in(EMAIL, PASSWORD)
            assert client.job(job["id"])["status"] == "succeeded"
            client.download(f"/v1/jobs/{job['id']}/stems/vocals", fetched)
        assert fetched.read_bytes() == stem.read_bytes()

        operator.environment["STEMWRIGHT_HOME"] = str(restored.root)
        assert "Stopped" in operator.does("stemwright stop")
        assert processes_of(restored) == []
        assert "Nothing runs" in operator.does("stemwright status", status=3)
        assert list(operator.user_home.iterdir()) == []
    finally:
        for root in (home.root, restored.root):
            operator.environment["STEMWRIGHT_HOME"] = str(root)
            operator.does("stemwright stop")
    assert processes_of(home) == processes_of(restored) == []


def test_a_start_that_fails_in_the_background_says_why(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    operator.environment["STEMWRIGHT_WORKERS"] = "many"
    said = operator.does("stemwright up --detach", status=78)
    assert said == "stemwright: STEMWRIGHT_WORKERS is 'many'; it must be a whole number\n"
    del operator.environment["STEMWRIGHT_WORKERS"]
    with listen(LOOPBACK, operator.port):
        said = operator.does("stemwright up --detach", status=1)
    taken = f"stemwright: port {operator.port} on 127.0.0.1 is in use by another program; "
    assert said.startswith(taken)
    assert (said.count("\n"), "STEMWRIGHT_GATEWAY_PORT" in said) == (1, True)
    assert not (tmp_path / ".stemwright").exists()
    assert processes_of(Home(tmp_path / ".stemwright")) == []
