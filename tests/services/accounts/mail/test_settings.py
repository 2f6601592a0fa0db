"""Where mails cannot arrive safely, the service does not start."""

import pytest
from pydantic import ValidationError

from services.accounts.settings import Settings
from tests.services.accounts.production import PRODUCTION

COMPLETE: dict[str, str | None] = {**PRODUCTION, "STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE": "key.pem"}


def settings(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> Settings:
    for name, value in (COMPLETE | changes).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    return Settings()


def test_production_starts_with_a_mail_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch).smtp_security == "starttls"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"STEMWRIGHT_ACCOUNTS_SMTP_HOST": None}, "SMTP_HOST is needed"),
        ({"STEMWRIGHT_ACCOUNTS_MAIL_FROM": None}, "MAIL_FROM is needed"),
        ({"STEMWRIGHT_ACCOUNTS_SMTP_SECURITY": "none"}, "must be starttls or implicit"),
        ({"STEMWRIGHT_ACCOUNTS_PUBLIC_URL": "http://stemwright.example"}, "must begin with https"),
        ({"STEMWRIGHT_ACCOUNTS_PUBLIC_URL": "https://stemwright.example/path"}, "should match pattern"),
        ({"STEMWRIGHT_ACCOUNTS_MAIL_FROM": "nobody"}, "is no address"),
        ({"STEMWRIGHT_ACCOUNTS_MAIL_FROM": "a@b.example\nBcc: c@d.example"}, "is no address"),
    ],
)
def test_what_would_lose_or_show_mails_is_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        settings(monkeypatch, **changes)


def test_a_mail_server_on_the_same_machine_needs_no_encryption(monkeypatch: pytest.MonkeyPatch) -> None:
    told = settings(monkeypatch, STEMWRIGHT_ACCOUNTS_SMTP_SECURITY="none", STEMWRIGHT_ACCOUNTS_SMTP_HOST="127.0.0.1")
    assert told.smtp_security == "none"
