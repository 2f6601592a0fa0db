"""What people and programs tell the platform in confidence stands in no log, whatever goes wrong."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from services.accounts.api_keys.schemas import KeyExchange
from services.accounts.api_keys.service import MadeKey
from services.accounts.guesses.throttle import Attempt
from services.accounts.sessions.errors import TooManyGuesses
from services.accounts.sessions.schemas import CookieExchange, TokenView, WebSignIn
from services.accounts.sessions.service import Proof, Tokens
from services.accounts.users.emails import parse
from services.accounts.users.schemas import Registration
from services.accounts.users.service import NewUser
from services.gateway.credentials import Credential
from services.kit.auth import Principal
from services.kit.database import Database
from tests.services.accounts.conftest import PASSWORD, Join

SECRET = "hunter2-hunter2-hunter2"


@contextmanager
def missing(database: Database, table: str) -> Iterator[None]:
    """The table is not there meanwhile; on PostgreSQL later tests want it back."""
    with database.write() as session:
        session.execute(text(f"ALTER TABLE {table} RENAME TO elsewhere"))
    try:
        yield
    finally:
        with database.write() as session:
            session.execute(text(f"ALTER TABLE elsewhere RENAME TO {table}"))


def test_a_database_call_that_fails_logs_the_statement_and_none_of_its_values(
    join: Join, client: TestClient, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    person = join("grace@example.com")
    key = person.post("/v1/api-keys", json={"name": "Grace's studio", "scopes": ["jobs"]}).json()["key"]
    form = {"grant_type": "password", "username": person.email, "password": PASSWORD}
    body = {"email": person.email, "password": PASSWORD}

    with missing(database, "security_events"):
        failed = [
            client.post("/v1/auth/token", data=form, headers={"X-Forwarded-For": "203.0.113.77"}),
            client.post("/v1/auth/session", json=body),
            person.post("/v1/api-keys", json={"name": "Grace's studio", "scopes": ["jobs"]}),
            person.post("/v1/auth/logout"),
        ]

    assert [answer.status_code for answer in failed] == [500] * 4
    assert "INSERT INTO security_events" in caplog.text
    assert "Traceback" in caplog.text
    secrets = {
        "the password": PASSWORD,
        "its hash": "argon2id",
        "the address": "grace@example.com",
        "a network": "203.0.113.77",
        "the name of a key": "Grace's studio",
        "a key": key,
        "a refresh token": person.tokens["refresh_token"],
        "an access token": person.tokens["access_token"],
        "the account": "parameters: {",
    }
    for what, secret in secrets.items():
        assert secret not in caplog.text, what
        assert not any(secret in answer.text for answer in failed), what


@pytest.mark.parametrize(
    "bearer",
    [
        Tokens(SECRET, 600, SECRET),
        Proof("usr_1", SECRET, SECRET, Attempt("here", "everywhere", 0, 0, TooManyGuesses)),
        NewUser(parse("ada@example.com"), SECRET, None),
        MadeKey("key_1", SECRET),
        Credential(Principal("usr_1", frozenset(), frozenset(), "ses_1.x"), SECRET),
        Registration(email="ada@example.com", password=SECRET),
        WebSignIn(email="ada@example.com", password=SECRET),
        KeyExchange(api_key=SECRET),
        CookieExchange(secret=SECRET),
        TokenView(access_token=SECRET, expires_in=600, refresh_token=SECRET),
    ],
    ids=lambda bearer: type(bearer).__name__,
)
def test_what_holds_a_secret_does_not_show_it_when_it_is_logged(bearer: Any) -> None:
    assert SECRET not in f"{bearer!r} {bearer}"
