"""The real Triton server for tests, from its wheel, on free ports, over a folder of models that a test lays out.

It is installed once into the cache folder; `make triton` does so beforehand.
"""

import http.client
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from separation.models.repository import ModelRepository
from services.local import triton
from services.local.errors import NoPythonForTriton
from services.local.sockets import LOOPBACK, free_port
from services.worker.inference.triton.server.config import CpuTarget
from services.worker.inference.triton.server.layout import lay_out

STUB_BROKE_DOWN = "boost::interprocess::lock_exception"
START_SECONDS = 480
KEY = "the key of the tests"


class TritonServer:
    """One server process. It keeps its ports when it is started again."""

    def __init__(self, installed: Path, folder: Path) -> None:
        self._installed = installed
        self._folder = folder
        self.models = folder / "served"
        self.models.mkdir(parents=True)
        self.log = folder / "triton.log"
        self._grpc_port = free_port(LOOPBACK)
        self._http_port = free_port(LOOPBACK, avoid=[self._grpc_port])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self._grpc_port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def lay_out(self, repository: ModelRepository, *names: str, target: CpuTarget | None = None) -> None:
        """Puts models of a registry into the folder that the server mounts."""
        lay_out(repository, names, self.models, target or CpuTarget(threads=1))

    def configure(self, pattern: str, replacement: str) -> None:
        """Changes a line in the `config.pbtxt` of every model."""
        for path in self.models.glob("*/config.pbtxt"):
            text, count = re.subn(pattern, replacement, path.read_text())
            assert count, f"{pattern} is not in {path}"
            path.write_text(text)

    def start(self) -> None:
        """Starts the process and waits until every model is ready.

        On a busy machine a stub of the server's Python backend sometimes breaks down as it starts, and the server with
        it: then it is started once more, as whoever runs one does.
        """
        deadline = time.monotonic() + START_SECONDS
        began = self._launch()
        while self.http("/v2/health/ready") != 200:
            if self.crashed:
                said = self.log.read_bytes()[began:].decode()
                assert STUB_BROKE_DOWN in said, f"the server ended:\n{said}"
                self.kill()
                began = self._launch()
            assert time.monotonic() < deadline, f"the server is not ready:\n{self.log.read_text()}"
            threading.Event().wait(0.05)

    def _launch(self) -> int:
        """Starts the process; where its words begin in the log."""
        command = triton.server_arguments(
            self._installed, self.models, grpc_port=self._grpc_port, http_port=self._http_port, key=KEY
        )
        with self.log.open("ab") as output:
            began = output.tell()
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **triton.server_environment(self._installed), "PATH": self._path()},
                stdout=output,
                stderr=output,
                process_group=0,
            )
        return began

    def _path(self) -> str:
        """What a machine with coreutils and a shell has, and what the installation brings."""
        programs = self._folder / "programs"
        programs.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            (programs / "rm").symlink_to(str(shutil.which("rm")))
        return os.pathsep.join((str(programs), str(self._installed / "programs")))

    @property
    def crashed(self) -> bool:
        """Whether it was started and ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def http(self, path: str) -> int:
        """Status that the HTTP endpoint answers; 0 where nobody does."""
        connection = http.client.HTTPConnection(LOOPBACK, self._http_port, timeout=2)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def signal(self, number: signal.Signals) -> None:
        """To what is left of the server and its backends."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """Ends the process, if there is one, as a crash would; what it left in shared memory is removed."""
        if self._process is None:
            return
        self.signal(signal.SIGKILL)
        self._process.wait()
        self._process = None
        for left in Path("/dev/shm").glob(f"{triton.memory_prefix(self._grpc_port)}*"):
            left.unlink()


NewServer = Callable[[], TritonServer]


@pytest.fixture(scope="session")
def triton_installed() -> Path:
    """Skips on a machine with Python 3.13 and no older one beside it."""
    try:
        return triton.install()
    except NoPythonForTriton as error:
        pytest.skip(str(error))


@contextmanager
def servers(installed: Path, folder: Path) -> Iterator[NewServer]:
    """Makes servers in `folder` and ends them."""
    made: list[TritonServer] = []

    def make() -> TritonServer:
        made.append(TritonServer(installed, folder / f"triton-{len(made)}"))
        return made[-1]

    try:
        yield make
    finally:
        for server in made:
            server.kill()


@pytest.fixture(scope="module")
def new_triton(triton_installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewServer]:
    with servers(triton_installed, tmp_path_factory.mktemp("triton")) as make:
        yield make
