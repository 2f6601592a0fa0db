"""Where an account is signed in, and how few traces of it are kept."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from services.accounts.accounts import Accounts
from services.accounts.sessions.models import RefreshToken, SignInSession
from services.accounts.settings import Settings
from services.accounts.sweeper import tidy
from services.kit.database import Database
from services.kit.ids import new_id
from tests.clocks import Clock
from tests.made_settings import made_settings
from tests.services.accounts.conftest import PASSWORD, QUICK_HASHES_KIB, Join, Person

SignIn = Callable[..., Any]


@pytest.fixture
def settings() -> Settings:
    return made_settings(Settings, verify_email=False, sessions_max=3, password_memory_kib=QUICK_HASHES_KIB)


def sign_in_from(client: TestClient, email: str, agent: str, network: str) -> dict[str, Any]:
    form = {"grant_type": "password", "username": email, "password": PASSWORD}
    answer = client.post("/v1/auth/token", data=form, headers={"User-Agent": agent, "X-Forwarded-For": network})
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def refresh(client: TestClient, token: str) -> Any:
    return client.post("/v1/auth/token", data={"grant_type": "refresh_token", "refresh_token": token})


def listed(person: Person) -> list[dict[str, Any]]:
    answer = person.get("/v1/auth/sessions")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def count(database: Database, table: type) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_person_sees_where_they_are_signed_in_and_ends_one_of_them(
    client: TestClient, join: Join, clock: Clock
) -> None:
    person = join()
    clock.advance(minutes=1)
    phone = sign_in_from(client, person.email, "A phone", "2001:db8:1:2:3::4")

    first, second = listed(person)
    assert (first["client"], first["network"], first["current"]) == ("A phone", "2001:db8:1::/56", False)
    assert (second["current"], second["id"] != first["id"]) == (True, True)
    assert first["created_at"] > second["created_at"]

    assert person.delete(f"/v1/auth/sessions/{first['id']}").status_code == 204

    assert refresh(client, phone["refresh_token"]).status_code == 400
    assert [item["id"] for item in listed(person)] == [second["id"]]
    assert first["id"] in client.get("/internal/revocations").json()["ids"]
    assert person.delete(f"/v1/auth/sessions/{first['id']}").json()["code"] == "session_not_found"


def test_nobody_ends_the_sign_in_of_another(join: Join) -> None:
    owner, stranger = join(), join()
    [session] = listed(owner)

    assert stranger.delete(f"/v1/auth/sessions/{session['id']}").status_code == 404
    assert stranger.delete(f"/v1/auth/sessions/{new_id('ses')}").status_code == 404
    assert stranger.delete("/v1/auth/sessions/x").json()["code"] == "session_not_found"
    assert len(listed(owner)) == len(listed(stranger)) == 1


def test_what_is_used_stands_first_and_what_nobody_uses_is_gone(client: TestClient, join: Join, clock: Clock) -> None:
    person = join()
    clock.advance(days=20)
    other = sign_in_from(client, person.email, "Other", "192.0.2.1")
    clock.advance(days=11)

    assert refresh(client, other["refresh_token"]).status_code == 200

    assert [(item["client"], item["last_used_at"] > item["created_at"]) for item in listed(person)] == [("Other", True)]


def test_for_one_sign_in_too_many_the_one_used_longest_ago_ends(client: TestClient, join: Join, clock: Clock) -> None:
    person = join()
    tokens = []
    for number in range(3):
        clock.advance(minutes=1)
        tokens.append(sign_in_from(client, person.email, f"Client {number}", "192.0.2.1"))

    assert [item["client"] for item in listed(person)] == ["Client 2", "Client 1", "Client 0"]
    assert refresh(client, person.tokens["refresh_token"]).status_code == 400
    assert refresh(client, tokens[0]["refresh_token"]).status_code == 200


def test_however_often_a_session_is_refreshed_few_of_its_tokens_are_kept(
    client: TestClient, join: Join, database: Database, clock: Clock
) -> None:
    token = join().tokens["refresh_token"]
    for _ in range(120):
        clock.advance(seconds=1)
        token = refresh(client, token).json()["refresh_token"]

    assert count(database, RefreshToken) == 51


def test_a_token_that_was_used_is_still_known_for_a_while(client: TestClient, join: Join, clock: Clock) -> None:
    tokens = [join().tokens["refresh_token"]]
    for _ in range(40):
        clock.advance(seconds=1)
        tokens.append(refresh(client, tokens[-1]).json()["refresh_token"])
    clock.advance(minutes=1)

    assert refresh(client, tokens[0]).status_code == 400
    assert refresh(client, tokens[-1]).status_code == 400, "the whole session ends"


def test_sessions_that_ended_leave_nothing(join: Join, database: Database, accounts: Accounts, clock: Clock) -> None:
    signed_out, unused, used = join(), join(), join()
    signed_out.post("/v1/auth/logout")
    clock.advance(days=2)
    tidy(accounts)
    assert count(database, SignInSession) == 2

    clock.advance(days=20)
    assert refresh(used.client, used.tokens["refresh_token"]).status_code == 200
    clock.advance(days=9)
    tidy(accounts)

    with database.read() as session:
        left = session.execute(select(SignInSession.account_id)).scalars().all()
    assert list(left) == [used.account_id]
    assert unused.account_id not in left
