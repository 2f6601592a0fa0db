"""The doctor: what is well, what is wrong, what to do, and no secret."""

import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.cli import main
from services.doctor import stores
from services.doctor.checks import _counters, _keys, disk
from services.doctor.event_log import event_log
from services.doctor.findings import Finding, one_line
from services.doctor.models import models
from services.doctor.one_machine import ELSEWHERE, platform, settings_in_home
from services.gateway.counters import IN_THIS_PROCESS
from services.kit.schema import newest
from services.kit.settings import DatabaseSettings, KafkaSettings, StorageSettings
from services.local.home import Home
from services.local.sockets import LOOPBACK, free_port
from tests.broker import Broker
from tests.databases import MakeDatabase
from tests.object_store import ObjectStore
from tests.services.kit.test_schema import set_revision


def states(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(finding.state, finding.about) for finding in findings]


def only(findings: Iterable[Finding]) -> Finding:
    [finding] = findings
    return finding


def test_a_database_is_well_without_its_schema_or_not_there(database_url: str, make_database: MakeDatabase) -> None:
    database = make_database("notifier")
    settings = DatabaseSettings(database_url=database_url)
    assert states(stores.database("notifier", settings)) == [("ok", "database of notifier")]
    set_revision(database, "0001")
    finding = only(stores.database("notifier", settings))
    set_revision(database, newest("notifier"))
    assert (finding.state, finding.advice) == ("wrong", "Run `stemwright migrate`.")


def test_a_database_is_not_made_by_looking_for_it(tmp_path: Path) -> None:
    settings = DatabaseSettings(database_url=f"sqlite:///{tmp_path}/{{service}}.db")
    assert only(stores.database("upload", settings)).says == f"there is no {tmp_path}/upload.db"
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_away_is_told_without_its_password() -> None:
    url = f"postgresql://u:a-password@{LOOPBACK}:{free_port(LOOPBACK)}/x"
    finding = only(stores.database("upload", DatabaseSettings(database_url=url)))
    assert finding.state == "wrong"
    assert "a-password" not in str(finding)


@pytest.mark.s3
def test_a_bucket_is_used_as_services_do_and_left_as_it_was(object_store: ObjectStore) -> None:
    storage = object_store.new_bucket()
    settings = StorageSettings(**object_store.settings(storage.bucket))
    assert states(stores.object_store(settings)) == [("ok", f"bucket {storage.bucket}")]
    assert list(storage.list_objects("doctor/")) == []


@pytest.mark.s3
def test_a_bucket_that_is_not_there_and_a_key_that_opens_nothing_are_told_apart(object_store: ObjectStore) -> None:
    missing = only(stores.object_store(StorageSettings(**object_store.settings("never-made-here"))))
    assert (missing.state, missing.says) == ("wrong", "The bucket never-made-here is not there")
    assert "stemwright bucket apply" in missing.advice
    given = {**object_store.settings(object_store.new_bucket().bucket), "s3_secret_access_key": "not-the-right-one"}
    refused = only(stores.object_store(StorageSettings(**given)))
    assert refused.state == "wrong"
    assert "not-the-right-one" not in str(refused)


@pytest.mark.s3
def test_an_address_for_clients_that_leads_nowhere_is_told(object_store: ObjectStore) -> None:
    given = object_store.settings(object_store.new_bucket().bucket)
    given["s3_public_endpoint_url"] = f"http://{LOOPBACK}:{free_port(LOOPBACK)}"
    good, warned = stores.object_store(StorageSettings(**given))
    assert [good.state, warned.state] == ["ok", "warning"]
    assert "S3_PUBLIC_ENDPOINT_URL" in warned.advice


@pytest.mark.kafka
def test_the_event_log_is_there_and_what_it_lacks_is_named(broker: Broker) -> None:
    there = KafkaSettings(kafka_bootstrap_servers=broker.bootstrap)
    assert states(event_log("upload", there)) == [("ok", "event log, for upload")]
    away = KafkaSettings(kafka_bootstrap_servers=f"{LOOPBACK}:{free_port(LOOPBACK)}")
    assert only(event_log("upload", away)).state == "wrong"


def test_clocks_that_differ_are_told() -> None:
    now = datetime.now(UTC)
    assert list(stores.clock("the store", now, now + timedelta(seconds=4))) == []
    assert only(stores.clock("the store", now, now + timedelta(seconds=65))).says == "differs from ours by 65 s"


def test_a_disk_that_is_nearly_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert only(disk("worker", tmp_path / "not" / "yet")).state in ("ok", "warning")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    assert only(disk("worker", tmp_path)).says == f"{tmp_path} has 1.0 GB left"


def test_a_model_that_is_not_there_is_told_with_how_to_get_it(tmp_path: Path) -> None:
    finding = only(models(SimpleNamespace(model_repository=tmp_path, models=["spleeter-2stems"])))
    assert finding.state == "wrong"
    assert "stemwright models import spleeter-2stems" in finding.advice
    finding = only(models(SimpleNamespace(model_repository=tmp_path, models=["nothing"])))
    assert "import" not in finding.advice
    assert "stemwright models add nothing" in finding.advice


@pytest.mark.parametrize("kind", ["garbage", "RSA", "Ed25519"])
def test_a_signing_key_is_one_that_the_service_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    file = tmp_path / "key.pem"
    private: dict[str, Any] = {
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
        "Ed25519": ed25519.Ed25519PrivateKey.generate,
    }
    pem = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private[kind]().private_bytes(*pem) if kind in private else b"garbage")
    file.chmod(0o600)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/{{service}}.db")
    monkeypatch.setenv("STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE", str(file))
    found = asked("accounts")[1]["signing key of accounts"]
    assert (found.state, "is of no use" in found.says) == (("ok", False) if kind == "Ed25519" else ("wrong", True))


def test_keys_of_access_tokens_are_told_from_some_other_answer(tmp_path: Path) -> None:
    port = free_port(LOOPBACK)
    (tmp_path / "keys.json").write_text('{"keys": [{"kty": "OKP"}]}')
    (tmp_path / "other.json").write_text("[]")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler_class = cast(Any, handler)
    with ThreadingHTTPServer((LOOPBACK, port), handler_class) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            names = ("keys.json", "other.json", "no")
            found = [only(_keys("keys", f"http://{LOOPBACK}:{port}/{name}")) for name in names]
        finally:
            server.shutdown()
    assert [finding.state for finding in found] == ["ok", "wrong", "wrong"]
    assert found[2].says.endswith("/no answers 404, without keys")


def test_a_store_of_rates_that_is_away_is_told_without_its_password() -> None:
    assert list(_counters(IN_THIS_PROCESS)) == []
    finding = only(_counters(f"async+redis://u:a-password@{LOOPBACK}:{free_port(LOOPBACK)}/0"))
    assert finding.state == "wrong"
    assert "a-password" not in str(finding)


SECRETS = {
    "DATABASE_URL": f"postgresql://u:secret-one@{LOOPBACK}:1/x",
    "S3_ACCESS_KEY_ID": "key",
    "S3_SECRET_ACCESS_KEY": "secret-two",
    "STEMWRIGHT_NOTIFIER_SEALING_KEY": "secret-three" * 4,
    "STEMWRIGHT_ACCOUNTS_SMTP_PASSWORD": "secret-four",
    "STEMWRIGHT_GATEWAY_RATE_LIMIT_STORAGE": "redis://:secret-five@host/0",
    "STEMWRIGHT_WORKER_TRITON_KEY": "secret-six",
}


def test_the_command_looks_at_everything_says_no_secret_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMWRIGHT_HOME", str(tmp_path))
    monkeypatch.setenv("STEMWRIGHT_MODEL_REPOSITORY", str(tmp_path))
    nobody = free_port(LOOPBACK)
    elsewhere = dict.fromkeys(("S3_ENDPOINT_URL", "STEMWRIGHT_JWKS_URL"), f"http://{LOOPBACK}:{nobody}")
    for name, value in {**SECRETS, **elsewhere, "KAFKA_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{nobody}"}.items():
        monkeypatch.setenv(name, value)
    answer = CliRunner().invoke(main, ["doctor", "--json"])
    assert answer.exit_code == 1, answer.output
    findings = [Finding(**finding) for finding in json.loads(answer.stdout)]
    wrong = {finding.about for finding in findings if finding.state == "wrong"}
    assert {"settings of gateway", "database of upload", "event log, for worker", "bucket stemwright"} <= wrong
    assert all(finding.advice for finding in findings if finding.state == "wrong")
    assert "secret-" not in answer.output
    plain = CliRunner().invoke(main, ["doctor", "gateway"])
    assert (plain.exit_code, plain.output.count("\n")) == (1, 1)
    assert plain.output.startswith("wrong   settings of gateway: STEMWRIGHT_GATEWAY_RATE_LIMIT_STORAGE")


def test_a_platform_on_one_machine_is_found_by_its_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert "S3_ACCESS_KEY_ID" not in settings_in_home(tmp_path, {})
    assert not home.secrets.exists()
    home.make()
    keys = home.store_keys()
    home.remember_ports({"broker": 20001, "object-store": 20002, "accounts": 20003})
    told = settings_in_home(tmp_path, {})
    assert told["KAFKA_BOOTSTRAP_SERVERS"] == f"{LOOPBACK}:20001"
    assert told["STEMWRIGHT_GATEWAY_ACCOUNTS_URL"] == f"http://{LOOPBACK}:20003"
    assert told["S3_SECRET_ACCESS_KEY"] == keys.secret_access_key
    assert settings_in_home(tmp_path, {"DATABASE_URL": "postgresql://u@db/x"}) == {}


def test_what_libraries_say_is_one_line() -> None:
    assert one_line("first.\n  second") == "first"
    assert one_line(ValueError()) == "ValueError"


def asked(*services: str) -> tuple[int, dict[str, Finding]]:
    answer = CliRunner().invoke(main, ["doctor", "--json", *services])
    return answer.exit_code, {finding["about"]: Finding(**finding) for finding in json.loads(answer.stdout)}


@pytest.fixture
def nothing_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in (*ELSEWHERE, "STEMWRIGHT_NOTIFIER_SEALING_KEY", "STEMWRIGHT_UPLOAD_SCRATCH_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STEMWRIGHT_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home")


def test_where_there_is_no_platform_one_line_says_so_and_nothing_is_made(nothing_elsewhere: Home) -> None:
    status, found = asked("gateway", "accounts", "upload", "orchestrator", "notifier")
    assert (status, [about for about, finding in found.items() if finding.state == "wrong"]) == (1, ["platform"])
    assert found["platform"].says == f"nothing runs in {nothing_elsewhere.root}"
    assert "`stemwright up` starts it" in found["platform"].advice
    assert not [finding for finding in found.values() if "signing key" in finding.about]
    assert not nothing_elsewhere.root.exists()


def test_of_a_platform_that_is_stopped_what_it_has_is_looked_at(
    nothing_elsewhere: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = nothing_elsewhere
    home.make()
    home.signing_key()
    home.remember_ports({"broker": 1, "object-store": 1, "accounts": 1, "upload": 1})
    (home.data / "accounts.db").touch()  # without a schema
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    before = dict(os.environ)
    status, found = asked("accounts", "upload")
    assert status == 1
    assert {about: finding.state for about, finding in found.items()} == {
        "platform": "wrong",
        "settings of accounts": "ok",
        "signing key of accounts": "ok",
        "database of accounts": "wrong",
        "settings of upload": "ok",
        "disk of upload": "warning",
        "database of upload": "wrong",
    }
    assert found["disk of upload"].says == f"{home.root} has 1.0 GB left"  # the parts' folder is made at the start
    assert dict(os.environ) == before


def test_a_platform_that_runs_is_told_as_well(nothing_elsewhere: Home) -> None:
    nothing_elsewhere.make()
    with nothing_elsewhere.locked():
        life, _, [finding] = platform(nothing_elsewhere.root)
    assert (life, finding.state) == ("running", "warning")  # it has not said what its parts do


def test_wrong_settings_of_one_machine_are_told(nothing_elsewhere: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMWRIGHT_WORKERS", "many")
    monkeypatch.setenv("STEMWRIGHT_LOG_LEVEL", "LOUD")
    _, found = asked("gateway")
    assert found["settings of up"].says == "STEMWRIGHT_WORKERS is 'many'; it must be a whole number"
    assert found["settings of gateway"].state == "wrong"


def test_a_canary_has_a_key_and_a_gateway_that_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, port = tmp_path / "key", free_port(LOOPBACK)
    monkeypatch.setenv("STEMWRIGHT_HOME", str(tmp_path / "home"))  # as in a pod: no platform of this machine
    monkeypatch.setenv("STEMWRIGHT_CANARY_KEY_FILE", str(key))
    monkeypatch.setenv("STEMWRIGHT_CANARY_URL", f"http://{LOOPBACK}:{port}")
    status, found = asked("canary")
    assert (status, found["key of canary"].says) == (1, f"{key}: No such file or directory")
    assert "canary-key" in found["key of canary"].advice
    key.write_text("sk_mine")
    assert "does not answer" in asked("canary")[1]["key of canary"].says
    with gateway_that_knows("sk_mine", port):
        assert asked("canary")[0] == 0
        key.write_text("sk_another")
        status, found = asked("canary")
    assert (status, found["key of canary"].says) == (1, f"http://{LOOPBACK}:{port}/v1/jobs answers 401")
    assert "sk_" not in str(found)


@contextmanager
def gateway_that_knows(key: str, port: int) -> Iterator[None]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.headers["Authorization"] == f"Bearer {key}" else 401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer((LOOPBACK, port), Answer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield
        finally:
            server.shutdown()
