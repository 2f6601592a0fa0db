"""Which environment variables a platform on one machine listens to."""

from pathlib import Path

import pytest

from services.kit.settings import EveryDatabaseSettings, home_folder, load
from services.local.settings import LocalSettings

OURS = {
    "STEMWRIGHT_HOME": "/srv/music",
    "STEMWRIGHT_GATEWAY_HOST": "0.0.0.0",
    "STEMWRIGHT_GATEWAY_PORT": "9000",
    "STEMWRIGHT_WORKERS": "3",
    "STEMWRIGHT_WORKER_MODEL": "another",
}


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*OURS, "DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "S3_ENDPOINT_URL", "S3_BUCKET"):
        monkeypatch.delenv(name, raising=False)


def test_the_settings_have_the_names_that_the_help_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OURS.items():
        monkeypatch.setenv(name, value)

    found = LocalSettings()

    assert found.home == Path("/srv/music")
    assert (found.gateway_host, found.gateway_port, found.workers, found.model) == ("0.0.0.0", 9000, 3, "another")


def test_what_belongs_to_others_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    untouched = LocalSettings()
    # A person's home folder above all, which every shell exports.
    monkeypatch.setenv("HOME", "/home/somebody")
    for field in set(LocalSettings.model_fields) - {
        "database_url",
        "kafka_bootstrap_servers",
        "s3_endpoint_url",
        "s3_bucket",
    }:
        monkeypatch.setenv(field.upper(), "7")

    assert LocalSettings() == untouched
    assert untouched.home == Path(".stemwright")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka", "it must be host:port, several separated by commas"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1,b", "it must be host:port, several separated by commas"),
        ("S3_ENDPOINT_URL", "nonsense", "it must be a URL that begins with http:// or https://"),
        ("S3_ENDPOINT_URL", "http://", "it must be a URL that begins with http:// or https://"),
    ],
)
def test_an_address_that_is_none_is_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        load(LocalSettings)
    assert ended.value.code == 78
    assert capsys.readouterr().err == f"stemwright: {name} is {value!r}; {told}\n"


def test_a_file_that_all_services_would_share_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for settings in (LocalSettings, EveryDatabaseSettings):
        monkeypatch.setenv("DATABASE_URL", "sqlite:///fresh.db")
        with pytest.raises(SystemExit) as ended:
            load(settings)
        told = capsys.readouterr().err
        assert (ended.value.code, told.count("\n")) == (78, 1)
        assert "DATABASE_URL" in told
        assert "must have {service} in the name of its file" in told
        for url in ("sqlite:///{service}.db", "postgresql://u:kR7-p4q@db/x"):
            monkeypatch.setenv("DATABASE_URL", url)
            load(settings)


def test_addresses_elsewhere_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "one.example:9092, [::1]:9093")
    monkeypatch.setenv("S3_ENDPOINT_URL", "https://s3.example/path")
    assert LocalSettings().s3_endpoint_url == "https://s3.example/path"


def test_a_tilde_in_the_home_is_the_person_s_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("STEMWRIGHT_HOME", "~/music")
    assert LocalSettings().home == home_folder() == Path("/home/somebody/music")
