"""Which services the doctor looks at where only some of them run."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli import main
from services.doctor import cli
from services.doctor.cli import SERVICES
from services.doctor.findings import Finding, ok
from services.doctor.here import services_here, services_of
from services.doctor.one_machine import ELSEWHERE, settings_in_home
from services.local.home import Home
from services.local.part import State, Status
from services.local.running import Snapshot
from services.local.sockets import LOOPBACK

PART = Status("gateway", State.READY, "", datetime.now(UTC), 1, 0, "", 1.0, elsewhere=False)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in (*ELSEWHERE, "STEMWRIGHT_WORKERS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STEMWRIGHT_HOME", str(tmp_path / "home"))
    # Which services are looked at is asked here, not what is found.
    monkeypatch.setattr(
        cli, "examine", lambda services, _life: [ok(f"settings of {service}", "looked at") for service in services]
    )
    return Home(tmp_path / "home")


def asked(*services: str) -> tuple[int, list[str], dict[str, Finding]]:
    answer = CliRunner().invoke(main, ["doctor", "--json", *services])
    found = [Finding(**finding) for finding in json.loads(answer.stdout)]
    looked_at = [one.about.removeprefix("settings of ") for one in found if one.says == "looked at"]
    return answer.exit_code, looked_at, {one.about: one for one in found if one.says != "looked at"}


def processes(folder: Path, *commands: str) -> Path:
    for number, command in enumerate(commands, 100):
        (folder / str(number)).mkdir(parents=True)
        (folder / str(number) / "cmdline").write_bytes(command.replace(" ", "\0").encode() + b"\0")
    return folder


def test_services_are_known_by_their_processes(tmp_path: Path) -> None:
    shown = processes(
        tmp_path,
        "tini -- stemwright run worker",
        "/usr/bin/python3 /usr/local/bin/stemwright run worker",
        "/venv/bin/python -P -m services.cli run upload",
        "/opt/other run gateway",
        "stemwright doctor",
        "",
    )
    assert services_here(SERVICES, shown) == ["upload", "worker"]
    (shown / "102" / "environ").write_bytes(b"PATH=/bin\0LISTEN_FD=7\0")  # a part of somebody's `stemwright up`
    assert services_here(SERVICES, shown) == ["worker"]
    assert services_here(SERVICES, tmp_path / "nothing") == []


def test_what_runs_elsewhere_is_named_and_no_fault(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    monkeypatch.setattr(cli, "services_here", lambda _: ["worker"])
    status, looked_at, others = asked()
    assert (status, looked_at) == (0, ["worker"])
    assert {about: one.state for about, one in others.items()} == dict.fromkeys(SERVICES[:-1], "skipped")
    assert "does not run here" in others["gateway"].says
    assert "`stemwright doctor gateway`" in others["gateway"].advice
    assert asked("gateway") == (0, ["gateway"], {})


def test_where_nothing_runs_all_are_looked_at_and_it_is_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    monkeypatch.setattr(cli, "services_here", lambda _: [])
    status, looked_at, others = asked()
    assert (status, looked_at) == (0, list(SERVICES))
    assert others["services"].state == "warning"


def test_a_platform_without_workers_needs_no_model(home: Home) -> None:
    home.make()
    parts = tuple(replace(PART, name=name) for name in ("broker", "migrate", *SERVICES[:-1]))
    snapshot = Snapshot(os.getpid(), "http://here", ready=True, since=datetime.now(UTC), parts=parts)
    with home.locked():
        home.write_state(snapshot.document())
        status, looked_at, others = asked()
    assert (status, looked_at) == (0, list(SERVICES[:-1]))
    assert (others["platform"].state, others["worker"].state) == ("ok", "skipped")
    assert services_of((), SERVICES) == list(SERVICES)


def test_a_platform_whose_event_log_is_elsewhere_is_found_by_its_home(home: Home) -> None:
    home.make()
    home.store_keys()
    home.remember_ports({"object-store": 20002, "accounts": 20003})
    given = {"KAFKA_BOOTSTRAP_SERVERS": "kafka:9092"}
    assert settings_in_home(home.root, given) == {}
    with home.locked():
        told = settings_in_home(home.root, given)
        assert told["S3_ENDPOINT_URL"] == f"http://{LOOPBACK}:20002"
        assert told["STEMWRIGHT_JWKS_URL"].startswith(f"http://{LOOPBACK}:20003/")
        assert "KAFKA_BOOTSTRAP_SERVERS" not in told
        assert "STEMWRIGHT_KAFKA_ALLOW_PLAINTEXT" not in told
        told = settings_in_home(home.root, {"S3_ENDPOINT_URL": "https://s3", "DATABASE_URL": "postgresql://u@db/x"})
        assert not {"S3_ENDPOINT_URL", "S3_SECRET_ACCESS_KEY", "DATABASE_URL"} & set(told)
