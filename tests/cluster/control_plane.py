"""A Kubernetes control plane on this machine: everything real but the nodes.

Their pods run nowhere (kwok), or as processes of the node agent.
"""

import base64
import json
import secrets
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import psutil
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.certificates import make_certificate
from tests.chart import crds, tools
from tests.cluster import programs

LOOPBACK = "127.0.0.1"
STAGES = Path(__file__).with_name("stages.yaml")
"""What becomes of pods: nothing runs them."""
APPLY = ("apply", "--server-side", "--validate=ignore")
"""Without validation, before which kubectl reads the description of every kind there is and waits 32 s for it: too
short where the processors have much else to do, and nothing lengthens it."""
Object = dict[str, Any]


class ControlPlane:
    """etcd, API server, controllers, scheduler and kwok, in a folder of their own; ended with the block."""

    def __init__(self, folder: Path, *, kwok: bool = True) -> None:
        """Without `kwok` somebody else answers for the nodes."""
        self._folder = folder
        self._kwok = kwok
        self._programs = programs.folder()
        self._ending = ExitStack()
        self._running: list[subprocess.Popen[bytes]] = []
        self.kubeconfig = folder / "kubeconfig"
        self.server = ""
        self.token = secrets.token_hex(16)

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            starting.callback(self._stop)
            self._start()
            starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self) -> None:
        etcd, peers, api, controllers, scheduler = (free_port() for _ in range(5))
        store = f"http://{LOOPBACK}:{etcd}"
        self._run(
            *("etcd", "--data-dir=etcd", f"--listen-client-urls={store}", f"--advertise-client-urls={store}"),
            *(f"--listen-peer-urls=http://{LOOPBACK}:{peers}", "--unsafe-no-fsync"),
        )
        (self._folder / "accounts.key").write_bytes(signing_key())
        self.server = f"https://{LOOPBACK}:{api}"
        (self._folder / "tokens.csv").write_text(f'{self.token},admin,admin,"system:masters"\n')
        self.kubeconfig.write_text(json.dumps(kubeconfig(self.server, self.token)))
        (self._folder / "front").mkdir()
        front, key = make_certificate(self._folder / "front")
        self._run(
            *("kube-apiserver", f"--etcd-servers={store}", f"--secure-port={api}", f"--bind-address={LOOPBACK}"),
            *(f"--advertise-address={LOOPBACK}", "--cert-dir=certs", "--token-auth-file=tokens.csv"),
            *("--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=accounts.key"),
            *("--service-account-signing-key-file=accounts.key", "--authorization-mode=Node,RBAC"),
            "--service-cluster-ip-range=10.96.0.0/16",
            # How it asks those who answer for others' APIs, as KEDA does for external metrics: as this certificate.
            *(f"--client-ca-file={front}", f"--requestheader-client-ca-file={front}"),
            *(f"--proxy-client-cert-file={front}", f"--proxy-client-key-file={key}"),
            *("--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group"),
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-allowed-names=server of a test",
        )
        wait("the API server is ready", self._api_is_ready)
        self._run(
            *("kube-controller-manager", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false"),
            *("--service-account-private-key-file=accounts.key", f"--bind-address={LOOPBACK}"),
            *(f"--secure-port={controllers}", "--root-ca-file=certs/apiserver.crt"),
            *(
                "--horizontal-pod-autoscaler-sync-period=2s",
                "--node-monitor-grace-period=1h",
            ),  # a busy machine is no lost node
        )
        self._run(
            *("kube-scheduler", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false"),
            *(f"--bind-address={LOOPBACK}", f"--secure-port={scheduler}"),
        )
        if self._kwok:
            self._run("kwok", f"--kubeconfig={self.kubeconfig}", "--manage-all-nodes=true", f"--config={STAGES}")

    def _api_is_ready(self) -> bool:
        ended = [str(process.args[0]) for process in self._running if process.poll() is not None]  # type: ignore[index]
        if ended:
            raise RuntimeError(f"it has ended: {', '.join(ended)}")
        return self.kubectl("get", "--raw=/readyz", check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        with (self._folder / f"{program}.log").open("wb") as log:
            command = (str(self._programs / program), *arguments)
            self._running.append(subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log))

    def _stop(self) -> None:
        for process in reversed(self._running):  # the store last: the others would wait for it
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        self._running.clear()

    def resident_megabytes(self) -> float:
        """Of all its processes together."""
        return sum(psutil.Process(process.pid).memory_info().rss for process in self._running) / 1e6

    def kubectl(
        self, *arguments: str, check: bool = True, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Raises RuntimeError, unless told not to check."""
        command = (str(tools.kubectl()), f"--kubeconfig={self.kubeconfig}", *arguments)
        ended = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if check and ended.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {ended.stderr.strip()}")
        return ended

    def helm(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Helm 4. Raises RuntimeError, unless told not to check."""
        command = (str(tools.helm("4")), f"--kubeconfig={self.kubeconfig}", *arguments)
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if check and ended.returncode:
            raise RuntimeError(f"helm {' '.join(arguments[:2])}: {ended.stderr.strip()}")
        return ended

    def apply(self, *objects: Object) -> None:
        """What the rehearsal itself needs; what the chart has is applied, and validated, by Helm."""
        content = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.kubectl(*APPLY, "--filename=-", given=content)

    def get(self, *arguments: str) -> list[Object]:
        """Objects of a kind, such as `get("pods", "--namespace=music")`."""
        found: Object = json.loads(self.kubectl("get", *arguments, "--output=json").stdout)
        return list(found["items"]) if "items" in found else [found]

    def apply_crds(self) -> None:
        """Those of the operators whose objects the chart has, from their releases."""
        for module, paths in crds.MODULES.items():
            source = programs.downloaded(module)
            self.kubectl(*APPLY, *(f"--filename={source / path}" for path in paths))
        self.apply(*(strimzi_crd(kind) for kind in ("KafkaTopic", "KafkaUser")))
        self.kubectl("wait", "--for=condition=established", "crd", "--all", "--timeout=600s")

    def evict(self, namespace: str, pod: str) -> str:
        """As a drain does. What the server had against it, empty if nothing."""
        named = {"name": pod, "namespace": namespace}
        eviction = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": named})
        place = f"--raw=/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
        return self.kubectl("create", place, "--filename=-", given=eviction, check=False).stderr


def strimzi_crd(kind: str) -> Object:
    """Strimzi's CRDs are not published where they could be fetched from here; these take any fields."""
    plural = f"{kind.lower()}s"
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything}}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.kafka.strimzi.io"},
        "spec": {
            "group": "kafka.strimzi.io",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def signing_key() -> bytes:
    """Of the tokens of service accounts."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def kubeconfig(server: str, token: str) -> Object:
    cluster = {"server": server, "insecure-skip-tls-verify": True}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "admin"}}],
        "current-context": "here",
    }


def node(name: str, zone: str, *, gpus: int = 0) -> Object:
    """A machine that is an object only."""
    room = {"cpu": "64", "memory": "256Gi", "pods": "110", "ephemeral-storage": "1Ti", "nvidia.com/gpu": str(gpus)}
    labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone}
    if gpus:
        labels["nvidia.com/gpu.present"] = "true"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]} if gpus else {},
        "status": {"allocatable": room, "capacity": room},
    }


def secret(name: str, **entries: str) -> Object:
    """Entries are named with `_` for `-` and `.`: the rehearsal reads none of them."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in entries.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "music"}, "data": data}


def wait(what: str, is_so: Callable[[], bool], seconds: float = 600) -> float:
    """Polls until it is so; how long it took. Raises TimeoutError, after what a busy machine needs."""
    begun = time.monotonic()
    while not is_so():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"not after {seconds:.0f} s: {what}")
        time.sleep(0.2)
    return time.monotonic() - begun


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
