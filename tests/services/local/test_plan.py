"""Which parts there are for which settings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.backup.platform import Stores
from services.doctor.one_machine import settings_in_home
from services.gateway.settings import Settings as GatewaySettings
from services.kit.database import sqlite_file
from services.kit.settings import DatabaseSettings, StorageSettings
from services.local.errors import LocalError, PortTaken
from services.local.home import Home
from services.local.part import Part
from services.local.plan import Plan, make_plan
from services.local.probes import HttpProbe
from services.local.settings import LocalSettings
from services.local.sockets import LOOPBACK, free_port, listen_on_a_free_port, port_of


class Planner:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._plans: list[Plan] = []

    def __call__(self, home: str = "home", extra: dict[str, str] | None = None, **settings: Any) -> dict[str, Part]:
        nothing_elsewhere = {"database_url": None, "kafka_bootstrap_servers": None, "s3_endpoint_url": None}
        chosen = LocalSettings(**{"home": self._folder / home, **nothing_elsewhere, **settings})
        made = Home(chosen.home)
        made.make()
        self._plans.append(make_plan(chosen, made, extra or {}))
        return {part.name: part for part in self.last.parts}

    @property
    def last(self) -> Plan:
        return self._plans[-1]

    def close(self) -> None:
        for plan in self._plans:
            plan.let_go()


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[Planner]:
    planner = Planner(tmp_path)
    yield planner
    planner.close()


def test_every_part_of_the_platform_is_a_process_of_its_own(plan: Planner) -> None:
    parts = plan(workers=2)
    assert {
        *("broker", "object-store", "migrate"),
        *("gateway", "accounts", "upload", "orchestrator", "notifier", "worker-1", "worker-2"),
    } <= set(parts)
    assert all(part.command for part in parts.values())
    ports = [port_of(part.listener) for part in parts.values() if part.listener is not None]
    assert len(set(ports)) == 7


def test_what_runs_elsewhere_is_not_started_but_waited_for(plan: Planner) -> None:
    parts = plan(
        kafka_bootstrap_servers="kafka:9092",
        s3_endpoint_url="https://s3.example.com",
        database_url="postgresql://db/stemwright",
    )
    for name, address in (("broker", "kafka:9092"), ("object-store", "https://s3.example.com")):
        assert (parts[name].command, parts[name].address) == (None, address)
        assert parts[name].ready is not None
    told = parts["orchestrator"].environment
    assert told["KAFKA_BOOTSTRAP_SERVERS"] == "kafka:9092"
    assert told["DATABASE_URL"] == "postgresql://db/stemwright"
    assert told["STEMWRIGHT_KAFKA_SOLE_CONSUMERS"] == "false"
    assert "S3_SECRET_ACCESS_KEY" not in told  # whoever names the store has given its keys, too


def test_songs_are_for_the_first_model_that_is_not_on_trial(plan: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(models: str, **extra: str) -> tuple[str, str]:
        parts = plan(model=models, extra=extra)
        served = parts["worker-1"].environment["STEMWRIGHT_WORKER_MODEL"]
        return served, parts["orchestrator"].environment["STEMWRIGHT_ORCHESTRATOR_DEFAULT_MODEL"]

    assert told("mine,spleeter-2stems") == ("mine,spleeter-2stems", "mine")
    on_trial = {"STEMWRIGHT_ORCHESTRATOR_CANDIDATE_MODEL": "mine"}
    assert told("mine,spleeter-2stems", **on_trial) == ("mine,spleeter-2stems", "spleeter-2stems")
    monkeypatch.setenv("STEMWRIGHT_ORCHESTRATOR_CANDIDATE_MODEL", "mine")
    assert told("mine,spleeter-2stems") == ("mine,spleeter-2stems", "spleeter-2stems")


def test_whoever_looks_for_a_database_finds_it_in_the_home_whatever_that_is_called(
    plan: Planner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    root = tmp_path / "{service}?of %41#"
    monkeypatch.setenv("STEMWRIGHT_HOME", str(root))
    urls = {
        "services": plan(home=root.name)["upload"].environment["DATABASE_URL"],
        "commands": DatabaseSettings().database_url.get_secret_value(),
        "doctor": settings_in_home(root, {})["DATABASE_URL"],
        "backup": Stores(LocalSettings(), StorageSettings()).url,
    }
    assert {who: sqlite_file(url, "upload") for who, url in urls.items()} == dict.fromkeys(
        urls, root / "data" / "upload.db"
    )


def test_what_runs_elsewhere_is_said(plan: Planner) -> None:
    plan(gateway_port=0)
    assert "in the place of our own" not in str(plan.last.notes)
    plan(gateway_port=0, database_url="postgresql://u:secret@db/shop", s3_endpoint_url="https://s3.example.com")
    [said] = [note for note in plan.last.notes if "in the place of our own" in note]
    assert "named by DATABASE_URL and S3_ENDPOINT_URL," in said
    assert "secret" not in said


def test_services_find_each_other_and_their_infrastructure(plan: Planner) -> None:
    parts = plan()
    told = parts["gateway"].environment
    for service in ("accounts", "upload", "orchestrator", "notifier"):
        assert told[f"STEMWRIGHT_GATEWAY_{service.upper()}_URL"] == parts[service].address
    assert told["STEMWRIGHT_JWKS_URL"] == f"{parts['accounts'].address}/.well-known/jwks.json"
    assert told["KAFKA_BOOTSTRAP_SERVERS"] == parts["broker"].address
    assert told["STEMWRIGHT_KAFKA_SOLE_CONSUMERS"] == "true"
    assert told["S3_ENDPOINT_URL"] == told["STEMWRIGHT_GATEWAY_OBJECT_STORE_URL"] == parts["object-store"].address
    assert told["S3_PUBLIC_ENDPOINT_URL"] == parts["gateway"].address


def test_the_name_under_which_other_machines_reach_it_can_be_told(
    plan: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_PUBLIC_ENDPOINT_URL", "https://stems.example/")
    parts = plan()
    assert parts["upload"].environment["S3_PUBLIC_ENDPOINT_URL"] == "https://stems.example/"
    # Links in mails lead there too.
    assert parts["accounts"].environment["STEMWRIGHT_ACCOUNTS_PUBLIC_URL"] == "https://stems.example"


def test_a_store_elsewhere_is_not_where_people_reach_the_platform(
    plan: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S3_PUBLIC_ENDPOINT_URL", "https://objects.example")
    told = plan(s3_endpoint_url="http://objects:9000")["accounts"].environment
    assert told["STEMWRIGHT_ACCOUNTS_PUBLIC_URL"].startswith("http://127.0.0.1:")


def test_a_canary_is_there_on_request_and_sends_nothing_before_it_has_a_key_and_the_gateway_answers(
    plan: Planner,
) -> None:
    assert {"canary", "canary-key"}.isdisjoint(plan())
    parts = plan(canary=True)
    told = parts["canary"].environment
    assert parts["canary"].needs == ("canary-key", "gateway")
    assert parts["canary-key"].needs == ("migrate",)
    assert told["STEMWRIGHT_CANARY_URL"] == parts["gateway"].address
    assert parts["canary-key"].command is not None
    assert parts["canary-key"].command[-1] == told["STEMWRIGHT_CANARY_KEY_FILE"]


def test_services_with_a_database_wait_for_its_schema(plan: Planner) -> None:
    parts = plan()
    waiting = {name for name, part in parts.items() if "migrate" in part.needs}
    assert waiting == {"accounts", "upload", "orchestrator", "notifier"}


def test_a_model_that_is_missing_is_imported_before_a_worker_starts(
    plan: Planner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMWRIGHT_MODEL_REPOSITORY", str(tmp_path / "models"))
    parts = plan()
    assert parts["worker-1"].needs == ("model",)
    assert "up to a minute" in " ".join(plan.last.notes)
    (tmp_path / "models" / "spleeter-2stems" / "1").mkdir(parents=True)
    (tmp_path / "models" / "spleeter-2stems" / "1" / "model.onnx").touch()
    assert "model" not in plan(home="other")


def test_the_gateway_closes_first_and_the_infrastructure_goes_last(plan: Planner) -> None:
    stages = {name: part.stop_stage for name, part in plan().items()}
    assert stages["gateway"] < stages["worker-1"] == stages["orchestrator"] < stages["broker"] == stages["object-store"]


def test_the_port_that_was_asked_for_is_taken_or_the_start_fails(plan: Planner) -> None:
    port = free_port(LOOPBACK)
    plan(gateway_port=port)
    assert plan.last.gateway_url == f"http://127.0.0.1:{port}"
    with pytest.raises(PortTaken):
        plan(home="other", gateway_port=port)


def test_any_free_port_is_a_port_to_ask_for(plan: Planner) -> None:
    taken = {plan(home=home, gateway_port=0)["gateway"].address for home in ("one", "two")}
    assert len(taken) == 2


def test_the_default_port_gives_way_and_says_so(plan: Planner) -> None:
    try:
        holder = listen_on_a_free_port(LOOPBACK, 8080)
    except PortTaken:
        holder = None
    plan(gateway_port=None)
    assert plan.last.gateway_url != "http://127.0.0.1:8080"
    assert "port 8080 is in use" in " ".join(plan.last.notes)
    if holder is not None:
        holder.close()


def test_ports_are_those_of_the_last_run(plan: Planner, tmp_path: Path) -> None:
    first = plan()
    plan.close()
    again = plan()
    for name in ("accounts", "broker", "object-store", "worker-1"):
        assert again[name].address == first[name].address


def test_settings_for_one_machine_can_be_overridden(plan: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan()["worker-1"].environment["STEMWRIGHT_WORKER_HEARTBEAT_SECONDS"] == "2"
    monkeypatch.setenv("STEMWRIGHT_WORKER_HEARTBEAT_SECONDS", "7")
    assert "STEMWRIGHT_WORKER_HEARTBEAT_SECONDS" not in plan(home="b")["worker-1"].environment
    extra = {"STEMWRIGHT_WORKER_HEARTBEAT_SECONDS": "9"}
    assert plan(home="c", extra=extra)["worker-1"].environment["STEMWRIGHT_WORKER_HEARTBEAT_SECONDS"] == "9"


def test_what_an_operator_has_given_is_heeded(plan: Planner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = {
        "STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE": "/etc/keys/tokens.pem",
        "STEMWRIGHT_WORKER_TEMP_DIR": "/fast",
        "MALLOC_ARENA_MAX": "8",
        "STEMWRIGHT_KAFKA_SOLE_CONSUMERS": "false",
        "STEMWRIGHT_ONE_MACHINE": "1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    parts = plan(gateway_port=0)
    assert not (tmp_path / "home/secrets/accounts-signing-key.pem").exists()
    assert "does not count" not in str(plan.last.notes)
    for part in ("accounts", "worker-1"):
        gets = {**given, **parts[part].environment}
        assert {name: gets[name] for name in given} == {**given, "STEMWRIGHT_ONE_MACHINE": "true"}
    looked_at = settings_in_home(tmp_path / "home", given)
    assert "STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE" not in looked_at
    assert "STEMWRIGHT_WORKER_TEMP_DIR" not in looked_at


def test_what_an_operator_has_given_and_nobody_hears_of_is_said(plan: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMWRIGHT_JWKS_URL", "https://accounts.example.com/.well-known/jwks.json")
    monkeypatch.setenv("S3_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "very secret")
    monkeypatch.setenv("STEMWRIGHT_PORT", "8000")
    plan(gateway_port=0)
    [said] = [note for note in plan.last.notes if "does not count" in note]
    assert said.endswith(": S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY, STEMWRIGHT_JWKS_URL, STEMWRIGHT_PORT")
    plan(gateway_port=0, s3_endpoint_url="https://s3.example.com")
    assert "S3_ACCESS_KEY_ID" not in str(plan.last.notes)


def test_a_setting_that_is_empty_is_none(plan: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STEMWRIGHT_NOTIFIER_SEALING_KEY", "STEMWRIGHT_WORKER_HEARTBEAT_SECONDS"):
        monkeypatch.setenv(name, "")
    parts = plan()
    assert len(parts["notifier"].environment["STEMWRIGHT_NOTIFIER_SEALING_KEY"]) >= 32
    assert parts["worker-1"].environment["STEMWRIGHT_WORKER_HEARTBEAT_SECONDS"] == "2"


def test_no_secret_is_on_a_command_line(plan: Planner, tmp_path: Path) -> None:
    parts = plan()
    secret = parts["accounts"].environment["S3_SECRET_ACCESS_KEY"]
    assert not any(secret in word for part in parts.values() for word in part.command or ())


def test_triton_is_a_part_that_workers_ask(plan: Planner, triton_installed: Path) -> None:
    parts = plan(triton=True)
    server, worker, layout = parts["triton"], parts["worker-1"], parts["triton-models"]
    assert server.command is not None
    assert layout.command is not None
    assert server.needs == ("triton-models",)
    assert "triton-models" in worker.needs
    mounted = server.command[server.command.index("--model-repository") + 1]
    assert mounted in layout.command
    assert server.address == worker.environment["STEMWRIGHT_WORKER_TRITON_ADDRESS"]
    assert any(worker.environment["STEMWRIGHT_WORKER_TRITON_KEY"] in argument for argument in server.command)
    assert server.address.startswith("127.0.0.1:")


def test_without_workers_nobody_needs_triton(plan: Planner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMWRIGHT_CACHE", str(tmp_path / "empty"))
    assert "triton" not in plan(triton=True, workers=0)


def test_a_triton_that_is_not_installed_is_one_line(
    plan: Planner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMWRIGHT_CACHE", str(tmp_path / "empty"))
    with pytest.raises(LocalError, match="make triton"):
        plan(triton=True)


@pytest.mark.parametrize(
    ("listens_on", "reached_by"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]")]
)
def test_the_gateway_is_known_by_an_address_that_leads_to_it(plan: Planner, listens_on: str, reached_by: str) -> None:
    parts = plan(gateway_host=listens_on)
    assert plan.last.gateway_url.startswith(f"http://{reached_by}:")
    assert parts["upload"].environment["S3_PUBLIC_ENDPOINT_URL"] == plan.last.gateway_url
    noted = any("S3_PUBLIC_ENDPOINT_URL" in note for note in plan.last.notes)
    assert noted == (listens_on != LOOPBACK)  # links would lead other machines to themselves


def test_links_lead_where_others_reach_the_gateway(plan: Planner) -> None:
    public = "https://music.example.com"
    parts = plan(gateway_host="0.0.0.0", extra={"S3_PUBLIC_ENDPOINT_URL": public})
    assert parts["upload"].environment["S3_PUBLIC_ENDPOINT_URL"] == public
    assert not any("S3_PUBLIC_ENDPOINT_URL" in note for note in plan.last.notes)


def asked_at(part: Part) -> str:
    assert isinstance(part.ready, HttpProbe)
    return part.ready.url


def test_the_gateway_is_asked_at_a_port_that_stays_and_others_at_their_own(plan: Planner) -> None:
    name = "STEMWRIGHT_ADMIN_PORT"
    parts = plan()
    first = parts["gateway"].environment[name]
    assert asked_at(parts["gateway"]) == f"http://127.0.0.1:{first}/readyz"
    assert parts["accounts"].environment[name] == "0"
    plan.last.let_go()
    assert plan()["gateway"].environment[name] == first
    parts = plan(extra={name: "9464", "STEMWRIGHT_HOST": "::"})
    assert asked_at(parts["gateway"]) == "http://[::1]:9464/readyz"
    assert parts["accounts"].environment[name] == "0"


def test_the_gateway_is_asked_on_this_machine_wherever_it_listens(
    plan: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = plan(gateway_host="127.0.0.2", extra={"STEMWRIGHT_GATEWAY_HOST": "127.0.0.2"})["gateway"]
    for name, value in gateway.environment.items():
        monkeypatch.setenv(name, value)
    settings = GatewaySettings()
    assert f"http://{settings.host}:{settings.admin_port}/readyz" == asked_at(gateway)
    assert settings.host == LOOPBACK


def test_services_know_that_there_is_one_machine(plan: Planner) -> None:
    assert plan()["accounts"].environment["STEMWRIGHT_ONE_MACHINE"] == "true"


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "intern.example.com, localhost"}, "intern.example.com,localhost,127.0.0.1,::1"),
        ({"no_proxy": "a.example.com", "NO_PROXY": "b.example.com"}, "a.example.com,127.0.0.1,localhost,::1"),
        ({"no_proxy": "*"}, None),
    ],
)
def test_parts_ask_each_other_without_the_users_proxy(
    plan: Planner, monkeypatch: pytest.MonkeyPatch, known: dict[str, str], told: str | None
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    parts = plan(extra=known)

    for part in parts.values():
        for name in ("no_proxy", "NO_PROXY"):
            assert part.environment.get(name, "*") == (told or "*"), part.name
