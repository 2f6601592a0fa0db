"""Signing the web app in and out at accounts, behind whose back the gateway stands."""

from http.cookies import Morsel, SimpleCookie
from typing import Any

import jwt
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from services.accounts.accounts import Accounts
from services.accounts.sessions.models import SignInSession
from services.kit.session_cookie import SECRET, csrf_token
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.services.accounts.conftest import PASSWORD, Join

OUTSIDE = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "stemwright.example"}


def open_session(
    client: TestClient, email: str, password: str = PASSWORD, headers: dict[str, str] | None = None
) -> Any:
    return client.post("/v1/auth/session", json={"email": email, "password": password}, headers=headers or OUTSIDE)


def cookies_of(answer: Any) -> dict[str, Morsel[str]]:
    jar = SimpleCookie()
    for line in answer.headers.get_list("set-cookie"):
        jar.load(line)
    return dict(jar)


def exchange(client: TestClient, secret: str) -> Any:
    return client.post("/internal/sessions/exchange", json={"secret": secret})


def secret_of(answer: Any) -> str:
    return cookies_of(answer)["__Host-stemwright-session"].value


def test_the_secret_is_in_a_cookie_that_no_script_reads_and_no_foreign_page_sends(
    join: Join, client: TestClient
) -> None:
    person = join()

    answer = open_session(client, person.email)

    assert answer.status_code == 200
    session, csrf = (cookies_of(answer)[f"__Host-stemwright-{name}"] for name in ("session", "csrf"))
    assert SECRET.fullmatch(session.value)
    for cookie, unreadable in ((session, True), (csrf, "")):
        assert (cookie["path"], cookie["secure"], cookie["samesite"], cookie["domain"]) == ("/", True, "lax", "")
        assert (cookie["httponly"], cookie["max-age"]) == (unreadable, str(90 * 24 * 3600))
    assert answer.json()["csrf_token"] == csrf.value == csrf_token(session.value)
    assert answer.json()["user"]["id"] == person.account_id
    assert session.value not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_over_plain_http_on_this_machine_the_cookie_is_taken_too(join: Join, client: TestClient) -> None:
    headers = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "127.0.0.1:8080"}

    cookies = cookies_of(open_session(client, join().email, headers=headers))

    assert set(cookies) == {"stemwright-session", "stemwright-csrf"}
    assert not cookies["stemwright-session"]["secure"]
    assert cookies["stemwright-session"]["httponly"]


def test_the_secret_becomes_an_access_token_of_the_person(join: Join, client: TestClient) -> None:
    person = join()
    secret = secret_of(open_session(client, person.email))

    answer = exchange(client, secret)

    assert answer.headers["cache-control"] == "no-store"
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert client.get("/v1/me", headers=headers).json()["id"] == person.account_id
    kinds = [event["kind"] for event in person.get("/v1/me/security-events").json()["items"]]
    assert kinds == ["signed_in", "signed_in", "registered"]


def test_only_a_digest_of_the_secret_is_kept(join: Join, client: TestClient, accounts: Accounts) -> None:
    secret = secret_of(open_session(client, join().email))

    with accounts.database.read() as session:
        kept = session.execute(select(SignInSession.__table__)).all()

    assert secret not in str(kept)
    assert secret.removeprefix("ws_") not in str(kept)


@on_sqlite
@pytest.mark.parametrize("secret", ["ws_" + "A" * 43, "ws_", "x", "nul\0", "sk_" + "A" * 43])
def test_any_other_secret_opens_nothing(client: TestClient, secret: str) -> None:
    answer = exchange(client, secret)

    assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")


def test_signing_out_ends_it_and_takes_the_cookies_away(join: Join, client: TestClient) -> None:
    secret = secret_of(open_session(client, join().email))
    access_token = exchange(client, secret).json()["access_token"]

    answer = client.delete("/v1/auth/session", headers={**OUTSIDE, "Authorization": f"Bearer {access_token}"})

    assert answer.status_code == 204
    for cookie in cookies_of(answer).values():
        assert (cookie.value, cookie["max-age"], cookie["secure"]) == ("", "0", True)
    assert set(cookies_of(answer)) == {"__Host-stemwright-session", "__Host-stemwright-csrf"}
    assert exchange(client, secret).status_code == 401
    ended = jwt.decode(access_token, options={"verify_signature": False})["jti"].partition(".")[0]
    assert ended in client.get("/internal/revocations").json()["ids"]


def test_it_lasts_while_it_is_used_and_ends_when_it_is_not(join: Join, client: TestClient, clock: Clock) -> None:
    email = join().email
    used, unused = secret_of(open_session(client, email)), secret_of(open_session(client, email))
    for _ in range(3):
        clock.advance(days=29)
        assert exchange(client, used).status_code == 200
    assert exchange(client, unused).status_code == 401

    clock.advance(days=4)

    assert exchange(client, used).status_code == 401, "after its ninety days it ends in any case"


def test_a_wrong_password_is_refused_as_where_tokens_are_given(join: Join, client: TestClient) -> None:
    known = open_session(client, join().email, "a wrong one")
    unknown = open_session(client, "nobody@example.com", "a wrong one")

    assert (known.status_code, known.json()["code"]) == (400, "invalid_grant")
    assert known.json() == unknown.json()
    assert "set-cookie" not in known.headers


def test_guesses_count_whichever_way_they_are_made(join: Join, client: TestClient, sign_in: Any) -> None:
    email = join().email
    for _ in range(3):
        open_session(client, email, "a wrong one", {"X-Forwarded-For": "192.0.2.1"})
    form = {"grant_type": "password", "username": email, "password": "a wrong one"}
    for _ in range(2):
        client.post("/v1/auth/token", data=form, headers={"X-Forwarded-For": "192.0.2.1"})
    open_session(client, email, "a wrong one", {"X-Forwarded-For": "192.0.2.1"})

    answer = open_session(client, email, PASSWORD, {"X-Forwarded-For": "192.0.2.1"})

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_guesses")


def test_what_is_no_json_signs_nobody_in(join: Join, client: TestClient) -> None:
    """A form on a foreign page can send forms and plain text."""
    form = {"email": join().email, "password": PASSWORD}

    answer = client.post("/v1/auth/session", data=form, headers=OUTSIDE)

    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers
