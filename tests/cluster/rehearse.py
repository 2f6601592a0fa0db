"""Installs, upgrades, rolls back, drains and uninstalls the chart on a real control plane (`make rehearse`).

Admission, controllers, scheduler, garbage collector and Helm are real; nodes are objects, whose pods run nothing and
are ready after two seconds. So this is about the chart and Kubernetes: that the API server takes every object under Pod
Security `restricted` and a quota, that hooks, rollouts and evictions go as they are meant to, that nothing is left.
"""

import json
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chart.rendering import CHART, DIGEST, EXAMPLES
from tests.cluster import programs
from tests.cluster.control_plane import ControlPlane, Object, node, secret, wait

NAMESPACE = ("--namespace=music",)
RELEASE = "stemwright"
TIMEOUT = "--timeout=15m"
ANOTHER_DIGEST = f"sha256:{'fedcba9876543210' * 4}"
FAILS = "migrate.settings.REHEARSAL_FAILS=yes"
"""With this variable pods of the migrate step end badly (`stages.yaml`)."""
LEFT = {"KafkaTopic": "kafkatopics.kafka.strimzi.io", "Cluster": "clusters.postgresql.cnpg.io"}
"""Kinds that outlive a release: they hold data."""
QUOTA = {
    "requests.cpu": "100",
    "requests.memory": "200Gi",
    "limits.cpu": "200",
    "limits.memory": "400Gi",
    "pods": "100",
}


@contextmanager
def step(what: str) -> Iterator[None]:
    """Says what was done and how long it took."""
    begun = time.monotonic()
    yield
    print(f"  {what}: {time.monotonic() - begun:.1f} s", flush=True)


def prepare(cluster: ControlPlane) -> None:
    """Nodes in two zones, two of them with GPUs, CRDs, and the namespace with its secrets and its quota."""
    cluster.apply(*(node(f"cpu-{number}", f"zone-{number % 2}") for number in range(3)))
    cluster.apply(*(node(f"gpu-{number}", f"zone-{number}", gpus=4) for number in range(2)))
    with step("CRDs of KEDA, Gateway API, the Prometheus operator and CloudNativePG"):
        cluster.apply_crds()
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "music", "labels": labels}})
    names = ("canary", "database", "kafka", "mail", "redis", "store", "stripe", "tokens", "triton", "webhooks")
    cluster.apply(*(secret(f"stemwright-{name}", key="value") for name in names))
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "all", "namespace": "music"}}
    cluster.apply({**quota, "spec": {"hard": QUOTA}})
    wait("the namespace has its account", lambda: bool(cluster.get("serviceaccounts", *NAMESPACE)))


def ready(cluster: ControlPlane) -> dict[str, int]:
    """Pods of each deployment that may serve."""
    return {
        one["metadata"]["name"]: one["status"].get("readyReplicas", 0) for one in cluster.get("deployments", *NAMESPACE)
    }


def pods(cluster: ControlPlane, component: str | None = None) -> list[Object]:
    """Those that run and are not on their way out."""
    selector = () if component is None else (f"--selector=app.kubernetes.io/component={component}",)
    return [
        one
        for one in cluster.get("pods", *NAMESPACE, *selector)
        if "deletionTimestamp" not in one["metadata"] and one["status"]["phase"] in ("Pending", "Running")
    ]


def images(cluster: ControlPlane) -> set[str]:
    """Of the services' containers."""
    found = {container["image"] for pod in pods(cluster) for container in pod["spec"]["containers"]}
    return {image for image in found if "triton" not in image}


def migrated(cluster: ControlPlane) -> bool:
    """Whether the migrate step of this revision has ended well: a hook by Helm's word, a job by its own."""
    told: Object = json.loads(cluster.helm("status", RELEASE, *NAMESPACE, "--output=json").stdout)
    jobs = [hook for hook in told.get("hooks", []) if hook["kind"] == "Job"]
    if jobs:
        return all(hook["last_run"]["phase"] == "Succeeded" for hook in jobs)
    return all(job["status"].get("succeeded") for job in cluster.get("jobs", *NAMESPACE))


def install(cluster: ControlPlane, name: str) -> None:
    with step("helm install --wait"):
        cluster.helm("install", RELEASE, str(CHART), *NAMESPACE, "--wait", TIMEOUT, *EXAMPLES[name].arguments())
    assert min(ready(cluster).values()) >= 1, ready(cluster)
    wait("the migrate step has ended well", lambda: migrated(cluster))
    refused = [one["message"] for one in cluster.get("events", *NAMESPACE) if "forbidden" in one.get("message", "")]
    assert refused == [], refused
    with step("helm test"):
        cluster.helm("test", RELEASE, *NAMESPACE, TIMEOUT)


def grow(cluster: ControlPlane) -> None:
    """Each deployment has as many pods as its scaler wants at least; KEDA's part is taken here, for it is not."""
    for scaled in cluster.get("scaledobjects.keda.sh", *NAMESPACE):
        target, fewest = scaled["spec"]["scaleTargetRef"]["name"], scaled["spec"]["minReplicaCount"]
        cluster.kubectl("scale", "deployment", target, f"--replicas={fewest + 1}", *NAMESPACE)
    with step("autoscalers have what they want at least"):
        wait("deployments have grown", lambda: grown(cluster))


def grown(cluster: ControlPlane) -> bool:
    there = ready(cluster)
    wanted = {
        one["spec"]["scaleTargetRef"]["name"]: int(one["spec"]["minReplicas"])
        for one in cluster.get("horizontalpodautoscalers", *NAMESPACE)
    }
    wanted |= {
        one["spec"]["scaleTargetRef"]["name"]: int(one["spec"]["minReplicaCount"]) + 1
        for one in cluster.get("scaledobjects.keda.sh", *NAMESPACE)
    }
    return all(there[name] >= number for name, number in wanted.items())


def fail_to_migrate(cluster: ControlPlane, upgrade: list[str]) -> None:
    """A migration that fails ends the upgrade before anything of the release has changed."""
    before = {pod["metadata"]["uid"] for pod in pods(cluster)}
    with step("helm upgrade whose migration fails, is refused"):
        fails = (f"--set={FAILS}", "--set=migrate.backoffLimit=0")
        ended = cluster.helm(
            "upgrade", RELEASE, str(CHART), *NAMESPACE, "--wait", TIMEOUT, *upgrade, *fails, check=False
        )
    assert ended.returncode, "it went well"
    assert "pre-upgrade" in ended.stderr, ended.stderr
    now = {pod["metadata"]["uid"] for pod in pods(cluster) if not is_of(pod, "migrate")}
    assert now == before, "an upgrade has gone on without its migration"


def is_of(pod: Object, component: str) -> bool:
    return bool(pod["metadata"]["labels"]["app.kubernetes.io/component"] == component)


def upgrade_and_roll_back(cluster: ControlPlane, name: str) -> None:
    """Every pod is another one afterwards; what a scaler had set stays."""
    arguments = [one.replace(DIGEST, ANOTHER_DIGEST) for one in EXAMPLES[name].arguments()]
    if name == "small":
        arguments.append("--set=image.tag=another")
    before, size = images(cluster), ready(cluster)
    if name != "air-gapped":  # its job runs beside the release, whose pods wait for it
        fail_to_migrate(cluster, arguments)
    with step("helm upgrade --wait"):
        cluster.helm("upgrade", RELEASE, str(CHART), *NAMESPACE, "--wait", TIMEOUT, *arguments)
    after = images(cluster)
    assert after.isdisjoint(before), after
    wait("the migrate step has ended well", lambda: migrated(cluster))
    assert ready(cluster) == size, "the upgrade has scaled what others scale"
    with step("helm rollback --wait"):
        cluster.helm("rollback", RELEASE, "1", *NAMESPACE, "--wait", TIMEOUT)
    assert images(cluster) == before, images(cluster)
    assert ready(cluster) == size, "the rollback has scaled what others scale"


def hold_back(cluster: ControlPlane) -> None:
    """Of two pods of the gateway one may be evicted, and the other not before a third is ready."""
    nodes = [one["metadata"]["name"] for one in cluster.get("nodes")]
    one, other = (pod["metadata"]["name"] for pod in pods(cluster, "gateway")[:2])
    with step("an eviction beyond the disruption budget, is refused"):
        for each in nodes:
            cluster.kubectl("cordon", each)
        assert cluster.evict("music", one) == "", "the first pod may go"
        assert "disruption budget" in cluster.evict("music", other)
        for each in nodes:
            cluster.kubectl("uncordon", each)
        wait("the pod has been replaced", lambda: ready(cluster)["stemwright-gateway"] >= 2)


def drain(cluster: ControlPlane) -> None:
    """Of each deployment of several pods one at least is ready, all the time, while every node is emptied in turn."""
    fewest = ready(cluster)
    several = {name for name, number in fewest.items() if number > 1}
    assert several, "nothing runs in several pods"
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for name, number in ready(cluster).items():
                fewest[name] = min(fewest.get(name, number), number)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with step("kubectl drain of every node in turn"):
            for one in cluster.get("nodes"):
                name = one["metadata"]["name"]
                cluster.kubectl("drain", name, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=600s")
                cluster.kubectl("uncordon", name)
    finally:
        over.set()
        watcher.join()
    assert all(fewest[name] >= 1 for name in several), fewest


def refuse(cluster: ControlPlane) -> None:
    """The rules that the chart keeps to are enforced here: what breaks them does not get in."""
    root = '[{"op":"remove","path":"/spec/template/spec/securityContext"}]'
    cluster.kubectl("patch", "deployment", "stemwright-gateway", *NAMESPACE, "--type=json", f"--patch={root}")

    def refused() -> bool:
        found = cluster.get("replicasets", *NAMESPACE, "--selector=app.kubernetes.io/component=gateway")
        said = [one["message"] for each in found for one in each["status"].get("conditions", [])]
        return any("violates PodSecurity" in message for message in said)

    with step("a pod that may be root, is refused"):
        wait("Pod Security refuses a pod that may be root", refused)
    assert ready(cluster)["stemwright-gateway"] >= 1


def uninstall(cluster: ControlPlane, secrets: set[str]) -> None:
    """Nothing of the release is left in the cluster but what is to be kept."""
    with step("helm uninstall --wait"):
        cluster.helm("uninstall", RELEASE, *NAMESPACE, "--wait", TIMEOUT)
    kinds = cluster.kubectl("api-resources", "--verbs=list,delete", "--output=name").stdout.split()
    wanted = ",".join(kind for kind in kinds if not kind.startswith("events"))
    selector = "--selector=app.kubernetes.io/part-of=stemwright"

    def left() -> set[str]:
        return {one["kind"] for one in cluster.get(wanted, *NAMESPACE, selector)}

    wait("nothing is left but what is kept", lambda: not cluster.get("pods", *NAMESPACE) and left() <= set(LEFT))
    assert names(cluster.get("secrets", *NAMESPACE)) == secrets
    for kind in left():
        cluster.kubectl("delete", LEFT[kind], "--all", *NAMESPACE)
    cluster.kubectl("delete", "events", "--all", *NAMESPACE)


def names(objects: list[Object]) -> set[str]:
    return {one["metadata"]["name"] for one in objects}


def rehearse(cluster: ControlPlane) -> None:
    """All of it, with each of the chart's files of values."""
    prepare(cluster)
    secrets = names(cluster.get("secrets", *NAMESPACE))
    for name in EXAMPLES:
        print(f"{name}:", flush=True)
        install(cluster, name)
        grow(cluster)
        upgrade_and_roll_back(cluster, name)
        if name in ("production", "gpu"):
            hold_back(cluster)
            drain(cluster)
        used: dict[str, str] = cluster.get("resourcequota", "all", *NAMESPACE)[0]["status"]["used"]
        requested = f"{used['requests.cpu']} CPUs and {used['requests.memory']} requested"
        print(f"  {used['pods']} pods, {requested}", flush=True)
        if name == "production":
            refuse(cluster)
        uninstall(cluster, secrets)


def main() -> None:
    """Everything, and how long it took. What the parts said is kept where a step failed."""
    if shutil.which("go") is None:
        print("Left out: a control plane is built with Go, which is not on the PATH.")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    versions = f"Kubernetes {programs.KUBERNETES}, etcd {programs.ETCD}, kwok {programs.KWOK}"
    print(f"{versions}: what is not built yet is built now.", flush=True)
    programs.folder()
    begun = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="stemwright-rehearsal-"))
    try:
        with ControlPlane(folder) as cluster:
            print(f"The control plane is ready after {time.monotonic() - begun:.1f} s.", flush=True)
            rehearse(cluster)
            print(f"All went well: {time.monotonic() - begun:.0f} s, {cluster.resident_megabytes():.0f} MB resident.")
    except (AssertionError, RuntimeError, TimeoutError) as error:
        sys.exit(f"Failed: {error}\nWhat the parts said: {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
