"""The user, their API keys and their money over HTTP."""

import json
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from services.accounts.accounts import Accounts
from services.accounts.api_keys.models import ApiKey
from services.accounts.ledger.holds import Ending
from services.accounts.security_events.origin import Origin
from services.accounts.sessions.tokens import SigningKeys, access_claims
from services.accounts.settings import Settings
from services.accounts.sweeper import tidy
from services.accounts.users.emails import parse
from services.accounts.users.roles import Role
from services.kit.database import Database
from services.kit.ids import new_id
from services.kit.tables import IDEMPOTENCY
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.services.accounts.conftest import Join, Person, in_parallel
from tests.services.accounts.ledger.billing_cases import Money

KEY = {"name": "CI", "scopes": ["jobs", "uploads"]}


def _exchange(client: TestClient, key: str) -> Any:
    return client.post("/internal/api-keys/exchange", json={"api_key": key})


def test_a_person_may_change_their_name_and_nothing_else(join: Join) -> None:
    person = join()

    assert person.patch("/v1/me", json={"display_name": "Ada"}).json()["display_name"] == "Ada"
    assert person.patch("/v1/me", json={}).json()["display_name"] == "Ada"
    for field in ("email", "roles", "plan", "id", "password", "available_credits"):
        assert person.patch("/v1/me", json={field: "admin"}).status_code == 422
    assert person.patch("/v1/me", json={"display_name": None}).json()["display_name"] is None
    assert set(person.get("/v1/me").json()) == {
        "id",
        "email",
        "email_verified",
        "display_name",
        "low_credits_threshold",
        "roles",
        "created_at",
    }


def test_an_api_key_is_shown_once_and_exchanged_for_a_token_with_its_scopes(
    client: TestClient, join: Join, database: Database
) -> None:
    person = join()

    made = person.post("/v1/api-keys", json=KEY)

    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    key = made.json()["key"]
    [listed] = person.get("/v1/api-keys").json()["items"]
    assert "key" not in listed
    assert listed["hint"].endswith(key[-4:])
    with database.read() as session:
        [row] = session.execute(select(ApiKey.__table__)).mappings().all()
    assert key not in str(dict(row))
    exchanged = _exchange(client, key)
    assert exchanged.status_code == 200
    claims = jwt.decode(exchanged.json()["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["scope"], claims["roles"]) == (person.account_id, "uploads jobs", ["user"])
    assert exchanged.json()["expires_in"] == claims["exp"] - claims["iat"] == 600
    assert person.get("/v1/api-keys").json()["items"][0]["last_used_at"] is not None


def test_a_key_works_until_it_expires_and_shows_when(client: TestClient, join: Join, clock: Clock) -> None:
    person = join()
    ends = clock() + timedelta(seconds=20)
    key = person.post("/v1/api-keys", json={**KEY, "expires_at": ends.isoformat()}).json()
    assert datetime.fromisoformat(key["expires_at"]) == ends
    assert _exchange(client, key["key"]).status_code == 200

    clock.advance(seconds=20)

    assert _exchange(client, key["key"]).json()["code"] == "invalid_api_key"
    assert person.get("/v1/api-keys").json()["items"][0]["expires_at"] == key["expires_at"]
    assert person.delete(f"/v1/api-keys/{key['id']}").status_code == 204


def test_keys_that_ended_leave_nothing_once_every_gateway_was_told(
    join: Join, database: Database, accounts: Accounts, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.accounts.api_keys.service.DELETED_TOGETHER", 2)
    person = join()

    def make(**change: Any) -> str:
        return str(person.post("/v1/api-keys", json=KEY | change).json()["id"])

    def known() -> set[str]:
        tidy(accounts)
        with database.read() as session:
            return set(session.execute(select(ApiKey.id)).scalars())

    lasting = {make(), make(expires_at=(clock() + timedelta(days=30)).isoformat())}
    ended = {make(expires_at=(clock() + timedelta(minutes=1)).isoformat())} | {make() for _ in range(4)}
    for key in ended:
        person.delete(f"/v1/api-keys/{key}")
    expired = make(expires_at=(clock() + timedelta(hours=2)).isoformat())

    clock.advance(hours=23)
    assert known() == {*lasting, *ended, expired}
    clock.advance(hours=2)
    assert known() == {*lasting, expired}
    clock.advance(hours=2)
    assert known() == lasting
    kinds = [event["kind"] for event in person.get("/v1/me/security-events?limit=100").json()["items"]]
    assert (kinds.count("api_key_made"), kinds.count("api_key_deleted")) == (8, 5)


def test_a_key_cannot_be_made_that_has_expired(join: Join, clock: Clock) -> None:
    answer = join().post("/v1/api-keys", json={**KEY, "expires_at": clock().isoformat()})

    assert (answer.status_code, answer.json()["code"]) == (422, "expiry_in_the_past")


@on_sqlite
@pytest.mark.parametrize("ends", ["tomorrow", "2099-01-01T00:00:00", -1, 1e400, "99999-01-01T00:00:00Z", True])
def test_an_expiry_is_a_time_with_its_zone(join: Join, ends: Any) -> None:
    answer = join().post(
        "/v1/api-keys",
        content=json.dumps({**KEY, "expires_at": ends}).encode(),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code in {400, 422}


def test_a_keys_token_does_only_what_the_key_may(client: TestClient, join: Join) -> None:
    person = join()
    key = person.post("/v1/api-keys", json={"name": "reader", "scopes": ["billing:read"]}).json()["key"]
    headers = {"Authorization": f"Bearer {_exchange(client, key).json()['access_token']}"}

    assert client.get("/v1/billing/balance", headers=headers).status_code == 200
    for method, path in [
        ("GET", "/v1/me"),
        ("GET", "/v1/api-keys"),
        ("POST", "/v1/auth/logout"),
        ("GET", "/v1/admin/ledger-check"),
        ("GET", "/v1/admin/audit-log"),
    ]:
        refused = client.request(method, path, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert client.post("/v1/api-keys", json=KEY, headers=headers).status_code == 403


def test_an_operators_key_does_not_operate(client: TestClient, join: Join, accounts: Accounts) -> None:
    person = join()
    with accounts.database.write() as session:
        accounts.users.add_role(session, parse(person.email), Role.ADMIN)
        accounts.users.add_role(session, parse(person.email), Role.PARTNER)
    key = person.post("/v1/api-keys", json=KEY).json()["key"]

    claims = jwt.decode(_exchange(client, key).json()["access_token"], options={"verify_signature": False})

    assert claims["roles"] == ["partner", "user"]


def test_a_wrong_key_is_refused_whatever_is_wrong_with_it(client: TestClient, join: Join) -> None:
    person = join()
    made = person.post("/v1/api-keys", json=KEY).json()
    key: str = made["key"]
    flipped = key[:-1] + ("A" if key[-1] != "A" else "B")

    answers = [_exchange(client, wrong) for wrong in (flipped, key[:12], key + "x", "sk_", "x", "\0", key.upper())]
    person.delete(f"/v1/api-keys/{made['id']}")
    answers.append(_exchange(client, key))

    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
    assert answers[0].json()["code"] == "invalid_api_key"
    assert _exchange(client, "x" * 129).status_code == 422


def test_a_deleted_key_is_gone(join: Join) -> None:
    person = join()
    key_id = person.post("/v1/api-keys", json=KEY).json()["id"]

    assert person.delete(f"/v1/api-keys/{key_id}").status_code == 204
    assert person.delete(f"/v1/api-keys/{key_id}").status_code == 404
    assert person.get("/v1/api-keys").json() == {"items": [], "next_cursor": None}


def test_the_first_answer_is_given_again_with_the_key_but_not_stored_in_clear(
    join: Join, database: Database, accounts: Accounts, clock: Clock
) -> None:
    person = join()

    def make(**change: Any) -> Any:
        return person.post("/v1/api-keys", json=KEY | change, headers={"Idempotency-Key": "one"})

    answers = in_parallel([make] * 6)

    assert {answer.status_code for answer in answers} == {201}
    [(key, _)] = {(answer.json()["key"], answer.json()["id"]) for answer in answers}
    assert key.startswith("sk_")
    assert len(person.get("/v1/api-keys").json()["items"]) == 1
    with database.read() as session:
        assert key not in str(session.execute(select(IDEMPOTENCY)).all())
        assert key.encode() not in (session.execute(select(ApiKey.sealed_secret)).scalar_one() or b"")
    assert make(name="other").json()["code"] == "idempotency_conflict"

    clock.advance(hours=25)
    tidy(accounts)
    with database.read() as session:
        assert session.execute(select(ApiKey.sealed_secret)).scalar_one() is None


@on_sqlite
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["account"]},
        {"name": "x", "scopes": ["admin"]},
        {"name": "x", "scopes": ["jobs", "jobs"]},
        {"name": "x", "scopes": "jobs"},
        {"name": "", "scopes": ["jobs"]},
        {"name": "x\0", "scopes": ["jobs"]},
        {"name": "x" * 101, "scopes": ["jobs"]},
        {"name": "x", "scopes": ["jobs"], "account_id": "usr_1"},
    ],
)
def test_an_api_key_request_takes_nothing_it_should_not(join: Join, body: dict[str, Any]) -> None:
    assert join().post("/v1/api-keys", json=body).status_code == 422


def test_an_account_has_so_many_keys_and_no_more(database: Database, keys: SigningKeys, join: Join) -> None:
    person = join()
    few = Accounts.build(Settings(api_keys_max=3), database, keys)

    def make() -> str:
        with database.write() as session:
            return few.api_keys.create(session, person.account_id, "x", ["jobs"], Origin(), tell_again=False).id

    results = in_parallel([make] * 6)

    assert sum(isinstance(result, str) for result in results) == 3
    assert len(person.get("/v1/api-keys").json()["items"]) == 3


def test_keys_come_in_pages(join: Join) -> None:
    person = join()
    made = [person.post("/v1/api-keys", json=KEY).json()["id"] for _ in range(5)]

    seen: list[str] = []
    cursor = None
    while True:
        page = person.get("/v1/api-keys", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [key["id"] for key in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == sorted(made, reverse=True)


def _spend(accounts: Accounts, person: Person) -> str:
    money = Money(accounts, person.account_id)
    job_id, _ = money.reserve(200)
    money.end(job_id, Ending.CAPTURE)
    return job_id


def test_the_statement_tells_every_movement_newest_first(join: Join, accounts: Accounts) -> None:
    person = join()
    job_id = _spend(accounts, person)

    first = person.get("/v1/billing/ledger", params={"limit": 2}).json()
    second = person.get("/v1/billing/ledger", params={"limit": 2, "cursor": first["next_cursor"]}).json()

    lines = [
        (
            line["kind"],
            line["available_change_credits"],
            line["reserved_change_credits"],
            line["available_after_credits"],
            line["reserved_after_credits"],
            line["job_id"],
        )
        for line in first["items"] + second["items"]
    ]
    assert lines == [
        ("capture", 0, -200, 400, 0, job_id),
        ("reserve", -200, 200, 400, 200, job_id),
        ("grant", 600, 0, 600, 0, None),
    ]
    assert second["next_cursor"] is None


@on_sqlite
@pytest.mark.parametrize("path", ["/v1/billing/ledger", "/v1/api-keys"])
@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": 10**9},
        {"limit": "x"},
        {"cursor": "!"},
        {"cursor": "AAAA"},
        {"cursor": "LTE"},
        {"cursor": "x" * 201},
        {"cursor": "4oKsNA"},
    ],
)
def test_an_odd_page_is_refused(join: Join, path: str, params: dict[str, Any]) -> None:
    assert join().get(path, params=params).status_code == 422


@on_sqlite
@pytest.mark.parametrize(
    "key_id", ["x", "key_", "key_%00", "usr_01jd3k0000000000000000000a", "key_" + "0" * 5000, "key_01JD%0A", "..%2Fme"]
)
def test_an_odd_id_names_nothing(join: Join, key_id: str) -> None:
    assert join().delete(f"/v1/api-keys/{key_id}").status_code == 404


def test_nobody_sees_or_touches_what_belongs_to_another(join: Join, accounts: Accounts) -> None:
    owner, stranger = join(), join()
    key_id = owner.post("/v1/api-keys", json=KEY).json()["id"]
    _spend(accounts, owner)
    cursor = owner.get("/v1/billing/ledger", params={"limit": 1}).json()["next_cursor"]

    assert stranger.delete(f"/v1/api-keys/{key_id}").status_code == 404
    assert stranger.get("/v1/api-keys").json()["items"] == []
    assert stranger.get("/v1/billing/balance").json()["available_credits"] == 600
    theirs = stranger.get("/v1/billing/ledger", params={"cursor": cursor}).json()["items"]
    assert [line["kind"] for line in theirs] == ["grant"]
    # The same Idempotency-Key of two accounts is two keys.
    answers = [
        person.post("/v1/api-keys", json=KEY, headers={"Idempotency-Key": "one"}).json() for person in (owner, stranger)
    ]
    assert answers[0]["id"] != answers[1]["id"]


@on_sqlite
@pytest.mark.parametrize("credentials", ["", "Bearer", "Bearer x", "Bearer sk_x", "Basic eA=="])
def test_what_is_no_access_token_is_answered_with_what_would_be(client: TestClient, credentials: str) -> None:
    """Which routes ask for one stands in the gateway's table: tests/services/gateway/test_access.py."""
    answer = client.get("/v1/me", headers={"Authorization": credentials})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_token_that_outlives_its_user_opens_nothing(client: TestClient, keys: SigningKeys, clock: Clock) -> None:
    claims = access_claims(
        issuer="stemwright",
        audience="stemwright-api",
        account_id=new_id("usr"),
        grant_id=new_id("ses"),
        roles=["user"],
        scopes=["account", "billing:read"],
        now=clock(),
        lifetime=timedelta(minutes=10),
    )
    headers = {"Authorization": f"Bearer {keys.sign(claims)}"}

    assert client.get("/v1/me", headers=headers).status_code == 401
    assert client.post("/v1/api-keys", json=KEY, headers=headers).status_code == 401
    assert client.get("/v1/billing/balance", headers=headers).status_code == 401


def test_operators_prove_the_books(join: Join, accounts: Accounts, sign_in: Any) -> None:
    person = join()
    _spend(accounts, person)
    assert person.get("/v1/admin/ledger-check").status_code == 403
    with accounts.database.write() as session:
        accounts.users.add_role(session, parse(person.email), Role.OPERATOR)
    person.tokens = sign_in(person.email).json()

    assert person.get("/v1/admin/ledger-check").json() == {
        "ok": True,
        "transfers": 3,
        "entries": 6,
        "total_credits": 0,
        "unbalanced_transfers": [],
        "wrong_balances": [],
        "wrong_batches": [],
        "wrong_holds": [],
        "wrong_jobs": [],
        "wrong_lots": [],
        "wrong_payments": [],
    }
