"""Registering, signing in, refreshing and signing out over HTTP."""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import jwt
import pytest
from fastapi.testclient import TestClient
from nacl.pwhash import argon2id
from sqlalchemy import func, select

from services.accounts.accounts import Accounts
from services.accounts.security_events.origin import Origin
from services.accounts.sessions.errors import InvalidGrant, TooManySignIns
from services.accounts.sessions.models import RefreshToken
from services.accounts.sessions.tokens import SigningKeys, grant_of
from services.accounts.settings import Settings
from services.accounts.users.emails import parse
from services.accounts.users.roles import Role
from services.kit.database import Database
from services.kit.protos import billing_pb2
from services.kit.tables import IDEMPOTENCY
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.services.accounts.conftest import PASSWORD, Join, Outbox, in_parallel

SignIn = Callable[..., Any]
Refresh = Callable[[str], Any]


@pytest.fixture
def refresh(client: TestClient) -> Refresh:
    def request(token: str) -> Any:
        return client.post("/v1/auth/token", data={"grant_type": "refresh_token", "refresh_token": token})

    return request


def test_a_new_user_gets_welcome_credits_and_the_orchestrator_hears_of_it(client: TestClient, outbox: Outbox) -> None:
    answer = client.post(
        "/v1/auth/register", json={"email": "Ada@Example.COM", "password": PASSWORD, "display_name": " Ada "}
    )

    assert answer.status_code == 201
    user = answer.json()
    assert user["email"] == "Ada@example.com"
    assert user["display_name"] == "Ada"
    assert user["roles"] == ["user"]
    assert "password" not in answer.text
    told = outbox.last()
    assert isinstance(told, billing_pb2.BalanceChanged)
    assert (told.account_id, told.balance.available_credits, told.balance.version) == (user["id"], 600, 1)


def test_signing_in_gives_a_token_that_opens_the_account(join: Join) -> None:
    person = join()

    assert person.tokens["token_type"] == "Bearer"
    assert person.tokens["expires_in"] == 600
    assert person.get("/v1/me").json()["id"] == person.account_id
    assert person.get("/v1/billing/balance").json() == {
        "available_credits": 600,
        "reserved_credits": 0,
        "debt_credits": 0,
        "expiring": [],
    }


def test_wrong_credentials_are_refused_alike_for_those_who_exist_and_those_who_do_not(
    join: Join, sign_in: SignIn
) -> None:
    person = join()

    wrong_password = sign_in(person.email, "another password")
    wrong_person = sign_in("nobody@example.com")
    no_address = sign_in("not an address")

    assert wrong_password.status_code == 400
    assert wrong_password.headers["content-type"] == "application/problem+json"
    assert wrong_password.json()["error"] == wrong_password.json()["code"] == "invalid_grant"
    assert wrong_password.json() == wrong_person.json() == no_address.json()


def test_an_unknown_user_costs_the_same_work_as_a_known_one(
    join: Join, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = join()
    checked: list[bytes] = []
    verify = argon2id.verify

    def counting(encoded: bytes, password: bytes) -> bool:
        checked.append(encoded)
        return bool(verify(encoded, password))

    monkeypatch.setattr(argon2id, "verify", counting)
    for username, password in [
        (person.email, "another password"),
        ("nobody@example.com", "another password"),
        ("not an address", "another password"),
        (person.email, "x"),
        ("nobody@example.com", "nul\0nul\0nul"),
    ]:
        with pytest.raises(InvalidGrant):
            accounts.sessions.sign_in(username, password, Origin("192.0.2.1"))

    assert len(checked) == 5
    assert len({encoded.rsplit(b"$", 2)[0] for encoded in checked}) == 1


def test_the_address_may_be_spelt_differently_when_signing_in(join: Join, sign_in: SignIn) -> None:
    join("Ada@Example.com")

    assert sign_in("aDA@EXAMPLE.COM").status_code == 200


def test_of_ten_registrations_at_once_one_makes_the_user(client: TestClient, outbox: Outbox) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD}

    def register(network: str) -> Any:
        return client.post("/v1/auth/register", json=body, headers={"X-Forwarded-For": network})

    answers = in_parallel([partial(register, f"192.0.2.{number}") for number in range(10)])

    assert {answer.status_code for answer in answers} == {201}
    assert len({message.account_id for message in outbox.messages()}) == 1


def test_a_registration_sent_again_with_its_key_gets_the_first_answer(client: TestClient, outbox: Outbox) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD}

    def register(**change: str) -> Any:
        return client.post("/v1/auth/register", json=body | change, headers={"Idempotency-Key": "one"})

    first, *others = in_parallel([register] * 6)

    assert [first.status_code, first.json()] == [201, others[-1].json()]
    assert {answer.status_code for answer in others} == {201}
    assert len({message.account_id for message in outbox.messages()}) == 1
    assert register(password="another password").json()["code"] == "idempotency_conflict"
    assert register(display_name="Ada").json()["code"] == "idempotency_conflict"
    # Somebody else may have chosen the same key.
    assert register(email="bob@example.com").status_code == 201


def test_nothing_secret_is_kept_of_a_registration(
    client: TestClient, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    client.post(
        "/v1/auth/register",
        json={"email": "ada@example.com", "password": PASSWORD},
        headers={"Idempotency-Key": "one"},
    )

    with database.read() as session:
        [kept] = session.execute(select(IDEMPOTENCY)).all()
    assert PASSWORD not in str(kept)
    assert "argon2" not in str(kept)
    assert hashlib.sha256(PASSWORD.encode()).hexdigest() not in str(kept)
    assert PASSWORD not in caplog.text


def test_a_refresh_token_gives_the_next_and_then_is_spent(join: Join, refresh: Refresh, clock: Clock) -> None:
    person = join()

    second = refresh(person.tokens["refresh_token"]).json()
    assert second["refresh_token"] != person.tokens["refresh_token"]
    assert second["access_token"] != person.tokens["access_token"]
    third = refresh(second["refresh_token"]).json()
    clock.advance(minutes=1)

    replayed = refresh(second["refresh_token"])
    assert (replayed.status_code, replayed.json()["code"]) == (400, "invalid_grant")
    assert refresh(third["refresh_token"]).status_code == 400, "the whole session ends"


def test_a_retry_whose_answer_was_lost_gets_the_same_refresh_token(join: Join, refresh: Refresh, clock: Clock) -> None:
    token = join().tokens["refresh_token"]

    first = refresh(token).json()
    clock.advance(seconds=9)
    again = refresh(token).json()

    assert first["refresh_token"] == again["refresh_token"]
    assert refresh(first["refresh_token"]).status_code == 200
    assert refresh(token).status_code == 400, "its successor has been used"
    assert refresh(first["refresh_token"]).status_code == 400, "so two parties hold the session"


def test_parallel_refreshes_have_one_winner(join: Join, refresh: Refresh, database: Database) -> None:
    token = join().tokens["refresh_token"]

    answers = in_parallel([lambda: refresh(token)] * 8)

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    with database.read() as session:
        assert session.execute(select(func.count()).select_from(RefreshToken)).scalar_one() == 2


def test_a_session_ends_when_nobody_uses_it(join: Join, refresh: Refresh, clock: Clock) -> None:
    token = join().tokens["refresh_token"]
    clock.advance(days=29)
    token = refresh(token).json()["refresh_token"]
    clock.advance(days=31)

    assert refresh(token).status_code == 400


def test_a_session_ends_after_its_days_however_much_it_is_used(join: Join, refresh: Refresh, clock: Clock) -> None:
    token = join().tokens["refresh_token"]
    for _ in range(4):
        clock.advance(days=22)
        token = refresh(token).json()["refresh_token"]
    clock.advance(days=3)

    assert refresh(token).status_code == 400


def test_signing_out_ends_this_session_and_no_other(join: Join, sign_in: SignIn, refresh: Refresh) -> None:
    person = join()
    elsewhere = sign_in(person.email).json()

    assert person.post("/v1/auth/logout").status_code == 204
    assert person.post("/v1/auth/logout").status_code == 204

    assert refresh(person.tokens["refresh_token"]).status_code == 400
    assert refresh(elsewhere["refresh_token"]).status_code == 200


def test_the_gateway_is_told_what_was_ended(join: Join, client: TestClient, clock: Clock) -> None:
    def told(**after: str) -> Any:
        return client.get("/internal/revocations", params=after).json()

    person, other = join(), join()
    key = person.post("/v1/api-keys", json={"name": "a", "scopes": ["jobs"]}).json()["id"]
    session = grant_of(jwt.decode(person.tokens["access_token"], options={"verify_signature": False})["jti"])
    before = told()
    assert before["ids"] == []
    person.delete(f"/v1/api-keys/{key}")
    person.post("/v1/auth/logout")
    assert set(told(after=before["told_at"])["ids"]) == set(told()["ids"]) == {key, session}
    assert other.get("/v1/me").status_code == 200
    clock.advance(seconds=25)
    assert len(told(after=told()["told_at"])["ids"]) == 2
    clock.advance(seconds=10)
    assert told(after=told()["told_at"])["ids"] == []
    assert len(told()["ids"]) == 2
    clock.advance(minutes=10)
    assert told()["ids"] == []


def test_a_changed_role_is_in_the_next_token(join: Join, refresh: Refresh, accounts: Accounts) -> None:
    person = join()
    with accounts.database.write() as session:
        accounts.users.add_role(session, parse(person.email), Role.OPERATOR)

    tokens = refresh(person.tokens["refresh_token"]).json()

    assert jwt.decode(tokens["access_token"], options={"verify_signature": False})["roles"] == ["operator", "user"]


def test_answers_with_tokens_are_not_cached(join: Join, sign_in: SignIn) -> None:
    assert sign_in(join().email).headers["cache-control"] == "no-store"
    assert sign_in("nobody@example.com").headers["cache-control"] == "no-store"


def test_the_published_keys_verify_the_tokens(client: TestClient, join: Join) -> None:
    token = join().tokens["access_token"]

    answer = client.get("/.well-known/jwks.json")

    [key] = answer.json()["keys"]
    assert "d" not in key
    assert jwt.get_unverified_header(token)["kid"] == key["kid"]
    claims = jwt.decode(token, jwt.PyJWK(key).key, algorithms=["EdDSA"], audience="stemwright-api", issuer="stemwright")
    assert claims["scope"].split() == ["uploads", "jobs", "billing:read", "webhooks", "events", "account"]


@on_sqlite
@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "invalid_request"),
        ({"grant_type": "password", "username": "ada@example.com"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "rt_nonsense"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "nul\0"}, "invalid_grant"),
    ],
)
def test_a_token_request_that_is_not_one_gets_the_error_of_rfc_6749(
    client: TestClient, form: dict[str, str], error: str
) -> None:
    answer = client.post("/v1/auth/token", data=form)

    assert (answer.status_code, answer.json()["error"], answer.json()["code"]) == (400, error, error)


@on_sqlite
@pytest.mark.parametrize(
    "change",
    [
        {"email": "not an address"},
        {"email": None},
        {"email": ["ada@example.com"]},
        {"email": "ada@example.com\0"},
        {"password": "short"},
        {"password": "x" * 200_000},
        {"password": "nul\0nul\0nul"},
        {"password": 12345678},
        {"display_name": ""},
        {"display_name": "x" * 101},
        {"display_name": "two\nlines"},
        {"display_name": "nul\0"},
        {"id": "usr_1"},
        {"roles": ["admin"]},
        {"credits": 1000},
        {"plan": "pro"},
    ],
)
def test_a_registration_takes_nothing_it_should_not(client: TestClient, change: dict[str, Any]) -> None:
    answer = client.post("/v1/auth/register", json={"email": "ada@example.com", "password": PASSWORD} | change)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert len(answer.content) < 2000


@on_sqlite
@pytest.mark.parametrize(
    "content",
    [
        b'{"email": "ada@example.com", "password": "lone \\ud800 surrogate"}',
        b'{"email": "ada@example.com", "password": "correct horse", "display_name": "\\ud800"}',
        b'{"email": "a\\ud800@example.com", "password": "correct horse"}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"email": ' + b"1" * 10_000 + b"}",
        b"",
    ],
    ids=["surrogate in password", "in name", "in address", "bad UTF-8", "deep", "long number", "nothing"],
)
def test_a_body_that_is_not_proper_json_is_refused(client: TestClient, content: bytes) -> None:
    answer = client.post("/v1/auth/register", content=content, headers={"Content-Type": "application/json"})

    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


@on_sqlite
@pytest.mark.parametrize("key", ["", "x" * 201, "two\tparts", "caf\u00e9"])
def test_an_odd_idempotency_key_is_refused(client: TestClient, key: str) -> None:
    answer = client.post(
        "/v1/auth/register",
        json={"email": "ada@example.com", "password": PASSWORD},
        headers={b"Idempotency-Key": key.encode()},
    )

    assert answer.status_code == 422


def test_many_sign_ins_at_once_are_turned_away_instead_of_piling_up(
    database: Database, keys: SigningKeys, join: Join
) -> None:
    person = join()
    settings = Settings(password_concurrency=1, password_waiting_max=0)
    narrow = Accounts.build(settings, database, keys)
    accounts_answers = in_parallel([lambda: narrow.sessions.sign_in(person.email, PASSWORD, Origin("192.0.2.1"))] * 8)

    turned_away = [answer for answer in accounts_answers if isinstance(answer, TooManySignIns)]
    assert turned_away
    assert turned_away[0].status == 429
    assert turned_away[0].headers["Retry-After"] == "1"
    assert any(not isinstance(answer, Exception) for answer in accounts_answers)
