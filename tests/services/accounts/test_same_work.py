"""Whether somebody has an address here is told neither by an answer nor by the work that it takes.

The work is counted instead of timed: statements, in their order, and password hashes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import event

from services.accounts.app import build
from services.accounts.guesses.throttle import TRIES
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings
from services.accounts.users.passwords import PasswordHashing
from services.kit.database import Database
from tests.app_client import AppClient
from tests.services.accounts.conftest import PASSWORD, QUICK_HASHES_KIB, Mailbox

KNOWN, UNKNOWN = "ada@example.com", "nobody@example.com"


@pytest.fixture
def client(database: Database, keys: SigningKeys) -> TestClient:
    """A platform that proves addresses by mail, with one account."""
    settings = Settings(verify_email=True, password_memory_kib=QUICK_HASHES_KIB)
    app = build(settings, keys, database)
    assert isinstance(app, FastAPI)
    client = AppClient(app, raise_server_exceptions=False)
    elsewhere = {"X-Forwarded-For": "192.0.2.66"}
    known = {"email": KNOWN, "password": PASSWORD}
    assert client.post("/v1/auth/register", json=known, headers=elsewhere).status_code == 201
    proof = {"token": Mailbox(app.state.accounts).token_to(KNOWN)}
    assert client.post("/v1/auth/verify-email", json=proof).status_code == 204
    return client


class Work:
    """What was done while it was watched."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def __repr__(self) -> str:
        return "\n".join(self.done)


@contextmanager
def watched(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    work = Work()
    engines = {database._reader, database._writer}

    def executed(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        work.done.append(statement)

    def ended(_connection: Any) -> None:
        work.done.append("end of a transaction")

    def hashing(do: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            work.done.append("a password hash")
            return do(*arguments)

        return counted

    with monkeypatch.context() as patch:
        patch.setattr(PasswordHashing, "_in_turn", hashing(PasswordHashing._in_turn))
        for engine in engines:
            event.listen(engine, "before_cursor_execute", executed)
            event.listen(engine, "commit", ended)
            event.listen(engine, "rollback", ended)
        try:
            yield work
        finally:
            for engine in engines:
                event.remove(engine, "before_cursor_execute", executed)
                event.remove(engine, "commit", ended)
                event.remove(engine, "rollback", ended)


def sign_in(client: TestClient, email: str) -> Any:
    form = {"grant_type": "password", "username": email, "password": "a wrong password"}
    return client.post("/v1/auth/token", data=form)


def sign_in_a_browser(client: TestClient, email: str) -> Any:
    return client.post("/v1/auth/session", json={"email": email, "password": "a wrong password"})


def ask_for_a_new_password(client: TestClient, email: str) -> Any:
    return client.post("/v1/auth/password-reset", json={"email": email})


def ask_for_the_mail_again(client: TestClient, email: str) -> Any:
    return client.post("/v1/auth/verify-email", json={"email": email})


def register(client: TestClient, email: str) -> Any:
    return client.post("/v1/auth/register", json={"email": email, "password": "another pass phrase"})


@pytest.mark.parametrize("ask", [sign_in, sign_in_a_browser, ask_for_a_new_password, ask_for_the_mail_again, register])
def test_the_work_is_the_same_whoever_has_the_address(
    client: TestClient,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[TestClient, str], Any],
) -> None:
    # As often as is judged, and once more: what is told the account, and the refusal, are work too.
    for _ in range(TRIES + 1):
        with watched(database, monkeypatch) as of_known:
            known = ask(client, KNOWN)
        with watched(database, monkeypatch) as of_unknown:
            unknown = ask(client, UNKNOWN)
        assert of_known.done == of_unknown.done
        assert of_known.done
        assert known.status_code == unknown.status_code
        assert _without_what_differs(known) == _without_what_differs(unknown)


def _without_what_differs(answer: Any) -> Any:
    """Its names of fields, and its values but for ids, times and the address that was sent."""
    document = answer.json() if answer.content else {}
    return {
        key: None if key in ("id", "email", "created_at", "request_id") else value for key, value in document.items()
    }
