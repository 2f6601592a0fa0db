"""The container image and the Compose file name what there is; building and running them needs an engine."""

import re
import tomllib
from pathlib import Path

from services.cli import SERVICES
from services.gateway.settings import Settings
from services.kit.settings import StorageSettings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "compose.yaml").read_text()
SETTING = re.compile(r"^ +([A-Z][A-Z0-9_]+): ", re.MULTILINE)


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


def test_compose_runs_every_service() -> None:
    assert sorted(re.findall(r"command: \[run, (\w+)\]", COMPOSE)) == sorted(SERVICES)


def test_compose_sets_nothing_that_no_service_reads() -> None:
    documented = set(re.findall(r"^#([A-Z0-9_]+)=", (ROOT / "deploy" / "settings.env").read_text(), re.MULTILINE))
    ours = {name for name in SETTING.findall(COMPOSE) if not name.startswith(("POSTGRES_", "KAFKA_"))}
    assert len(ours) >= 8
    assert ours <= documented


def test_compose_publishes_the_port_on_which_the_gateway_listens() -> None:
    (inside,) = re.findall(r'command: \[run, gateway\]\n +ports: \["127.0.0.1:8080:(\d+)"\]', COMPOSE)
    assert int(inside) == Settings().port


def test_the_store_of_compose_takes_the_keys_that_services_have() -> None:
    given = dict(re.findall(r"^    (S3_\w+): (.*)$", COMPOSE, re.MULTILINE))
    assert f"--auth-key {given['S3_ACCESS_KEY_ID']},{given['S3_SECRET_ACCESS_KEY']} " in COMPOSE
    assert f"objects/{StorageSettings().s3_bucket}/incoming" in COMPOSE
