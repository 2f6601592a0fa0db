"""What every pod of the chart keeps to, whatever the values say."""

import re
from typing import Any

import pytest

from services.cli import SERVICES
from tests.chart.rendering import EXAMPLES, Object, containers, environment, named, objects, of_kind, pods

SECRETS = {
    "gateway": {"kafka", "redis"},
    "upload": {"kafka", "database", "store"},
    "accounts": {"kafka", "database", "tokens", "mail", "stripe"},
    "orchestrator": {"kafka", "database", "store"},
    "notifier": {"kafka", "database", "webhooks"},
    "worker": {"kafka", "store", "triton"},
    "triton": {"triton"},
    "canary": {"canary"},
    "migrate": {"kafka", "database", "store"},
    "test": set[str](),
}
"""What each process may know."""
CONCERNS = {
    "app": "database",  # CloudNativePG calls the secret so
    "cert": "kafka",
    **{f"stemwright-{service}": "kafka" for service in SERVICES},  # Strimzi calls a user's secret as the user
}
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")

every_example = pytest.mark.parametrize("name", EXAMPLES)


def concern(secret: str) -> str:
    """What a secret is about, by its name in the examples."""
    return CONCERNS.get(secret) or CONCERNS.get(secret.rpartition("-")[2]) or secret.removeprefix("stemwright-")


def component(pod: Object) -> str:
    return str(pod["metadata"]["labels"]["app.kubernetes.io/component"])


def secrets(pod: Object) -> set[str]:
    """Names of all that a pod reads."""
    told = [environment(container) for container in containers(pod)]
    variables = [
        one["valueFrom"]["secretKeyRef"]["name"] for each in told for one in each.values() if "valueFrom" in one
    ]
    files = [one["secret"]["secretName"] for one in pod["spec"]["volumes"] if "secret" in one]
    return {*variables, *files}


@every_example
def test_pods_run_under_the_restricted_standard(name: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    for owner, pod in pods(name):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], owner
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert all(set(volume) & {"emptyDir", "secret", "configMap"} for volume in spec["volumes"])
        for container in containers(pod):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert not set(context) & {"privileged", "procMount"}


@every_example
def test_no_pod_writes_outside_of_sized_volumes_or_holds_a_token(name: str) -> None:
    for owner, pod in pods(name):
        assert pod["spec"]["automountServiceAccountToken"] is False, owner
        assert pod["spec"]["enableServiceLinks"] is False
        assert all("sizeLimit" in one["emptyDir"] for one in pod["spec"]["volumes"] if "emptyDir" in one)
        assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in containers(pod))
    assert all(one["automountServiceAccountToken"] is False for one in of_kind(name, "ServiceAccount"))


@every_example
def test_every_container_says_what_it_needs_and_may_take(name: str) -> None:
    for owner, pod in pods(name):
        for container in containers(pod):
            resources = container["resources"]
            assert {"cpu", "memory", "ephemeral-storage"} <= set(resources["requests"]), owner
            assert set(resources["limits"]) == set(resources["requests"])
            assert all(
                amount(resources["requests"][one]) <= amount(resources["limits"][one]) for one in resources["limits"]
            )


@every_example
def test_what_a_volume_may_hold_fits_into_what_its_pod_may_take(name: str) -> None:
    """Beyond the limit of ephemeral storage the kubelet evicts a pod, long before the volume is full."""
    for owner, pod in pods(name):
        disks = [
            one["emptyDir"]["sizeLimit"]
            for one in pod["spec"]["volumes"]
            if "emptyDir" in one and "medium" not in one["emptyDir"]
        ]
        allowed = sum(
            amount(one["resources"]["limits"]["ephemeral-storage"])
            for one in containers(pod)
            if "ephemeral-storage" in one["resources"]["limits"]
        )
        assert sum(map(amount, disks)) <= allowed, owner


@every_example
def test_a_process_knows_the_secrets_of_its_concerns_alone(name: str) -> None:
    for owner, pod in pods(name):
        assert {concern(secret) for secret in secrets(pod)} <= SECRETS[component(pod)], owner
    known = {secret for _, pod in pods(name) for secret in secrets(pod)}
    assert not known & {one["metadata"]["name"] for one in of_kind(name, "Secret")}  # they exist before
    assert not of_kind(name, "Secret")


@every_example
def test_no_secret_is_a_value(name: str) -> None:
    telling = re.compile("PASSWORD|SECRET|_KEY$|SEALING|DATABASE_URL|STORAGE$")
    for _, pod in pods(name):
        for container in containers(pod):
            assert [
                one["name"] for one in container.get("env", []) if telling.search(one["name"]) and "value" in one
            ] == []


@every_example
def test_who_is_scaled_says_no_number_of_replicas(name: str) -> None:
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in of_kind(name, *SCALERS)}
    assert scaled or name in ("small", "air-gapped")
    for one in of_kind(name, "Deployment"):
        assert ("replicas" in one["spec"]) == (one["metadata"]["name"] not in scaled)


@every_example
def test_a_disruption_budget_lets_one_pod_go_and_is_for_several_alone(name: str) -> None:
    fewest = {one["metadata"]["name"]: one["spec"].get("replicas") for one in of_kind(name, "Deployment")}
    for scaler in of_kind(name, *SCALERS):
        spec = scaler["spec"]
        fewest[spec["scaleTargetRef"]["name"]] = spec.get("minReplicas", spec.get("minReplicaCount"))
    budgets = {one["metadata"]["name"]: one["spec"] for one in of_kind(name, "PodDisruptionBudget")}
    assert set(budgets) == {owner for owner, number in fewest.items() if number > 1}
    assert all(budget["maxUnavailable"] == 1 for budget in budgets.values())


@every_example
def test_pods_stop_within_what_they_are_given(name: str) -> None:
    for one in of_kind(name, "Deployment"):
        spec = one["spec"]["template"]["spec"]
        kind = component(one)
        if kind == "triton":
            continue
        told = environment(spec["containers"][0])
        if kind == "worker":
            assert spec["terminationGracePeriodSeconds"] == 645
            assert told["STEMWRIGHT_WORKER_GRACE_SECONDS"]["value"] == "600"
        else:
            assert spec["terminationGracePeriodSeconds"] == 5 + 40
            assert spec["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
            parts = ("STEMWRIGHT_DRAIN_SECONDS", "STEMWRIGHT_SHUTDOWN_GRACE_SECONDS")
            assert 5 + sum(int(told[part]["value"]) for part in parts) < 45


@every_example
def test_every_service_runs_and_is_asked_how_it_is(name: str) -> None:
    run = {}
    for one in of_kind(name, "Deployment"):
        for container in one["spec"]["template"]["spec"]["containers"]:
            if container["name"] != "triton":
                run[container["args"][1]] = container
                assert container["args"][0] == "run"
                assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "admin"}
                assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
                assert "startupProbe" in container
    assert set(run) == {*SERVICES, *(["canary"] if name == "gpu" else [])}


@every_example
def test_services_wait_for_the_schema_that_they_know(name: str) -> None:
    for service in ("accounts", "upload", "orchestrator", "notifier"):
        pod = named(name, "Deployment", f"stemwright-{service}")["spec"]["template"]
        (check,) = pod["spec"]["initContainers"]
        assert check["args"] == ["migrate", "--check", service]
        assert "DATABASE_URL" in environment(check)


def test_migrations_of_a_hook_need_nothing_of_the_release() -> None:
    job = named("production", "Job", "stemwright-migrate")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    spec = job["spec"]["template"]["spec"]
    assert "serviceAccountName" not in spec
    assert "configMapKeyRef" not in str(spec)
    steps = {one["name"]: one["args"] for one in containers(job["spec"]["template"])}
    assert steps == {"topics": ["topics", "apply"], "migrate": ["migrate"]}
    known = {
        one["name"]: {concern(each["valueFrom"]["secretKeyRef"]["name"]) for each in one["env"] if "valueFrom" in each}
        for one in containers(job["spec"]["template"])
    }
    assert known == {"topics": {"kafka"}, "migrate": {"database"}}


def test_what_a_release_makes_itself_is_migrated_beside_it() -> None:
    job = named("air-gapped", "Job", "stemwright-migrate-1")
    assert "annotations" not in job["metadata"]
    cluster = named("air-gapped", "Cluster", "stemwright-database")
    assert cluster["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


@every_example
def test_production_runs_images_by_digest(name: str) -> None:
    images = {container["image"] for _, pod in pods(name) for container in containers(pod)}
    assert name == "small" or all(re.search(r"@sha256:[0-9a-f]{64}$", image) for image in images)
    assert name != "air-gapped" or all(image.startswith("registry.internal.example/") for image in images)


def test_a_pool_is_scaled_by_outstanding_music() -> None:
    spec = named("production", "ScaledObject", "stemwright-worker-cpu")["spec"]
    (trigger,) = spec["triggers"]
    assert trigger["metricType"] == "AverageValue"
    assert trigger["metadata"]["ignoreNullValues"] == "false"
    assert trigger["metadata"]["threshold"] == str(60 * 20 * 1)  # wait, speed, slots
    assert "max by (model, tier)" in trigger["metadata"]["query"]
    assert spec["fallback"]["behavior"] == "currentReplicasIfHigher"
    assert spec["minReplicaCount"] >= 1
    down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down == {"stabilizationWindowSeconds": 600, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}


def test_gpus_are_asked_for_where_the_network_runs() -> None:
    beside = named("gpu", "Deployment", "stemwright-worker-fast")["spec"]["template"]
    apart = named("gpu", "Deployment", "stemwright-triton-try-out")["spec"]["template"]
    asker = named("gpu", "Deployment", "stemwright-worker-try-out")["spec"]["template"]
    gpus = {
        (component(pod), one["name"]): one["resources"]["limits"].get("nvidia.com/gpu")
        for pod in (beside, apart, asker)
        for one in containers(pod)
    }
    assert {place for place, number in gpus.items() if number} == {("worker", "triton"), ("triton", "triton")}
    for pod in (beside, apart):
        assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod["spec"]["tolerations"]
    server = next(one for one in beside["spec"]["initContainers"] if one["name"] == "triton")
    assert server["restartPolicy"] == "Always"
    assert server["startupProbe"]["failureThreshold"] * server["startupProbe"]["periodSeconds"] == 900


@every_example
def test_who_is_sent_to_nodes_with_gpus_may_run_there(name: str) -> None:
    """Such nodes are tainted; a pod that is sent there and does not bear that waits for ever."""
    for owner, pod in pods(name):
        selector = pod["spec"].get("nodeSelector", {})
        borne = [one["key"] for one in pod["spec"].get("tolerations", [])]
        assert "nvidia.com/gpu.present" not in selector or "nvidia.com/gpu" in borne, owner
    sent = [owner for owner, pod in pods(name) if "nodeSelector" in pod["spec"]]
    assert sorted(sent) == (["stemwright-triton-try-out", "stemwright-worker-fast"] if name == "gpu" else [])


def test_a_worker_and_the_triton_beside_it_are_one_user() -> None:
    """Regions of shared memory are readable by their owner alone (services/worker/inference/triton/buffers.py)."""
    spec = named("gpu", "Deployment", "stemwright-worker-fast")["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsUser"] == 10001
    assert not [one["name"] for one in containers({"spec": spec}) if "runAsUser" in one["securityContext"]]
    shared = [
        mount["name"]
        for one in containers({"spec": spec})
        for mount in one["volumeMounts"]
        if mount["mountPath"] == "/dev/shm"
    ]
    assert shared == ["shm", "shm"]


def test_pods_are_spread_and_go_in_the_order_of_their_priority() -> None:
    for one in of_kind("production", "Deployment"):
        spec = one["spec"]["template"]["spec"]
        keys = [constraint["topologyKey"] for constraint in spec["topologySpreadConstraints"]]
        assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
        kind = "workers" if component(one) == "worker" else "services"
        assert spec["priorityClassName"] == f"stemwright-{kind}"
    classes = {one["metadata"]["name"]: one["value"] for one in of_kind("production", "PriorityClass")}
    assert classes["stemwright-services"] > classes["stemwright-workers"]


def test_objects_carry_the_labels_by_which_people_find_them() -> None:
    for name in EXAMPLES:
        for one in objects(name):
            labels: dict[str, Any] = one["metadata"]["labels"]
            assert labels["app.kubernetes.io/part-of"] == "stemwright"
            assert labels["app.kubernetes.io/managed-by"] == "Helm"
            assert one["kind"] == "PriorityClass" or one["metadata"]["namespace"] == "music"


UNITS = {"m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}


def amount(quantity: object) -> float:
    """A quantity of Kubernetes as a number."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(quantity)).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]
