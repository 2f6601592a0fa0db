"""What production refuses to start with."""

import pytest
from pydantic import ValidationError

from services.kit.settings import EX_CONFIG, KitSettings, has_known_password, load
from services.orchestrator.settings import Settings as OrchestratorSettings

PRODUCTION = {"STEMWRIGHT_ENVIRONMENT": "production", "S3_SECRET_ACCESS_KEY": "x" * 40}
GOOD = "postgresql://stemwright:kR7-_p4q%20zz@db.example/stemwright"


@pytest.fixture(autouse=True)
def _no_password_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGPASSWORD", "PGPASSFILE", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def started(
    monkeypatch: pytest.MonkeyPatch, url: str | None, kind: type[KitSettings] = OrchestratorSettings
) -> KitSettings:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    if url is not None:
        monkeypatch.setenv("DATABASE_URL", url)
    return load(kind)


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
        None,
    ],
)
def test_production_refuses_a_password_that_everybody_knows_in_one_line_that_names_the_setting(
    url: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        started(monkeypatch, url)
    assert ended.value.code == EX_CONFIG
    [line] = capsys.readouterr().err.splitlines()
    assert "DATABASE_URL" in line


@pytest.mark.parametrize("url", [GOOD, "sqlite:////data/{service}.db", "postgresql://u@db/x?passfile=/run/secrets/pg"])
def test_production_takes_a_password_of_its_own(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(monkeypatch, url).database_url.get_secret_value() == url


def test_a_password_may_come_as_libpq_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_known_password("postgresql://u@db/x")
    monkeypatch.setenv("PGPASSWORD", "kR7-_p4qzz")
    assert not has_known_password("postgresql://u@db/x")


def test_a_service_without_a_database_needs_no_url(monkeypatch: pytest.MonkeyPatch) -> None:
    assert started(monkeypatch, None, KitSettings).environment == "production"


@pytest.mark.parametrize("url", ["mysql://u:verysecret@db/x", "verysecret", "postgresql://u:verysecret@db:port/x"])
def test_what_is_no_url_is_refused_without_being_repeated(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValidationError) as caught:
        KitSettings(database_url=url)
    assert "is no URL of SQLite or PostgreSQL" in str(caught.value)


def test_the_url_is_not_shown() -> None:
    assert "kR7" not in repr(KitSettings(database_url=GOOD))
