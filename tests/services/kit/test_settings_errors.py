"""A mistake in a setting is told by the variable, its value and what is expected, and never tells a secret."""

import pytest
from pydantic_settings import BaseSettings

from services.accounts.settings import Settings as AccountsSettings
from services.gateway.settings import Settings as GatewaySettings
from services.kit.settings import EX_CONFIG, DatabaseSettings, ServiceSettings, StorageSettings, load
from services.local.settings import LocalSettings
from services.orchestrator.settings import Settings as OrchestratorSettings
from services.worker.settings import Settings as WorkerSettings


@pytest.mark.parametrize(
    ("settings", "variable", "value", "expected"),
    [
        (ServiceSettings, "STEMWRIGHT_PORT", "many", "must be a whole number"),
        (ServiceSettings, "STEMWRIGHT_PORT", "70000", "must be at most 65535"),
        (ServiceSettings, "STEMWRIGHT_LOG_LEVEL", "LOUD", "must be one of DEBUG, INFO, WARNING, ERROR"),
        (StorageSettings, "S3_BUCKET", "ab", "must have 3 or more characters"),
        (AccountsSettings, "STEMWRIGHT_ACCOUNTS_PREVIEWS_PER_DAY", "abc", "must be JSON"),
        (AccountsSettings, "STEMWRIGHT_ACCOUNTS_HOLD_HOURS", "0", "must be greater than 0"),
        (GatewaySettings, "STEMWRIGHT_GATEWAY_ACCOUNTS_URL", "nowhere", "must be an address such as https://"),
        (LocalSettings, "STEMWRIGHT_WORKERS", "1.5", "must be a whole number"),
        (LocalSettings, "STEMWRIGHT_TRITON", "maybe", "must be true or false"),
    ],
)
def test_the_variable_its_value_and_what_is_expected_are_in_one_line(
    settings: type[BaseSettings],
    variable: str,
    value: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as ended:
        load(settings)
    assert ended.value.code == EX_CONFIG
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"stemwright: {variable} is '{value}'; it ")
    assert expected in line


def test_two_settings_that_do_not_fit_are_both_named_with_their_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STEMWRIGHT_ORCHESTRATOR_RESEND_SECONDS", "77")
    monkeypatch.setenv("STEMWRIGHT_ORCHESTRATOR_LEASE_SECONDS", "66")
    with pytest.raises(SystemExit):
        load(OrchestratorSettings)
    [line] = capsys.readouterr().err.splitlines()
    assert "STEMWRIGHT_ORCHESTRATOR_RESEND_SECONDS (77)" in line
    assert "STEMWRIGHT_ORCHESTRATOR_LEASE_SECONDS (66)" in line


@pytest.mark.parametrize(
    ("settings", "variable", "value"),
    [
        (DatabaseSettings, "DATABASE_URL", "mysql://u:verysecret@db/x"),
        (DatabaseSettings, "DATABASE_URL", "verysecret"),
        (GatewaySettings, "STEMWRIGHT_GATEWAY_UPLOAD_URL", "ftp://u:verysecret@upload"),
    ],
)
def test_a_secret_is_not_repeated(
    settings: type[BaseSettings],
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit):
        load(settings)
    told = capsys.readouterr().err
    assert variable in told
    assert "verysecret" not in told


def test_a_variable_that_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STEMWRIGHT_PORT", "LISTEN_FD", "S3_ENDPOINT_URL", "STEMWRIGHT_WORKER_SLOTS"):
        monkeypatch.setenv(name, "")
    settings = load(WorkerSettings)
    assert (settings.port, settings.listen_fd, settings.s3_endpoint_url) == (0, None, None)
