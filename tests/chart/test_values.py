"""What people write into values: what is refused, what is told of it, and that what the chart sets exists."""

import json
import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.chart import readme
from tests.chart.rendering import CHART, DIGEST, EXAMPLES, HELMS, ROOT, containers, environment, helm, objects, pods

OF_LIBRARIES = {"AWS_CA_BUNDLE"}
"""What a library reads by itself: boto3's authorities."""
REFUSED = {
    "no digest in production": ("production", ("image.digest=",), "digest"),
    "a tag as a digest": ("production", ("image.digest=latest",), "digest"),
    "a route without trusted proxies": ("production", ("gateway.trustedProxies=null",), "trustedProxies"),
    "a route behind no proxies": ("production", ("gateway.trustedProxies={none}",), "trustedProxies"),
    "an ingress without trusted proxies": ("air-gapped", ("gateway.trustedProxies=null",), "trustedProxies"),
    "several gateways without Redis": ("small", ("gateway.replicas=2",), "rateLimits"),
    "scaled gateways without Redis": ("production", ("rateLimits.secret=",), "rateLimits"),
    "several accounts without a key": ("small", ("tokens.secret=", "accounts.replicas=2"), "tokens"),
    "no key in production": ("production", ("tokens.secret=",), "tokens"),
    "no sealing key in production": ("production", ("webhooks.secret=",), "webhooks"),
    "no mail server in production": ("production", ("mail.host=",), "mail"),
    "mails in the clear in production": ("production", ("mail.security=none",), "mail"),
    "a sandbox in production": ("production", ("payments.provider=sandbox",), "payments"),
    "http in production": ("production", ("publicUrl=http://music.example.com",), "publicUrl"),
    "plain Kafka in production": ("production", ("kafka.securityProtocol=PLAINTEXT",), "securityProtocol"),
    "SASL without a secret": ("production", ("kafka.secret=",), "kafka"),
    "tokens of nobody for Kafka": ("production", ("kafka.saslMechanism=OAUTHBEARER",), "tokenUrl"),
    "no brokers": ("small", ("kafka.bootstrapServers=",), "bootstrapServers"),
    "no database": ("small", ("database.secret=",), "database"),
    "a hook before the database that the release makes": ("air-gapped", ("migrate.mode=hook",), "mode"),
    "a route of no gateway": ("production", ("route.parentRefs=null",), "parentRefs"),
    "a misspelt value": ("small", ("gateway.replica=2",), "replica"),
    "a misspelt service": ("small", ("gatway.replicas=1",), "gatway"),
    "a pool without a name": ("small", ("workers.pools[0].name=null",), "name"),
    "a misspelt value of a pool": ("small", ("workers.pools[0].slot=2",), "slot"),
    "a pool that may vanish": ("production", ("workers.pools[0].scaling.minReplicas=0",), "minReplicas"),
    "a longer grace than autoscalers wait": ("small", ("workers.graceSeconds=900",), "graceSeconds"),
    "a setting that is none": ("small", ("settings.logLevel=DEBUG",), "logLevel"),
    "Triton without its key": ("gpu", ("triton.secret=",), "triton.secret"),
    "Triton without a digest in production": ("gpu", ("triton.image.digest=",), "triton.image.digest"),
    "a canary without its key": ("production", ("canary.enabled=true",), "secret"),
    "a pool with more workers at the least than at the most": (
        "production",
        ("workers.pools[0].scaling.minReplicas=21",),
        "minReplicas",
    ),
    "two pools of one name": (
        "small",
        ("workers.pools[0].name=cpu", "workers.pools[1].name=cpu", "workers.pools[1].model=spleeter-2stems"),
        "two are named cpu",
    ),
    "a service with more pods at the least than at the most": (
        "production",
        ("upload.autoscaling.enabled=true", "upload.autoscaling.minReplicas=9"),
        "minReplicas",
    ),
    "more replicas in sync than there are": ("small", ("kafka.minInsyncReplicas=2",), "minInsyncReplicas"),
    "more replicas in sync than Strimzi makes": ("air-gapped", ("kafka.minInsyncReplicas=4",), "minInsyncReplicas"),
    "scaling without Prometheus": ("production", ("workers.prometheusUrl=",), "workers.prometheusUrl"),
}


def render(name: str, *sets: str, major: str = HELMS[0]) -> tuple[int, str, str]:
    values = [f"--set={value}" for value in sets]
    ended = helm(major, "template", "stemwright", str(CHART), *EXAMPLES[name].arguments(), *values)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize("case", REFUSED)
def test_values_that_would_do_harm_are_refused(case: str) -> None:
    name, sets, told = REFUSED[case]
    status, _, said = render(name, *sets)
    assert status != 0
    assert told in said


@pytest.mark.parametrize(
    ("name", "sets"),
    [
        ("small", ("gateway.replicas=2", "rateLimits.secret=redis")),
        (
            "small",
            (
                "gateway.autoscaling.enabled=true",
                "gateway.autoscaling.minReplicas=1",
                "gateway.autoscaling.maxReplicas=1",
            ),
        ),
        ("production", ("kafka.securityProtocol=PLAINTEXT", "settings.STEMWRIGHT_KAFKA_ALLOW_PLAINTEXT=true")),
        ("production", ("route.enabled=false", "gateway.trustedProxies={none}")),
        ("production", ("runAsUser=", "networkPolicy.enabled=false")),
    ],
)
def test_values_that_do_none_are_taken(name: str, sets: tuple[str, ...]) -> None:
    status, _, said = render(name, *sets)
    assert status == 0, said


def test_the_older_helm_refuses_too() -> None:
    assert render("production", "image.digest=", major="3")[0] != 0


def test_a_pool_that_would_grow_with_every_song_is_refused() -> None:
    pool = {"name": "cpu", "scaling": {"enabled": True, "targetWaitSeconds": 1, "speed": 0.5}}
    pools = f"workers.pools={json.dumps([pool])}"
    values = ("--set=workers.prometheusUrl=http://prometheus:9090", f"--set-json={pools}")
    ended = helm(HELMS[0], "template", "stemwright", str(CHART), *EXAMPLES["small"].arguments(), *values)
    assert ended.returncode != 0
    assert "less than a second of music" in ended.stderr


def test_a_service_and_its_check_of_the_schema_have_the_same_settings() -> None:
    _, rendered, _ = render("small", "upload.settings.STEMWRIGHT_DATABASE_POOLED=true")
    [upload] = [
        document
        for document in yaml.safe_load_all(rendered)
        if (document["kind"], document["metadata"]["name"]) == ("Deployment", "stemwright-upload")
    ]
    pod = upload["spec"]["template"]["spec"]
    for container in (*pod["initContainers"], *pod["containers"]):
        assert {"name": "STEMWRIGHT_DATABASE_POOLED", "value": "true"} in container["env"], container["name"]


def test_pools_that_scale_count_no_music_twice() -> None:
    def pools(share: float) -> str:
        both = [{"name": name, "scaling": {"enabled": True, "share": share}} for name in ("one", "two")]
        return f"workers.pools={json.dumps(both)}"

    def scaled(share: float) -> subprocess.CompletedProcess[str]:
        values = ("--set=workers.prometheusUrl=http://prometheus:9090", f"--set-json={pools(share)}")
        return helm(HELMS[0], "template", "stemwright", str(CHART), *EXAMPLES["small"].arguments(), *values)

    assert "add up to more than 1" in scaled(1).stderr
    assert scaled(0.5).stdout.count("0.5 * sum(") == 2


def test_settings_of_people_go_before_the_charts_own_and_the_nearer_before_the_farther() -> None:
    status, told, said = render(
        "small",
        *("settings.STEMWRIGHT_LOG_LEVEL=WARNING", "gateway.settings.STEMWRIGHT_LOG_LEVEL=DEBUG"),
        "upload.settings.STEMWRIGHT_UPLOAD_MAX_STORED_BYTES_PER_ACCOUNT=214748364800",
    )
    assert status == 0, said
    levels = {}
    for one in yaml.safe_load_all(told):
        if one and one["kind"] == "Deployment":
            (container,) = one["spec"]["template"]["spec"]["containers"]
            levels[container["name"]] = environment(container)["STEMWRIGHT_LOG_LEVEL"]["value"]
            if container["name"] == "upload":
                stored = environment(container)["STEMWRIGHT_UPLOAD_MAX_STORED_BYTES_PER_ACCOUNT"]["value"]
                assert stored == "214748364800"  # and not 2.147483648e+11
    assert levels == {**dict.fromkeys(levels, "WARNING"), "gateway": "DEBUG"}
    assert len(levels) == 6


def settings() -> set[str]:
    return set(re.findall(r"^#([A-Z0-9_]+)=", (ROOT / "deploy" / "settings.env").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_setting_that_the_chart_sets_is_one(name: str) -> None:
    told = {
        variable
        for _, pod in pods(name)
        for container in containers(pod)
        if container["name"] != "triton" and container.get("command") is None
        for variable in environment(container)
    }
    assert told - settings() == (OF_LIBRARIES if name == "air-gapped" else set())


def test_ports_are_those_of_the_services() -> None:
    for name in EXAMPLES:
        for one in objects(name):
            if one["kind"] == "Deployment":
                container = one["spec"]["template"]["spec"]["containers"][0]
                told = {key: each.get("value") for key, each in environment(container).items()}
                ports = {port["name"]: str(port["containerPort"]) for port in container["ports"]}
                if container["name"] != "triton":
                    assert ports["admin"] == told["STEMWRIGHT_ADMIN_PORT"]
                if "http" in ports:
                    assert ports["http"] == (told.get("STEMWRIGHT_GATEWAY_PORT") or told["STEMWRIGHT_PORT"])


def test_the_readme_tells_of_every_value() -> None:
    """`make chart` writes it anew."""
    assert readme.README.read_text() == readme.current()
    told: dict[str, Any] = dict.fromkeys(name for name, _, _ in readme.described())
    assert {"image.digest", "workers.defaults.scaling.speed", "gateway.trustedProxies"} <= set(told)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_notes_say_what_to_do_next(name: str) -> None:
    ended = helm(
        *(HELMS[0], "install", "stemwright", str(CHART), "--dry-run=client", "--namespace=music"),
        *EXAMPLES[name].arguments(),
    )
    assert ended.returncode == 0, ended.stderr
    notes = ended.stdout.partition("NOTES:")[2]
    assert "helm --namespace music test stemwright" in notes
    assert ("port-forward" in notes) == (name == "small")
    assert ("Pool cpu: 2 to 20 workers, one for each 1200 s" in notes) == (name == "production")
    assert DIGEST not in notes
