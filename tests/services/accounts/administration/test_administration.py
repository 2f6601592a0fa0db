"""What admins do to accounts."""

from collections.abc import Callable
from typing import Any

import pytest

from services.accounts.accounts import Accounts
from services.accounts.security_events.origin import Origin
from services.accounts.users.emails import parse
from services.accounts.users.roles import Role
from services.kit.protos import accounts_pb2
from tests.databases import on_sqlite
from tests.services.accounts.conftest import PASSWORD, Join, Outbox, Person, in_parallel

SignIn = Callable[..., Any]


@pytest.fixture
def make_admin(join: Join, accounts: Accounts, sign_in: SignIn) -> Callable[[str], Person]:
    def make(email: str) -> Person:
        person = join(email)
        with accounts.database.write() as session:
            accounts.users.add_role(session, parse(person.email), Role.ADMIN)
        person.tokens = sign_in(person.email).json()
        return person

    return make


@pytest.fixture
def admin(make_admin: Callable[[str], Person]) -> Person:
    return make_admin("admin@example.org")


def path_of(person: Person, more: str = "") -> str:
    return f"/v1/admin/users/{person.account_id}{more}"


def found(admin: Person, **parameters: Any) -> list[str]:
    return [user["email"] for user in admin.get("/v1/admin/users", params=parameters).json()["items"]]


def test_accounts_are_found_by_address_name_and_id(join: Join, admin: Person) -> None:
    ada, bob = join("ada@example.com"), join("bob_1@example.com")
    ada.patch("/v1/me", json={"display_name": "Countess Lovelace"})

    assert found(admin, query="ADA@") == ["ada@example.com"]
    assert found(admin, query="lovelace") == ["ada@example.com"]
    assert found(admin, query=bob.account_id) == ["bob_1@example.com"]
    assert found(admin, query="example.com") == ["bob_1@example.com", "ada@example.com"]
    assert len(found(admin)) == 3


@pytest.mark.parametrize("text", ["%", "_da@", "' OR 1=1 --", "\\", "ada@example.com%"])
def test_a_search_takes_every_character_for_itself(join: Join, admin: Person, text: str) -> None:
    join("ada@example.com")

    assert found(admin, query=text) == []


def test_accounts_come_in_pages(join: Join, admin: Person) -> None:
    join("ada@example.com")
    join("bob@example.com")

    first = admin.get("/v1/admin/users", params={"limit": 2}).json()
    rest = admin.get("/v1/admin/users", params={"limit": 2, "cursor": first["next_cursor"]}).json()

    emails = [user["email"] for user in first["items"] + rest["items"]]
    assert emails == ["bob@example.com", "ada@example.com", "admin@example.org"]
    assert rest["next_cursor"] is None


def test_an_account_is_shown_with_its_credits_and_no_secret(join: Join, admin: Person) -> None:
    person = join("ada@example.com")

    answer = admin.get(path_of(person))

    assert answer.json()["available_credits"] == 600
    assert (answer.json()["roles"], answer.json()["disabled_at"]) == (["user"], None)
    assert "argon2" not in answer.text
    assert "password" not in answer.text


def test_roles_are_what_they_are_set_to_and_the_log_says_who_set_them(
    join: Join, admin: Person, outbox: Outbox
) -> None:
    person = join()
    assert admin.patch(path_of(person), json={"roles": ["operator", "partner"]}).json()["roles"] == [
        "operator",
        "partner",
        "user",
    ]
    changed = admin.patch(path_of(person), json={"roles": ["user", "partner"]})

    assert changed.json()["roles"] == ["partner", "user"]
    log = admin.get("/v1/admin/audit-log", params={"account_id": person.account_id}).json()["items"]
    told = [(entry["kind"], entry["details"], entry["actor"]) for entry in log if entry["kind"].startswith("role")]
    assert told == [
        ("role_taken", {"role": "operator"}, admin.account_id),
        ("role_given", {"role": "partner"}, admin.account_id),
        ("role_given", {"role": "operator"}, admin.account_id),
    ]
    news = outbox.messages(accounts_pb2.AccountChanged)[-1]
    assert (news.account_id, list(news.roles), news.disabled) == (person.account_id, ["partner", "user"], False)


def test_what_changes_nothing_is_not_told(join: Join, admin: Person, outbox: Outbox) -> None:
    person = join()
    before = len(outbox.events())

    bodies: list[dict[str, Any]] = [{"roles": ["user"]}, {"roles": []}, {"disabled": False}, {}]
    for body in bodies:
        assert admin.patch(path_of(person), json=body).status_code == 200

    assert len(outbox.events()) == before


def test_who_is_disabled_is_out_and_comes_back_with_the_same_keys(
    join: Join, admin: Person, sign_in: SignIn, client: Any
) -> None:
    person = join()
    key = person.post("/v1/api-keys", json={"name": "a", "scopes": ["jobs"]}).json()["key"]

    def exchange() -> int:
        status: int = client.post("/internal/api-keys/exchange", json={"api_key": key}).status_code
        return status

    assert admin.patch(path_of(person), json={"disabled": True}).json()["disabled_at"] is not None
    form = {"grant_type": "refresh_token", "refresh_token": person.tokens["refresh_token"]}
    assert client.post("/v1/auth/token", data=form).json()["code"] == "invalid_grant"
    refused = sign_in(person.email)
    assert (refused.status_code, refused.json()["code"]) == (403, "account_disabled")
    body = {"email": person.email, "password": PASSWORD}
    assert client.post("/v1/auth/session", json=body).json()["code"] == "account_disabled"
    assert sign_in(person.email, "a wrong one").json()["code"] == "invalid_grant", "only the owner is told"
    assert exchange() == 401

    admin.patch(path_of(person), json={"disabled": False})

    assert sign_in(person.email).status_code == 200
    assert exchange() == 200
    log = admin.get("/v1/admin/audit-log", params={"account_id": person.account_id}).json()["items"]
    assert [entry["kind"] for entry in log][:3] == ["signed_in", "enabled", "disabled"]


@pytest.mark.parametrize("change", [{"roles": ["user"]}, {"disabled": True}])
def test_the_last_admin_stays(
    admin: Person, make_admin: Callable[[str], Person], change: dict[str, Any], join: Join
) -> None:
    refused = admin.patch(path_of(admin), json=change)
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")

    other = make_admin("other@example.org")
    assert admin.patch(path_of(other), json={"disabled": True}).status_code == 200
    assert admin.patch(path_of(admin), json=change).status_code == 409, "one who is disabled cannot act"
    assert admin.patch(path_of(other), json={"disabled": False}).status_code == 200
    assert admin.patch(path_of(admin), json=change).status_code == 200


def test_two_admins_cannot_take_each_others_role_at_once(admin: Person, make_admin: Callable[[str], Person]) -> None:
    other = make_admin("other@example.org")

    answers = in_parallel(
        [
            lambda: admin.patch(path_of(other), json={"roles": []}),
            lambda: other.patch(path_of(admin), json={"roles": []}),
        ]
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409]


def test_credits_are_adjusted_once_for_each_key_with_their_reason(join: Join, admin: Person) -> None:
    person = join()
    body = {"credits": 50, "reason": "For Monday"}

    first, *again = [
        admin.post(path_of(person, "/credits"), json=body, headers={"Idempotency-Key": "one"}) for _ in range(3)
    ]

    assert (first.status_code, first.json()["available_credits"]) == (201, 650)
    assert [answer.json() for answer in again] == [first.json()] * 2
    conflict = admin.post(path_of(person, "/credits"), json=body | {"credits": 60}, headers={"Idempotency-Key": "one"})
    assert (conflict.status_code, conflict.json()["code"]) == (422, "idempotency_conflict")
    entry = person.get("/v1/billing/ledger").json()["items"][0]
    assert (entry["kind"], entry["reason"], entry["available_change_credits"]) == ("adjustment", "For Monday", 50)
    [logged] = admin.get("/v1/admin/audit-log", params={"kind": "credits_adjusted"}).json()["items"]
    assert (logged["actor"], logged["details"]) == (admin.account_id, {"credits": 50, "reason": "For Monday"})
    assert admin.get("/v1/admin/ledger-check").json()["ok"] is True


def test_the_same_key_for_another_account_is_another_request(join: Join, admin: Person) -> None:
    one, other = join(), join()
    body = {"credits": 50, "reason": "x"}
    admin.post(path_of(one, "/credits"), json=body, headers={"Idempotency-Key": "one"})

    answer = admin.post(path_of(other, "/credits"), json=body, headers={"Idempotency-Key": "one"})

    assert answer.json()["code"] == "idempotency_conflict"
    assert other.get("/v1/billing/balance").json()["available_credits"] == 600


def test_credits_are_taken_as_far_as_they_are_there(join: Join, admin: Person) -> None:
    person = join()

    taken = admin.post(path_of(person, "/credits"), json={"credits": -600, "reason": "A mistake"})
    refused = admin.post(path_of(person, "/credits"), json={"credits": -1, "reason": "A mistake"})

    assert taken.json()["available_credits"] == 0
    assert (refused.status_code, refused.json()["code"]) == (409, "too_few_credits")


@on_sqlite
@pytest.mark.parametrize("amount", [0, -0.0, "1", 1.5, True, None, 10**30, -(10**30)])
def test_an_adjustment_is_a_whole_number_of_credits(join: Join, admin: Person, amount: Any) -> None:
    person = join()

    answer = admin.post(path_of(person, "/credits"), json={"credits": amount, "reason": "x"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert person.get("/v1/billing/balance").json()["available_credits"] == 600


@on_sqlite
@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "-1e400"])
def test_a_number_that_is_none_is_refused(join: Join, admin: Person, number: str) -> None:
    answer = admin.post(
        path_of(join(), "/credits"),
        content=f'{{"credits": {number}, "reason": "x"}}'.encode(),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code in {400, 422}


@on_sqlite
@pytest.mark.parametrize("body", [{"roles": ["god"]}, {"roles": "admin"}, {"email": "x@example.com"}, {"id": "usr_1"}])
def test_nothing_else_of_an_account_is_changed(join: Join, admin: Person, body: dict[str, Any]) -> None:
    assert admin.patch(path_of(join()), json=body).status_code == 422


def test_nobody_is_found_behind_an_id_that_nobody_has(admin: Person) -> None:
    nobody = "/v1/admin/users/usr_00000000000000000000000000"

    answers = [
        admin.get(nobody),
        admin.patch(nobody, json={"disabled": True}),
        admin.post(f"{nobody}/credits", json={"credits": 1, "reason": "x"}),
    ]

    assert [answer.json()["code"] for answer in answers] == ["user_not_found"] * 3


def test_a_role_is_given_by_people_who_are_named(join: Join, accounts: Accounts, admin: Person) -> None:
    person = join()
    with accounts.database.write() as session:
        accounts.administration.set_disabled(session, person.account_id, True, Origin("192.0.2.1"), admin.account_id)

    [entry] = admin.get("/v1/admin/audit-log", params={"kind": "disabled"}).json()["items"]

    assert (entry["account_id"], entry["actor"], entry["network"]) == (
        person.account_id,
        admin.account_id,
        "192.0.2.1",
    )


def test_the_last_admin_does_not_erase_themselves(admin: Person, join: Join, accounts: Accounts) -> None:
    def erase() -> Any:
        return admin.client.request("DELETE", "/v1/me", headers=admin.headers, json={"password": PASSWORD})

    refused = erase()
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")

    other = join()
    with accounts.database.write() as session:
        accounts.users.add_role(session, parse(other.email), Role.ADMIN)
    assert erase().status_code == 202
