"""KEDA's own operator and adapter, and Prometheus with our metrics, beside the rehearsal's control plane."""

import base64
import json
import os
import subprocess
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
SCRAPE_EVERY = "2s"


@contextmanager
def prometheus(cluster: ControlPlane, folder: Path) -> Iterator[str]:
    """Debian's, which finds the release's pods as the ServiceMonitors would have it; its address."""
    folder.mkdir()
    found: Object = {
        "role": "pod",
        "api_server": cluster.server,
        "authorization": {"credentials": cluster.token},
        "tls_config": {"insecure_skip_verify": True},
        "namespaces": {"names": ["music"]},
    }
    kept = {"source_labels": ["__meta_kubernetes_pod_container_port_name"], "regex": "admin", "action": "keep"}
    named = {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"}
    pod = {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"}
    job = {"job_name": "stemwright", "kubernetes_sd_configs": [found], "relabel_configs": [kept, named, pod]}
    told = {"global": {"scrape_interval": SCRAPE_EVERY, "scrape_timeout": SCRAPE_EVERY}, "scrape_configs": [job]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(told))
    address = f"{LOOPBACK}:{free_port(LOOPBACK)}"
    arguments = (f"--config.file={folder / 'prometheus.yml'}", f"--web.listen-address={address}")
    with _running(folder / "prometheus.log", "prometheus", *arguments, f"--storage.tsdb.path={folder / 'data'}"):
        wait("Prometheus answers", lambda: _answers(f"http://{address}/-/ready"))
        yield f"http://{address}"


@contextmanager
def keda(cluster: ControlPlane, folder: Path) -> Iterator[None]:
    """Its operator, which makes an HPA of each ScaledObject, and its adapter, which HPAs ask."""
    folder.mkdir()
    source, made = programs.downloaded(f"github.com/kedacore/keda/v2@v{programs.KEDA}"), programs.keda_folder()
    cluster.kubectl("apply", "--server-side", f"--filename={source / 'config' / 'crd' / 'bases'}")
    cluster.kubectl("wait", "--for=condition=established", "crd", "--all", "--timeout=600s")
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    metrics, probes, grpc, adapter = (free_port(LOOPBACK) for _ in range(4))
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
        stack.enter_context(
            _running(
                folder / "adapter.log",
                *(str(made / "adapter"), f"--kubeconfig={cluster.kubeconfig}"),
                *(f"--lister-kubeconfig={cluster.kubeconfig}", f"--authentication-kubeconfig={cluster.kubeconfig}"),
                *(f"--authorization-kubeconfig={cluster.kubeconfig}", f"--bind-address={LOOPBACK}"),
                *(f"--secure-port={adapter}", f"--client-ca-file={certificates / 'ca.crt'}"),
                *(f"--tls-cert-file={certificates / 'tls.crt'}", f"--tls-private-key-file={certificates / 'tls.key'}"),
                *(f"--cert-dir={certificates}", f"--metrics-service-address={LOOPBACK}:{grpc}"),
                f"--metrics-service-grpc-authority={AUTHORITY}",
                **environment,
            )
        )
        cluster.apply(*_external_metrics(adapter))
        wait("the API server asks KEDA for external metrics", lambda: _available(cluster))
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


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


@contextmanager
def _running(log: Path, *command: str, **environment: str) -> Iterator[None]:
    """A program, ended with the block."""
    with log.open("ab") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, **environment})
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
