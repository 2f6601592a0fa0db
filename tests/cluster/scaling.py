"""KEDA's own operator and adapter, and Prometheus with our metrics, beside the rehearsal's control plane."""

import base64
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import yaml

from services.local.sockets import LOOPBACK, free_port
from tests.cluster import programs
from tests.cluster.control_plane import ControlPlane, Object, wait

NAMESPACE = "keda"
AUTHORITY = "keda-operator.keda.svc.cluster.local"
EVERY = "2s"


@contextmanager
def prometheus(cluster: ControlPlane, folder: Path) -> Iterator[str]:
    """Debian's, which scrapes the pods that the ServiceMonitors would name; its address.

    It is built without Kubernetes' API: a file tells it of the pods.
    """
    folder.mkdir()
    targets = folder / "targets.json"
    job = {"job_name": "stemwright", "file_sd_configs": [{"files": [str(targets)], "refresh_interval": EVERY}]}
    told = {"global": {"scrape_interval": EVERY, "scrape_timeout": EVERY}, "scrape_configs": [job]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(told))
    address = f"{LOOPBACK}:{free_port(LOOPBACK)}"
    arguments = (f"--config.file={folder / 'prometheus.yml'}", f"--web.listen-address={address}")
    over = threading.Event()

    def tell() -> None:
        while not over.wait(1):
            arriving = targets.with_suffix(".new")
            arriving.write_text(json.dumps(list(_targets(cluster))))
            arriving.rename(targets)

    teller = threading.Thread(target=tell, name="targets")
    teller.start()
    try:
        kept = f"--storage.tsdb.path={folder / 'data'}"
        with _running(folder / "prometheus.log", "prometheus", *arguments, kept) as scraping:
            wait("Prometheus answers", lambda: _lives(scraping) and _answers(f"http://{address}/-/ready"))
            yield f"http://{address}"
    finally:
        over.set()
        teller.join()


def _targets(cluster: ControlPlane) -> Iterator[Object]:
    """The admin port of each pod, with the labels that the Prometheus operator would give it."""
    for pod in cluster.get("pods", "--namespace=music"):
        address, name = pod["status"].get("podIP"), pod["metadata"]["name"]
        ports = [one for container in pod["spec"]["containers"] for one in container.get("ports", ())]
        for port in ports:
            if address and port.get("name") == "admin":
                labels = {"namespace": "music", "pod": name}
                yield {"targets": [f"{address}:{port['containerPort']}"], "labels": labels}


@contextmanager
def keda(cluster: ControlPlane, folder: Path) -> Iterator[None]:
    """Its operator, which makes an HPA of each ScaledObject, and its adapter, which HPAs ask."""
    folder.mkdir()
    source, made = programs.downloaded(f"github.com/kedacore/keda/v2@v{programs.KEDA}"), programs.keda_folder()
    cluster.kubectl("apply", "--server-side", f"--filename={source / 'config' / 'crd' / 'bases'}")
    cluster.kubectl("wait", "--for=condition=established", "crd", "--all", "--timeout=600s")
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    metrics, probes, grpc, adapter, others = (free_port(LOOPBACK) for _ in range(5))
    environment = {"KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE, "POD_NAMESPACE": NAMESPACE, "WATCH_NAMESPACE": ""}
    certificates = folder / "certificates"
    certificates.mkdir()
    operator = (
        *(str(made / "operator"), f"--kubeconfig={cluster.kubeconfig}", f"--cert-dir={certificates}"),
        *("--enable-webhook-patching=false", f"--metrics-bind-address={LOOPBACK}:{metrics}"),
        *(f"--health-probe-bind-address={LOOPBACK}:{probes}", f"--metrics-service-bind-address={LOOPBACK}:{grpc}"),
    )
    with _running(folder / "certificates.log", *operator, "--enable-cert-rotation=true", **environment):
        wait("KEDA has made its certificates", lambda: bool(_certificates(cluster)))
    for name, value in _certificates(cluster).items():
        (certificates / name).write_bytes(base64.b64decode(value))
    with ExitStack() as stack:
        stack.enter_context(_running(folder / "operator.log", *operator, **environment))
        adapting = stack.enter_context(
            _running(
                folder / "adapter.log",
                *(str(made / "adapter"), f"--kubeconfig={cluster.kubeconfig}"),
                *(f"--lister-kubeconfig={cluster.kubeconfig}", f"--authentication-kubeconfig={cluster.kubeconfig}"),
                *(f"--authorization-kubeconfig={cluster.kubeconfig}", f"--bind-address={LOOPBACK}"),
                *(f"--secure-port={adapter}", f"--client-ca-file={certificates / 'ca.crt'}"),
                *(f"--tls-cert-file={certificates / 'tls.crt'}", f"--tls-private-key-file={certificates / 'tls.key'}"),
                *(f"--cert-dir={certificates}", f"--metrics-service-address={LOOPBACK}:{grpc}"),
                *(f"--metrics-service-grpc-authority={AUTHORITY}", f"--port={others}"),
                **environment,
            )
        )
        cluster.apply(*_external_metrics(adapter))
        wait("the API server asks KEDA for external metrics", lambda: _lives(adapting) and _available(cluster))
        yield


def _external_metrics(port: int) -> tuple[Object, Object]:
    """What leads the API server to the adapter, on this machine."""
    name = "keda-metrics-apiserver"
    service: Object = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
    }
    api: Object = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
        "spec": {
            "service": {"name": name, "namespace": NAMESPACE, "port": port},
            "group": "external.metrics.k8s.io",
            "version": "v1beta1",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
        },
    }
    return service, api


def _available(cluster: ControlPlane) -> bool:
    return cluster.kubectl("get", "--raw=/apis/external.metrics.k8s.io/v1beta1", check=False).returncode == 0


def _certificates(cluster: ControlPlane) -> dict[str, str]:
    found = cluster.kubectl("get", "secret", "kedaorg-certs", f"--namespace={NAMESPACE}", "--output=json", check=False)
    if found.returncode:
        return {}
    entries: dict[str, str] = json.loads(found.stdout).get("data") or {}
    return entries if "tls.key" in entries else {}


def _lives(process: subprocess.Popen[bytes]) -> bool:
    """True. Raises RuntimeError where it has ended."""
    if process.poll() is not None:
        raise RuntimeError(f"it has ended: {process.args!r}")
    return True


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


@contextmanager
def _running(log: Path, *command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program, ended with the block."""
    with log.open("ab") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, **environment})
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
