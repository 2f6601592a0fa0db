"""Where the signing key comes from, and a start without one."""

import stat
from functools import partial
from pathlib import Path

import pytest

from services.accounts.main import main
from services.accounts.sessions.signing_key import SigningKeyMissingError, load_signing_keys
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings
from tests.services.accounts.conftest import in_parallel
from tests.services.accounts.production import PRODUCTION


def _production(file: Path | None) -> Settings:
    return Settings(
        STEMWRIGHT_ENVIRONMENT="production",
        STEMWRIGHT_KAFKA_SECURITY_PROTOCOL="SSL",
        DATABASE_URL=PRODUCTION["DATABASE_URL"],
        signing_key_file=file,
        smtp_host="mail.example",
        mail_from="mail@stemwright.example",
        public_url="https://stemwright.example",
    )


def test_in_development_the_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "signing.pem"
    settings = Settings(signing_key_file=file)

    results = in_parallel([partial(load_signing_keys, settings)] * 8)

    assert len({str(keys.jwks()) for keys in results}) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["signing.pem"]


def test_without_a_file_development_signs_with_a_key_of_its_own() -> None:
    assert load_signing_keys(Settings()).jwks() != load_signing_keys(Settings()).jwks()


def test_production_reads_the_key_and_never_makes_one(tmp_path: Path) -> None:
    file = tmp_path / "signing.pem"
    with pytest.raises(SigningKeyMissingError, match="cannot be read"):
        load_signing_keys(_production(file))
    assert not file.exists()

    keys = SigningKeys.generate()
    file.write_bytes(keys.private_pem())
    assert load_signing_keys(_production(file)).jwks() == keys.jwks()

    file.write_text("not a key")
    with pytest.raises(SigningKeyMissingError, match="is of no use"):
        load_signing_keys(_production(file))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, "STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE is needed in production"),
        ({"STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE": "/nowhere/key.pem"}, "/nowhere/key.pem cannot be read"),
        ({"STEMWRIGHT_ACCOUNTS_WELCOME_CREDITS": "many"}, "STEMWRIGHT_ACCOUNTS_WELCOME_CREDITS is 'many'"),
    ],
)
def test_a_start_that_cannot_work_says_why_in_one_line(
    change: dict[str, str], line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**PRODUCTION, **change}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as ended:
        main()

    told = capsys.readouterr().err
    assert ended.value.code == 78
    assert line in told
    assert told.count("\n") == 1
