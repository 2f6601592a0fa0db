"""The container image and the Compose file name what there is; building and running them needs an engine."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_settings import BaseSettings

from services.cli import SERVICES
from services.gateway.settings import Settings
from services.kit.settings import DatabaseSettings, StorageSettings
from services.kit.settings_errors import variable_of

ROOT = Path(__file__).parents[2]
CONTAINERS: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]


def copied() -> list[str]:
    """What the Dockerfile takes from the source tree."""
    text = (ROOT / "Dockerfile").read_text()
    lines = re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
    return [name.rstrip("/") for line in lines for name in line.split()[:-1]]


def test_the_image_holds_every_package_and_what_its_build_reads() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    read = ["pyproject.toml", "hatch_build.py", project["project"]["readme"], *project["project"]["license-files"]]
    assert sorted(copied()) == sorted([*packages, *read, "web", "clients/python", "requirements/run.lock"])
    assert all((ROOT / name).exists() for name in copied())


def test_what_the_image_copies_is_not_ignored() -> None:
    kept = re.findall(r"^!(.+?)/?$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(kept) == sorted(copied())


def test_what_the_image_copies_is_enough_to_build_the_wheel(tmp_path: Path) -> None:
    """The step of the build that reads the tree, in a folder that holds nothing else; pages are another step's."""
    source = tmp_path / "source"
    for name in copied():
        if name not in ("web", "clients/python", "requirements/run.lock"):
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__", "*.so", "web"))
            else:
                shutil.copy2(ROOT / name, target)
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path / "dist")]
    subprocess.run(build, cwd=source, check=True, capture_output=True, timeout=600)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"services/cli.py", "services/accounts/migrations/env.py", "separation/cli/__init__.py"} <= set(names)
    assert [name for name in names if name.startswith("separation/") and name.endswith(".so")]


def test_both_stages_stand_on_one_image_that_a_release_can_name_by_its_digest() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${PYTHON_IMAGE}"] * 2
    [default] = re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", text, re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", default)


def test_the_image_runs_as_nobody_in_particular_under_a_process_that_reaps() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER (\d+):(\d+)$", text, re.MULTILINE)
    assert 'ENTRYPOINT ["tini", "--", "stemwright"]' in text
    assert re.search(r"apt-get install .*\btini\b", text)


def told(name: str) -> dict[str, str]:
    """What Compose tells a service."""
    return {key: str(value) for key, value in CONTAINERS[name].get("environment", {}).items()}


@pytest.mark.parametrize("service", SERVICES)
def test_compose_tells_a_service_what_it_needs_and_no_secret_besides(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: type[BaseSettings] = import_module(f"services.{service}.settings").Settings
    read = {variable_of(kind, field) for field in kind.model_fields}
    assert set(told(service)) <= read
    for name in read:
        monkeypatch.delenv(name, raising=False)
    for name, value in told(service).items():
        monkeypatch.setenv(name, value)
    settings: Any = kind()
    assert settings.kafka_bootstrap_servers == "kafka:9092"
    assert ("DATABASE_URL" in told(service)) == issubclass(kind, DatabaseSettings)
    assert ("S3_SECRET_ACCESS_KEY" in told(service)) == issubclass(kind, StorageSettings)
    assert int(CONTAINERS[service]["stop_grace_period"].removesuffix("s")) >= settings.stop_seconds


@pytest.mark.parametrize("service", [*SERVICES, "worker-triton"])
def test_compose_runs_every_service_asks_it_where_it_answers_and_lets_it_write_nowhere_else(service: str) -> None:
    container = CONTAINERS[service]
    assert container["command"] == ["run", service.removesuffix("-triton")]
    [port] = re.findall(r"STEMWRIGHT_ADMIN_PORT=(\d+)", (ROOT / "Dockerfile").read_text())
    assert f"127.0.0.1:{port}/readyz" in container["healthcheck"]["test"][-1]
    assert container["read_only"]
    assert container["cap_drop"] == ["ALL"]


def test_compose_takes_no_image_that_may_be_another_one_tomorrow() -> None:
    images = {container["image"] for container in CONTAINERS.values()} - {"stemwright"}
    assert all(re.search(r":[0-9]+[\w.-]*$", image) for image in images), images


def test_compose_publishes_the_port_on_which_the_gateway_listens() -> None:
    assert CONTAINERS["gateway"]["ports"] == [f"127.0.0.1:8080:{Settings().port}"]


def test_the_store_of_compose_takes_the_keys_that_services_have() -> None:
    given, [command] = told("upload"), CONTAINERS["objects"]["command"]
    assert f"--auth-key {given['S3_ACCESS_KEY_ID']},{given['S3_SECRET_ACCESS_KEY']} " in command
    assert f"objects/{StorageSettings().s3_bucket}/incoming" in command


def test_the_triton_server_of_compose_is_opened_by_the_key_that_its_worker_has() -> None:
    key = told("worker-triton")["STEMWRIGHT_WORKER_TRITON_KEY"]
    opened = [flag for flag in CONTAINERS["triton"]["command"] if "restricted" in flag]
    assert len(opened) == 2
    assert all(flag.endswith(f":stemwright={key}") for flag in opened)
