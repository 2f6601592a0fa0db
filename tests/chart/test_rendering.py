"""What the chart renders is what the API servers of today take, and it changes only where somebody means it."""

import json
import tomllib
from functools import cache

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.chart.crds import SCHEMAS
from tests.chart.rendering import CHART, EXAMPLES, GOLDEN, HELMS, ROOT, Object, golden, helm, objects, rendered

VERSIONS = [f"1.{minor}" for minor in range(31, 38)]


@cache
def schema_of(api_version: str, kind: str) -> jsonschema.Draft202012Validator | None:
    path = SCHEMAS / f"{api_version.replace('/', '_')}_{kind}.json"
    return jsonschema.Draft202012Validator(json.loads(path.read_text())) if path.exists() else None


@pytest.fixture
def schemas_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The validator reads and parses all definitions of a version, a megabyte and more, for each object anew."""
    monkeypatch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))


def is_kubernetes(one: Object) -> bool:
    group = one["apiVersion"].rpartition("/")[0]
    return "." not in group or (group.endswith(".k8s.io") and not group.startswith("gateway."))


@pytest.mark.parametrize("major", HELMS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_helm_finds_nothing_to_complain_of(name: str, major: str) -> None:
    ended = helm(major, "lint", "--strict", "--quiet", str(CHART), *EXAMPLES[name].arguments())
    assert (ended.returncode, ended.stdout.strip()) == (0, ""), ended.stdout + ended.stderr


@pytest.mark.parametrize("name", EXAMPLES)
def test_both_helms_render_the_same(name: str) -> None:
    assert rendered(name, "3") == rendered(name, "4")


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_renders_what_was_looked_at(name: str) -> None:
    """`make chart` writes the files anew; the change of them is what a reviewer reads."""
    assert golden(name) == (GOLDEN / f"{name}.yaml").read_text()


@pytest.mark.usefixtures("schemas_read_once")
@pytest.mark.parametrize("version", VERSIONS)
def test_api_servers_take_every_object(version: str) -> None:
    different = {json.dumps(one): one for name in EXAMPLES for one in objects(name) if is_kubernetes(one)}
    assert len(different) > 60
    for one in different.values():
        kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("name", EXAMPLES)
def test_operators_take_every_object(name: str) -> None:
    others = [one for one in objects(name) if not is_kubernetes(one)]
    for one in others:
        if one["apiVersion"].startswith("kafka.strimzi.io/"):
            continue  # Strimzi publishes no schemas that could be read here; test_kafka.py says what is in them
        schema = schema_of(one["apiVersion"], one["kind"])
        assert schema is not None, one["kind"]
        schema.validate(one)


@pytest.mark.parametrize(
    ("name", "kind", "field"),
    [
        ("production", "ScaledObject", "replicas"),
        ("production", "ServiceMonitor", "port"),
        ("gpu", "HTTPRoute", "host"),
    ],
)
def test_a_field_that_an_operator_does_not_know_is_refused(name: str, kind: str, field: str) -> None:
    """The API server would drop it, and nobody would hear of it."""
    one = next(one for one in objects(name) if one["kind"] == kind)
    schema = schema_of(one["apiVersion"], kind)
    assert schema is not None
    assert not schema.is_valid({**one, "spec": {**one["spec"], field: 1}})


def test_an_api_server_would_refuse_a_wrong_field() -> None:
    one = next(one for one in objects("small") if one["kind"] == "Deployment")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**one, "spec": {**one["spec"], "replica": 1}}, VERSIONS[0], strict=True)


def test_the_chart_is_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)


def test_names_are_short_enough_for_what_they_name() -> None:
    """Names of services and values of labels have 63 characters, names of ports 15."""
    long = f"fullnameOverride={'r' * 32}"
    pool = f"workers.pools[0].name={'p' * 20}"
    for one in objects("gpu", long, pool):
        assert len(one["metadata"]["name"]) <= 63
        assert all(len(value) <= 63 for value in one["metadata"]["labels"].values())


def test_nobody_gets_two_objects_of_one_name() -> None:
    for name in EXAMPLES:
        names = [(one["kind"], one["metadata"]["name"]) for one in objects(name)]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("sets", "service", "worker"),
    [
        ((), 45, 645),
        (("settings.STEMWRIGHT_SHUTDOWN_GRACE_SECONDS=120",), 135, 645),
        (("gateway.settings.STEMWRIGHT_DRAIN_SECONDS=20.5",), 61, 645),
        (("workers.settings.STEMWRIGHT_WORKER_GRACE_SECONDS=1800",), 45, 1845),
    ],
)
def test_nothing_is_killed_before_its_own_grace_has_ended(sets: tuple[str, ...], service: int, worker: int) -> None:
    seconds = {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        for one in objects("production", *sets)
        if one["kind"] == "Deployment"
    }
    assert seconds["stemwright-gateway"] == service
    assert {many for name, many in seconds.items() if "worker" in name} == {worker}
