"""Whatever names another object, port or volume names one that is there."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest

from tests.chart.rendering import EXAMPLES, Object, containers, of_kind, pods

every_example = pytest.mark.parametrize("name", EXAMPLES)
THEIRS = {"default"}  # the service account that every namespace has


def matches(selector: Object, labels: Object) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def ports(pod: Object) -> set[str]:
    return {port["name"] for container in containers(pod) for port in container.get("ports", [])}


def selected(name: str, selector: Object) -> list[Object]:
    return [pod for _, pod in pods(name) if matches(selector, pod["metadata"]["labels"])]


@every_example
def test_services_lead_to_ports_of_pods(name: str) -> None:
    for service in of_kind(name, "Service"):
        found = selected(name, service["spec"]["selector"])
        assert found, service["metadata"]["name"]
        for pod in found:
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports(pod)


@every_example
def test_deployments_budgets_and_spreads_select_their_own_pods_alone(name: str) -> None:
    for one in of_kind(name, "Deployment", "PodDisruptionBudget"):
        found = selected(name, one["spec"]["selector"]["matchLabels"])
        assert len(found) == 1, one["metadata"]["name"]
        for constraint in found[0]["spec"]["topologySpreadConstraints"]:
            assert selected(name, constraint["labelSelector"]["matchLabels"]) == found


@every_example
def test_scalers_name_deployments(name: str) -> None:
    deployments = {one["metadata"]["name"] for one in of_kind(name, "Deployment")}
    for one in of_kind(name, "HorizontalPodAutoscaler", "ScaledObject"):
        assert one["spec"]["scaleTargetRef"]["name"] in deployments


@every_example
def test_routes_lead_to_the_gateway(name: str) -> None:
    services = {
        one["metadata"]["name"]: {port["name"]: port["port"] for port in one["spec"]["ports"]}
        for one in of_kind(name, "Service")
    }
    backends = [
        (ref["name"], ref["port"])
        for one in of_kind(name, "HTTPRoute")
        for rule in one["spec"]["rules"]
        for ref in rule["backendRefs"]
    ]
    for one in of_kind(name, "Ingress"):
        service = one["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        backends.append((service["name"], services[service["name"]][service["port"]["name"]]))
    assert all(services[service]["http"] == port and service == "stemwright-gateway" for service, port in backends)
    assert len(backends) == (name != "small")


@every_example
def test_monitors_read_ports_of_services(name: str) -> None:
    monitors = of_kind(name, "ServiceMonitor")
    assert bool(monitors) == (name in ("production", "gpu"))
    for monitor in monitors:
        found = [
            one
            for one in of_kind(name, "Service")
            if matches(monitor["spec"]["selector"]["matchLabels"], one["metadata"]["labels"])
        ]
        assert found, monitor["metadata"]["name"]
        for service in found:
            assert {one["port"] for one in monitor["spec"]["endpoints"]} <= {
                port["name"] for port in service["spec"]["ports"]
            }


@every_example
def test_pods_name_accounts_volumes_and_ports_that_there_are(name: str) -> None:
    accounts = {one["metadata"]["name"] for one in of_kind(name, "ServiceAccount")} | THEIRS
    for owner, pod in pods(name):
        assert pod["spec"].get("serviceAccountName", "default") in accounts
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        mounted = {mount["name"] for container in containers(pod) for mount in container["volumeMounts"]}
        assert mounted == volumes, owner
        for container in containers(pod):
            probes = [container[probe]["httpGet"]["port"] for probe in container if probe.endswith("Probe")]
            assert set(probes) <= ports(pod)
            files = [
                one["value"] for one in container.get("env", []) if one["name"].endswith("_FILE") and "value" in one
            ]
            places = [mount["mountPath"] for mount in container["volumeMounts"]]
            assert all(any(file.startswith(f"{place}/") for place in places) for file in files)


@every_example
def test_pods_name_priorities_that_there_are(name: str) -> None:
    classes = {one["metadata"]["name"] for one in of_kind(name, "PriorityClass")}
    assert {pod["spec"]["priorityClassName"] for _, pod in pods(name) if "priorityClassName" in pod["spec"]} <= classes


def rules(policy: Object) -> Iterator[tuple[str, Object, Object]]:
    """Direction, rule and peer of what a policy allows between pods."""
    for direction, word in (("ingress", "from"), ("egress", "to")):
        for rule in policy["spec"].get(direction, []):
            for peer in rule.get(word, []):
                labels = peer.get("podSelector", {}).get("matchLabels", {})
                if labels.get("app.kubernetes.io/name") == "stemwright":
                    yield direction, rule, labels


@every_example
def test_nothing_is_allowed_that_no_policy_says(name: str) -> None:
    policies = of_kind(name, "NetworkPolicy")
    (deny,) = (one for one in policies if one["metadata"]["name"] == "stemwright-default-deny")
    assert set(deny["spec"]) == {"podSelector", "policyTypes"}
    assert deny["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for owner, pod in pods(name):
        assert matches(deny["spec"]["podSelector"]["matchLabels"], pod["metadata"]["labels"])
        own = [
            one
            for one in policies
            if one is not deny and matches(one["spec"]["podSelector"]["matchLabels"], pod["metadata"]["labels"])
        ]
        assert len(own) == 1, owner


@every_example
def test_both_ends_of_a_way_allow_it(name: str) -> None:
    """What one pod may send to another, that one takes, on a port that it has; and the other way round."""
    ways: dict[str, set[tuple[str, str, str]]] = {"ingress": set(), "egress": set()}
    for policy in of_kind(name, "NetworkPolicy"):
        mine = policy["spec"]["podSelector"]["matchLabels"].get("app.kubernetes.io/component")
        for direction, rule, peer in rules(policy):
            other = peer["app.kubernetes.io/component"]
            source, target = (other, mine) if direction == "ingress" else (mine, other)
            for port in rule["ports"]:
                assert all(
                    port["port"] in ports(pod)
                    for pod in selected(
                        name, peer if direction == "egress" else policy["spec"]["podSelector"]["matchLabels"]
                    )
                )
                ways[direction].add((source, target, port["port"]))
    to_all = {way for way in ways["egress"] if way[1] == "gateway"}  # everybody reaches the gateway
    assert ways["egress"] - to_all == ways["ingress"]
    assert ("worker", "accounts", "http") not in ways["egress"]


def test_nothing_leaves_a_cluster_that_has_no_way_out() -> None:
    """A rule without `to` allows every address; one with an address allows those of private networks alone."""
    for policy in of_kind("air-gapped", "NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            assert rule.get("to"), policy["metadata"]["name"]
            blocks = [ip_network(peer["ipBlock"]["cidr"]) for peer in rule["to"] if "ipBlock" in peer]
            assert all(block.is_private for block in blocks)


def test_webhooks_go_to_public_addresses_alone() -> None:
    (policy,) = (
        one for one in of_kind("production", "NetworkPolicy") if one["metadata"]["name"] == "stemwright-notifier"
    )
    blocks = [peer["ipBlock"] for rule in policy["spec"]["egress"] for peer in rule.get("to", []) if "ipBlock" in peer]
    assert {block["cidr"] for block in blocks} == {"0.0.0.0/0", "::/0"}
    excepted = [ip_network(network) for block in blocks for network in block["except"]]
    for inside in ("10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "127.0.0.1", "fd00::1"):
        assert any(ip_address(inside) in network for network in excepted), inside


@every_example
def test_settings_that_are_addresses_of_ours_lead_to_services(name: str) -> None:
    services = {
        one["metadata"]["name"]: {port["port"] for port in one["spec"]["ports"]} for one in of_kind(name, "Service")
    }
    for _, pod in pods(name):
        for container in containers(pod):
            for one in container.get("env", []):
                host, _, port = one.get("value", "").removeprefix("http://").partition("/")[0].partition(":")
                if host.startswith("stemwright-") and port:
                    assert int(port) in services[host], one
