"""Each service starts with the settings that the chart gives it: none is refused, in production neither."""

from importlib import import_module
from pathlib import Path

import pytest

from services.cli import PROCESSES
from services.kit.settings import load
from services.kit.settings_errors import variable_of
from tests.chart.rendering import EXAMPLES, containers, environment, of_kind, pods
from tests.chart.test_values import OF_LIBRARIES

IN_SECRETS = {
    "DATABASE_URL": "postgresql://stemwright:eighteen-characters@postgres/stemwright",
    "STEMWRIGHT_GATEWAY_RATE_LIMIT_STORAGE": "async+redis://redis:6379",
}
ANY_SECRET = "0123456789abcdef0123456789abcdef"


def told(name: str, service: str) -> list[dict[str, str]]:
    """The environments of a service's containers, one of each pool, with secrets that are good ones."""
    all_containers = [
        one for deployment in of_kind(name, "Deployment") for one in containers(deployment["spec"]["template"])
    ]
    return [
        {key: one.get("value", IN_SECRETS.get(key, ANY_SECRET)) for key, one in environment(container).items()}
        for container in all_containers
        if container.get("args", [])[:2] == ["run", service]
    ]


@pytest.mark.parametrize("service", PROCESSES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_service_takes_what_the_chart_tells_it(
    name: str, service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounted = tmp_path / "file"
    mounted.touch()
    environments = told(name, service)
    assert environments or (service == "canary" and name != "gpu")
    for variables in environments:
        with monkeypatch.context() as patch:
            for variable, value in variables.items():
                patch.setenv(variable, str(mounted) if variable.endswith("_FILE") else value)
            settings = load(import_module(f"services.{service}.settings").Settings)
        assert settings.environment == ("development" if name == "small" else "production")
        assert settings.admin_port == 9000


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_process_is_told_what_it_reads_and_nothing_else(name: str) -> None:
    """A variable that a service does not read is a mistake, or a secret in the wrong hands."""
    for _, pod in pods(name):
        for container in containers(pod):
            if container.get("args", [])[:1] == ["run"]:
                service = container["args"][1]
                settings = import_module(f"services.{service}.settings").Settings
                known = {variable_of(settings, field) for field in settings.model_fields} | {
                    "STEMWRIGHT_HOME",
                    *OF_LIBRARIES,
                }
                assert set(environment(container)) - known == set(), service
