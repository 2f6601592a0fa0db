"""The real broker for tests, from its wheel, on a free port; it keeps everything in memory.

`broker` is one of a test's own, with its topics made. It starts in some milliseconds, and restarts empty.
"""

import contextlib
import logging
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from services.kit.events.admin import ensure_topics
from services.kit.events.brokers import LOCAL_CLUSTER_ID, Brokers
from services.local.infrastructure import broker_program
from services.local.sockets import LOOPBACK, free_port
from tests.standing_still import standing_still

START_SECONDS = 120
PATIENCE_SECONDS = 180.0


@dataclass
class Broker:
    """One broker process. It keeps its port, and nothing else, when it is started again."""

    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def bootstrap(self) -> str:
        """What a service's `kafka_bootstrap_servers` says."""
        return f"127.0.0.1:{self.port}"

    @property
    def brokers(self) -> Brokers:
        """The same for clients."""
        return Brokers(self.bootstrap)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts the process and waits until it takes connections."""
        if not self.port:
            self.port = free_port(LOOPBACK)
        url = f"tcp://{self.bootstrap}"
        self._process = subprocess.Popen(
            [
                *(broker_program(), "broker"),
                *("--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"),
            ],
            env={**os.environ, "CLUSTER_ID": f"{LOCAL_CLUSTER_ID}-tests"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise
                time.sleep(0.01)
            else:
                return

    def kill(self) -> None:
        """Ends the process at once, as a crash would; all that it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """It stands still for as long as the block lasts."""
        with standing_still(self.pid):
            yield

    def restart_empty(self) -> None:
        """Kills it and starts it again."""
        self.kill()
        self.start()


@contextlib.contextmanager
def running_broker() -> Iterator[Broker]:
    """A broker without topics, for as long as the block lasts."""
    # The client reports every refused connection several times, with the exception and the socket in it.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    broker = Broker()
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker of this test's own, with every topic in place."""
    with running_broker() as running:
        ensure_topics(running.brokers, timeout_seconds=PATIENCE_SECONDS)
        yield running


@pytest.fixture
def patient_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of a broker that stays there: they wait as long as a busy machine takes, and send nothing twice."""
    for name in ("connection.BOOTSTRAP", "producer.START", "producer.DELIVERY"):
        monkeypatch.setattr(f"services.kit.events.{name}_SECONDS", PATIENCE_SECONDS)
    # Less than the two minutes in which kafka-python delivers a record by default.
    monkeypatch.setattr("services.kit.events.connection.REQUEST_SECONDS", PATIENCE_SECONDS / 3)
