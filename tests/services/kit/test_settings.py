"""What production refuses to start with."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.accounts.settings import Settings as AccountsSettings
from services.gateway.settings import Settings as GatewaySettings
from services.kit.settings import (
    EX_CONFIG,
    DatabaseSettings,
    EnvironmentSettings,
    KafkaSettings,
    StorageSettings,
    has_known_password,
    load,
)
from services.orchestrator.settings import Settings as OrchestratorSettings
from services.upload.settings import Settings as UploadSettings
from services.worker.settings import Settings as WorkerSettings

PRODUCTION = {
    "STEMWRIGHT_ENVIRONMENT": "production",
    "STEMWRIGHT_KAFKA_SECURITY_PROTOCOL": "SSL",
    "STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE": "/keys/signing.pem",
    "STEMWRIGHT_ACCOUNTS_PUBLIC_URL": "https://stemwright.example",
    "STEMWRIGHT_ACCOUNTS_MAIL_FROM": "mail@stemwright.example",
    "STEMWRIGHT_ACCOUNTS_SMTP_HOST": "mail.example",
}
GOOD = "postgresql://stemwright:kR7-_p4q%20zz@db.example/stemwright"


@pytest.fixture(autouse=True)
def _no_password_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPASSWORD", "PGPASSFILE", "DATABASE_URL", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)


def started(monkeypatch: pytest.MonkeyPatch, url: str | None) -> DatabaseSettings:
    if url is not None:
        monkeypatch.setenv("DATABASE_URL", url)
    return load(DatabaseSettings)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://stemwright:stemwright@postgres/stemwright",
        "postgres://u:Postgres@db/x",
        "postgresql://u:@db/x",
        "postgresql://u@db/x",
        "postgresql+psycopg://u:pass%77ord@db/x",
        "postgresql://someone:someone@db/x",
        "postgresql://u:music@db/music",
        "postgresql://u@db/x?password=postgres",
        "sqlite:////data/{service}.db",
        None,
    ],
)
@pytest.mark.usefixtures("production")
def test_production_refuses_a_password_that_everybody_knows_in_one_line_that_names_the_setting(
    url: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        started(monkeypatch, url)
    assert ended.value.code == EX_CONFIG
    [line] = capsys.readouterr().err.splitlines()
    assert "DATABASE_URL" in line


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("url", [GOOD, "postgresql://u@db/x?passfile=/run/secrets/pg"])
def test_production_takes_a_password_of_its_own(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(monkeypatch, url).database_url.get_secret_value() == url


@pytest.mark.usefixtures("production")
def test_production_on_one_machine_may_keep_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMWRIGHT_ONE_MACHINE", "true")
    assert started(monkeypatch, "sqlite:////data/{service}.db").one_machine


def test_a_password_may_come_as_libpq_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_known_password("postgresql://u@db/x")
    monkeypatch.setenv("PGPASSWORD", "kR7-_p4qzz")
    assert not has_known_password("postgresql://u@db/x")


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        (GatewaySettings, {"STEMWRIGHT_GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8"}),
        (WorkerSettings, {}),
        (DatabaseSettings, {"DATABASE_URL": GOOD}),
        (AccountsSettings, {"DATABASE_URL": GOOD}),
        (UploadSettings, {"DATABASE_URL": GOOD}),
        (OrchestratorSettings, {"DATABASE_URL": GOOD}),
    ],
    ids=["gateway", "worker", "migrate", "accounts", "upload", "orchestrator"],
)
def test_production_needs_the_secrets_that_a_process_uses_and_no_others(
    kind: type[EnvironmentSettings], needed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in needed.items():
        monkeypatch.setenv(name, value)
    assert load(kind).environment == "production"
    for name in needed:
        with monkeypatch.context() as without, pytest.raises(SystemExit):
            without.delenv(name)
            load(kind)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"s3_access_key_id": "key"}, "needed together"),
        ({"s3_secret_access_key": "x" * 40}, "needed together"),
        ({"s3_access_key_id": "stemwright", "s3_secret_access_key": "development-only"}, "everybody knows"),
    ],
)
def test_keys_of_the_object_store_are_both_there_or_neither_and_of_ones_own(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        StorageSettings(environment="production", **keys)
    assert StorageSettings(environment="production").s3_access_key_id == ""


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT"])
def test_production_refuses_an_event_log_without_tls_unless_told(
    protocol: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"SECURITY_PROTOCOL": protocol, "SASL_USERNAME": "ann", "SASL_PASSWORD": "kR7-_p4qzz"}.items():
        monkeypatch.setenv(f"STEMWRIGHT_KAFKA_{name}", value)
    if protocol == "SASL_PLAINTEXT":
        monkeypatch.setenv("STEMWRIGHT_KAFKA_SASL_MECHANISM", "PLAIN")
    with pytest.raises(SystemExit):
        load(KafkaSettings)
    [line] = capsys.readouterr().err.splitlines()
    assert "STEMWRIGHT_KAFKA_SECURITY_PROTOCOL must be SSL or SASL_SSL" in line
    monkeypatch.setenv("STEMWRIGHT_KAFKA_ALLOW_PLAINTEXT", "true")
    assert load(KafkaSettings).kafka_security_protocol == protocol


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "PLAIN"}, "KAFKA_SASL_USERNAME and STEMWRIGHT_KAFKA_SASL"),
        (
            {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_USERNAME": "a", "SASL_PASSWORD": "b"},
            "needs STEMWRIGHT_KAFKA_SASL_M",
        ),
        ({"SASL_MECHANISM": "PLAIN"}, "needs STEMWRIGHT_KAFKA_SECURITY_PROTOCOL"),
        ({"CA_FILE": "/nowhere/ca.pem"}, "STEMWRIGHT_KAFKA_CA_FILE"),
        ({"CERTIFICATE_FILE": __file__}, "needed together"),
        ({"MIN_INSYNC_REPLICAS": "2"}, "must not be more than STEMWRIGHT_KAFKA_REPLICATION_FACTOR"),
        ({"PREFIX": "a b"}, "STEMWRIGHT_KAFKA_PREFIX"),
    ],
)
def test_settings_of_the_event_log_that_do_not_fit_are_told_in_one_line(
    told: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in told.items():
        monkeypatch.setenv(f"STEMWRIGHT_KAFKA_{name}", value)
    with pytest.raises(SystemExit):
        load(KafkaSettings)
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize("url", ["mysql://u:verysecret@db/x", "verysecret", "postgresql://u:verysecret@db:port/x"])
def test_what_is_no_url_is_refused_without_being_repeated(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        DatabaseSettings(database_url=url)
    assert "is no URL of SQLite or PostgreSQL" in str(caught.value)


def test_the_url_is_not_shown() -> None:
    assert "kR7" not in repr(DatabaseSettings(database_url=GOOD))
