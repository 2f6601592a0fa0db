"""Which parts the platform on one machine has, where each listens, and what each is told."""

import os
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from separation.models.repository import DEFAULT_MODEL, ModelRepository
from services.kit.loopback import NAMES
from services.kit.settings import sqlite_url
from services.local.home import Home
from services.local.infrastructure import BROKER, INFRASTRUCTURE_STAGE, STORE, broker_part, store_part
from services.local.own_python import STEMWRIGHT
from services.local.part import Part
from services.local.probes import HttpProbe, KafkaProbe
from services.local.settings import ANY_PORT, DEFAULT_GATEWAY_PORT, LocalSettings
from services.local.sockets import LOOPBACK, hold_free_port, listen, listen_on_a_free_port, port_of
from services.local.triton import TRITON, installed, triton_part

MIGRATE, MODEL, TRITON_MODELS = "migrate", "model", "triton-models"
GATEWAY, NOTIFIER, WORKER, CANARY = "gateway", "notifier", "worker-", "canary"
CANARY_KEY = "canary-key"
WITH_DATABASE = ("accounts", "upload", "orchestrator", NOTIFIER)
SEALING_KEY = "STEMWRIGHT_NOTIFIER_SEALING_KEY"
SIGNING_KEY = "STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE"
TEMP_DIR = "STEMWRIGHT_WORKER_TEMP_DIR"
ADMIN_PORT = "STEMWRIGHT_ADMIN_PORT"
SETTINGS = ("STEMWRIGHT_", "S3_", "KAFKA_", "DATABASE_")
BY_LISTENER = ("STEMWRIGHT_PORT",)
"""What a listening socket that is inherited goes before."""
EVERY_ADDRESS = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - what such a listener is reached by
SERVICES = (GATEWAY, *WITH_DATABASE, "worker", CANARY)
# The gateway closes first.
GATEWAY_STAGE, SERVICE_STAGE = 0, 1

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


@dataclass(frozen=True)
class Plan:
    """Everything to start, with sockets already listening."""

    parts: tuple[Part, ...]
    gateway_url: str
    notes: tuple[str, ...]
    """What a person should know about choices that were made for them."""
    ports: "Ports"

    def let_go(self) -> None:
        """Every port is anybody's; what has inherited a socket keeps it."""
        for part in self.parts:
            if part.listener is not None:
                part.listener.close()
        self.ports.let_go()


def make_plan(settings: LocalSettings, home: Home, extra_environment: Mapping[str, str]) -> Plan:
    """Decide on the parts; makes secrets and takes ports, but starts nothing.

    Raises:
        PortTaken: the gateway's port was asked for and is in use.
        LocalError: a program that a part needs is not installed.
    """
    if settings.triton and settings.workers:
        installed()  # or say so before anything is taken
    ports = Ports(home.remembered_ports())
    gateway = gateway_listener(settings)
    gateway_url = f"http://{reachable(settings.gateway_host)}:{port_of(gateway)}"
    told = {**os.environ, **extra_environment}
    direct = without_proxy(told, gateway_url)
    common = {"TMPDIR": str(home.temporary), **direct}
    public_url = told.get("S3_PUBLIC_ENDPOINT_URL") or gateway_url
    infrastructure, infrastructure_environment = infrastructure_parts(settings, home, ports, public_url, told)
    infrastructure = [replace(part, environment={**part.environment, **common}) for part in infrastructure]
    workers = [f"{WORKER}{number}" for number in range(1, settings.workers + 1)]
    canaries = [CANARY] if settings.canary else []
    listeners = {GATEWAY: gateway, **{name: ports.listen(name) for name in (*WITH_DATABASE, *workers, *canaries)}}
    urls = {name: f"http://{LOOPBACK}:{port_of(listener)}" for name, listener in listeners.items()}
    urls[GATEWAY] = gateway_url

    ours = service_environment(settings, home, urls, told)
    if settings.canary:
        ours |= {"STEMWRIGHT_CANARY_URL": gateway_url, "STEMWRIGHT_CANARY_KEY_FILE": str(home.canary_key)}
    environment = {**ours, **infrastructure_environment, **common, **extra_environment, **direct}
    errands = errand_parts(settings, home, environment)
    waits = {errand.name for errand in errands}
    inference = []
    if TRITON_MODELS in waits:
        server, triton_environment = inference_part(home, ports, common)
        inference.append(server)
        environment = {**environment, **triton_environment}
    services = [
        service_part(name, urls[name], listener, environment, waits, home) for name, listener in listeners.items()
    ]
    admin_port = told.get(ADMIN_PORT) or str(ports.free(f"{GATEWAY}-admin"))
    services[0] = with_admin_port(services[0], told.get("STEMWRIGHT_HOST") or LOOPBACK, admin_port)
    home.remember_ports(ports.given)
    return Plan(
        (*infrastructure, *errands, *inference, *services),
        urls[GATEWAY],
        notes(settings, gateway, waits, told, unheeded(told, services)),
        ports,
    )


def without_proxy(told: Mapping[str, str], gateway_url: str) -> dict[str, str]:
    """What keeps libraries in parts from asking the user's proxy for other parts; our own clients never do."""
    known = [name.strip() for name in (told.get("no_proxy") or told.get("NO_PROXY") or "").split(",")]
    if "*" in known:
        return {}
    names = dict.fromkeys((*filter(None, known), *NAMES, urlsplit(gateway_url).hostname or LOOPBACK))
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(names))


def gateway_listener(settings: LocalSettings) -> socket.socket:
    if settings.gateway_port == ANY_PORT:
        return listen_on_a_free_port(settings.gateway_host)
    if settings.gateway_port is not None:
        return listen(settings.gateway_host, settings.gateway_port)
    return listen_on_a_free_port(settings.gateway_host, DEFAULT_GATEWAY_PORT)


def infrastructure_parts(
    settings: LocalSettings, home: Home, ports: "Ports", public_url: str, told: Mapping[str, str]
) -> tuple[list[Part], dict[str, str]]:
    """Event log and object store, ours or somebody's, and the settings by which services find ours."""
    if settings.kafka_bootstrap_servers:
        address = settings.kafka_bootstrap_servers
        ready = KafkaProbe(address, tls_of_brokers(told))
        broker = Part(BROKER, address=address, ready=ready, stop_stage=INFRASTRUCTURE_STAGE)
    else:
        broker = broker_part(ports.free(BROKER))
    # Who else reads from a broker elsewhere is not known here; from ours, one process of each service does.
    sole = "false" if settings.kafka_bootstrap_servers else "true"
    sole = told.get("STEMWRIGHT_KAFKA_SOLE_CONSUMERS") or sole
    environment = {"KAFKA_BOOTSTRAP_SERVERS": broker.address, "STEMWRIGHT_KAFKA_SOLE_CONSUMERS": sole}
    if not settings.kafka_bootstrap_servers:
        environment["STEMWRIGHT_KAFKA_ALLOW_PLAINTEXT"] = "true"
    if settings.s3_endpoint_url:
        url = settings.s3_endpoint_url
        store = Part(STORE, address=url, ready=HttpProbe(url, any_answer=True), stop_stage=INFRASTRUCTURE_STAGE)
        environment["S3_ENDPOINT_URL"] = url
    else:
        store, store_environment = store_part(ports.free(STORE), home, settings.s3_bucket, public_url)
        environment |= store_environment
    return [broker, store], environment


def tls_of_brokers(told: Mapping[str, str]) -> ssl.SSLContext | None:
    """What clients of brokers elsewhere trust and show; None where they do not speak TLS.

    Raises:
        OSError: a file of it cannot be read.
    """
    if not told.get("STEMWRIGHT_KAFKA_SECURITY_PROTOCOL", "").endswith("SSL"):
        return None
    tls = ssl.create_default_context(cafile=told.get("STEMWRIGHT_KAFKA_CA_FILE") or None)
    certificate = told.get("STEMWRIGHT_KAFKA_CERTIFICATE_FILE")
    if certificate:
        tls.load_cert_chain(certificate, told.get("STEMWRIGHT_KAFKA_CERTIFICATE_KEY_FILE") or None)
    return tls


def service_environment(
    settings: LocalSettings, home: Home, urls: Mapping[str, str], told: Mapping[str, str]
) -> dict[str, str]:
    """What every service is told besides what `up` was `told` itself, which goes before our timing and model."""
    ours = {
        **QUICK_TIMING,
        "STEMWRIGHT_ORCHESTRATOR_DEFAULT_MODEL": _default_model(settings, told),
        "STEMWRIGHT_ACCOUNTS_PUBLIC_URL": _public_url(settings, urls[GATEWAY], told),
        "STEMWRIGHT_ACCOUNTS_MAIL_FOLDER": str(home.mail),
        # Few threads allocate at the same time, and each of glibc's arenas keeps what it once had.
        "MALLOC_ARENA_MAX": "2",
    }
    if not told.get(SIGNING_KEY):
        ours[SIGNING_KEY] = str(home.signing_key())
    if told.get("STEMWRIGHT_ENVIRONMENT") != "production":
        ours["STEMWRIGHT_ACCOUNTS_PAYMENT_PROVIDER"] = "sandbox"
    if not told.get("STEMWRIGHT_ACCOUNTS_SMTP_HOST"):
        # Nobody but who started it can read mails that lie in a folder: there is no address to prove.
        ours["STEMWRIGHT_ACCOUNTS_VERIFY_EMAIL"] = "false"
    return {
        **{name: value for name, value in ours.items() if not told.get(name)},
        "STEMWRIGHT_WORKER_MODEL": settings.model,
        "DATABASE_URL": _database_url(settings, home),
        "S3_BUCKET": settings.s3_bucket,
        "STEMWRIGHT_ONE_MACHINE": "true",
        "STEMWRIGHT_JWKS_URL": f"{urls['accounts']}/.well-known/jwks.json",
        **{f"STEMWRIGHT_GATEWAY_{name.upper()}_URL": urls[name] for name in WITH_DATABASE},
    }


def _public_url(settings: LocalSettings, gateway_url: str, told: Mapping[str, str]) -> str:
    """Where links in mails lead: our own store is reached through the gateway, so its public name is the gateway's."""
    public = None if settings.s3_endpoint_url else told.get("S3_PUBLIC_ENDPOINT_URL")
    if not public:
        return gateway_url
    parts = urlsplit(public)
    return f"{parts.scheme}://{parts.netloc}"


def _database_url(settings: LocalSettings, home: Home) -> str:
    elsewhere = settings.database_url
    return elsewhere.get_secret_value() if elsewhere else sqlite_url(home.data)


def _default_model(settings: LocalSettings, told: Mapping[str, str]) -> str:
    """The first of the models that is not on trial."""
    candidate = told.get("STEMWRIGHT_ORCHESTRATOR_CANDIDATE_MODEL")
    return next((name for name in settings.models if name != candidate), settings.models[0])


def errand_parts(settings: LocalSettings, home: Home, environment: Mapping[str, str]) -> list[Part]:
    errands = [Part(MIGRATE, (*STEMWRIGHT, "migrate", "--refuse-newer"), environment)]
    # Of others there is nothing to import; the worker says that they are missing.
    if (
        settings.workers
        and DEFAULT_MODEL in settings.models
        and not ModelRepository().model_file(DEFAULT_MODEL).exists()
    ):
        errands.append(Part(MODEL, (*STEMWRIGHT, "models", "import", DEFAULT_MODEL), environment))
    if settings.workers and settings.triton:
        command = (*STEMWRIGHT, "models", "triton", str(triton_models(home)), *settings.models, "--target", "cpu")
        needs = (MODEL,) if errands[-1].name == MODEL else ()
        errands.append(Part(TRITON_MODELS, command, environment, needs=needs))
    if settings.canary:
        command = (*STEMWRIGHT, "accounts", "canary-key", "--output", str(home.canary_key))
        errands.append(Part(CANARY_KEY, command, environment, needs=(MIGRATE,)))
    return errands


def triton_models(home: Home) -> Path:
    """The folder that the Triton server of this platform mounts, made anew at every start."""
    return home.temporary / "triton"


def inference_part(home: Home, ports: "Ports", environment: Mapping[str, str]) -> tuple[Part, dict[str, str]]:
    """The Triton server, and the settings by which workers find and use it.

    Raises:
        LocalError: it is not installed.
    """
    grpc_port, http_port, key = ports.free(TRITON), ports.free(f"{TRITON}-http"), home.triton_key()
    server = triton_part(
        triton_models(home),
        grpc_port=grpc_port,
        http_port=http_port,
        key=key,
        environment=environment,
        needs=(TRITON_MODELS,),
        stop_stage=INFRASTRUCTURE_STAGE,
    )
    return server, {
        "STEMWRIGHT_WORKER_TRITON_ADDRESS": server.address,
        "STEMWRIGHT_WORKER_TRITON_KEY": key,
        "STEMWRIGHT_WORKER_TRITON_SHARED_MEMORY": "true",
    }


def service_part(
    name: str,
    url: str,
    listener: socket.socket,
    environment: Mapping[str, str],
    errands: set[str],
    home: Home,
) -> Part:
    is_worker = name.startswith(WORKER)
    # Each is asked at the port that it has anyway; one port for all of them would be taken.
    own = {ADMIN_PORT: "0"}
    told = {**os.environ, **environment}
    if is_worker and not told.get(TEMP_DIR):
        own[TEMP_DIR] = str(home.temporary / name)
    if name == NOTIFIER and not told.get(SEALING_KEY):
        own[SEALING_KEY] = home.sealing_key()
    if name == CANARY:
        needed: tuple[str, ...] = (CANARY_KEY,)
    else:
        needed = (MIGRATE,) if name in WITH_DATABASE else (MODEL, TRITON_MODELS) if is_worker else ()
    return Part(
        name=name,
        command=(*STEMWRIGHT, "run", "worker" if is_worker else name),
        environment={**environment, **own},
        listener=listener,
        address=url,
        ready=HttpProbe(f"{url}/readyz"),
        alive=HttpProbe(f"{url}/healthz"),
        # A song that is sent before anybody could take it would tell of nothing.
        needs=(*(errand for errand in needed if errand in errands), *((GATEWAY,) if name == CANARY else ())),
        stop_stage=GATEWAY_STAGE if name == GATEWAY else SERVICE_STAGE,
    )


def service_of(part: str) -> str | None:
    """The service that a part of this name runs; `None` where it is none of ours."""
    service = "worker" if part.startswith(WORKER) else part
    return service if service in SERVICES else None


def with_admin_port(gateway: Part, host: str, port: str) -> Part:
    """The gateway as it is, asked where its public port is not: that one tells clients nothing of its metrics.

    Its public port is a socket that it inherits; the address of that one is none of the admin port's.
    """
    url = f"http://{reachable(host)}:{port}"
    return replace(
        gateway,
        environment={**gateway.environment, ADMIN_PORT: port, "STEMWRIGHT_HOST": host},
        ready=HttpProbe(f"{url}/readyz"),
        alive=HttpProbe(f"{url}/healthz"),
    )


def reachable(host: str) -> str:
    """An address under which what listens on `host` is reached from this machine, as a URL has it."""
    address = EVERY_ADDRESS.get(host, host)
    return f"[{address}]" if ":" in address else address


def unheeded(told: Mapping[str, str], services: Iterable[Part]) -> list[str]:
    """Settings that whoever starts the platform has given, of which no service hears: parts listen where they find each
    other, and our own broker and store have our own keys."""
    gets = [part.environment for part in services]
    given = [name for name in sorted(told) if name.startswith(SETTINGS) and told[name]]
    overridden = [name for name in given if all(name in got and not _is_same(told[name], got[name]) for got in gets)]
    return [*overridden, *(name for name in given if name in BY_LISTENER)]


def _is_same(given: str, got: str) -> bool:
    return given == got or (got == "true" and given.lower() in {"1", "t", "true", "y", "yes", "on"})


def notes(
    settings: LocalSettings,
    gateway: socket.socket,
    errands: set[str],
    told: Mapping[str, str],
    unheeded: Sequence[str],
) -> tuple[str, ...]:
    said = []
    if unheeded:
        said.append(f"on one machine the platform decides by itself, so this does not count: {', '.join(unheeded)}")
    elsewhere = {
        "DATABASE_URL": settings.database_url,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "S3_ENDPOINT_URL": settings.s3_endpoint_url,
    }
    if given := " and ".join(name for name, value in elsewhere.items() if value):
        said.append(f"in the place of our own is used what is named by {given}, and it keeps what is put there")
    if settings.gateway_host in EVERY_ADDRESS and not told.get("S3_PUBLIC_ENDPOINT_URL"):
        said.append(
            "links to stems lead to this machine alone; for others set S3_PUBLIC_ENDPOINT_URL to what they call the "
            f"gateway, such as http://192.168.1.20:{port_of(gateway)}"
        )
    if settings.gateway_port is None and port_of(gateway) != DEFAULT_GATEWAY_PORT:
        said.append(f"port {DEFAULT_GATEWAY_PORT} is in use, so the gateway took {port_of(gateway)}")
    if MODEL in errands:
        said.append(f"the model {DEFAULT_MODEL} is imported first, which takes up to a minute")
    return tuple(said)


class Ports:
    """Gives each part the port that it had the last time, where that is still free."""

    def __init__(self, remembered: Mapping[str, int]) -> None:
        self._remembered = remembered
        self.given: dict[str, int] = {}
        self._held: list[socket.socket] = []

    def listen(self, name: str) -> socket.socket:
        listener = listen_on_a_free_port(LOOPBACK, self._remembered.get(name), self.given.values())
        self.given[name] = port_of(listener)
        return listener

    def free(self, name: str) -> int:
        """For a part that binds it itself."""
        holder = hold_free_port(LOOPBACK, self._remembered.get(name), self.given.values())
        self._held.append(holder)
        self.given[name] = port_of(holder)
        return self.given[name]

    def let_go(self) -> None:
        """From now on the ports of parts that bind their own are anybody's."""
        for holder in self._held:
            holder.close()
