"""What happened to the safety of an account, as it and as admins read it."""

from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

from services.accounts.accounts import Accounts
from services.accounts.guesses.throttle import ATTACK_TRIES, TRIES
from services.accounts.security_events import repository as events
from services.accounts.security_events import service as security_events
from services.accounts.security_events.kinds import Kind
from services.accounts.security_events.origin import Origin
from services.accounts.sweeper import tidy
from services.accounts.users.emails import parse
from services.accounts.users.roles import Role
from tests.clocks import Clock
from tests.services.accounts.conftest import PASSWORD, Join, Person

SignIn = Callable[..., Any]


def kinds(person: Person) -> list[str]:
    """Of the account's events, oldest first."""
    items = person.get("/v1/me/security-events").json()["items"]
    return [item["kind"] for item in reversed(items)]


def test_an_account_sees_where_it_signed_in_and_what_was_done(client: TestClient) -> None:
    headers = {"X-Forwarded-For": "2001:db8:1:2:3:4:5:6", "User-Agent": "Browser/1 \x1b[31m" + "x" * 500}
    client.post("/v1/auth/register", json={"email": "ada@example.com", "password": PASSWORD}, headers=headers)
    form = {"grant_type": "password", "username": "ada@example.com", "password": PASSWORD}
    tokens = client.post("/v1/auth/token", data=form, headers=headers).json()
    person = Person(client, "", "ada@example.com", tokens)
    key = person.post("/v1/api-keys", json={"name": "mine", "scopes": ["jobs"]}).json()
    person.delete(f"/v1/api-keys/{key['id']}")

    items = person.get("/v1/me/security-events").json()["items"]

    assert [item["kind"] for item in items] == ["api_key_deleted", "api_key_made", "signed_in", "registered"]
    assert {item["by"] for item in items} == {"account"}
    signed_in = items[2]
    assert signed_in["network"] == "2001:db8:1::/56"
    assert signed_in["user_agent"].startswith("Browser/1 [31mxx")
    assert len(signed_in["user_agent"]) == 200
    assert items[1]["details"] == {"key_id": key["id"], "name": "mine"}
    assert key["key"] not in str(items)


def test_signing_out_is_told_once(join: Join, sign_in: SignIn) -> None:
    person = join()
    person.post("/v1/auth/logout")
    person.post("/v1/auth/logout")

    person.tokens = sign_in(person.email).json()

    assert kinds(person) == ["registered", "signed_in", "signed_out", "signed_in"]


def test_a_refresh_token_that_came_twice_is_told(join: Join, client: TestClient, clock: Clock, sign_in: SignIn) -> None:
    person = join()
    form = {"grant_type": "refresh_token", "refresh_token": person.tokens["refresh_token"]}
    client.post("/v1/auth/token", data=form)
    clock.advance(seconds=20)
    client.post("/v1/auth/token", data=form)

    person.tokens = sign_in(person.email).json()

    assert kinds(person)[-2:] == ["refresh_token_reused", "signed_in"]


def test_guessing_is_told_a_few_times_however_many_guess(join: Join, client: TestClient) -> None:
    person = join()

    def guess(email: str, address: str) -> int:
        form = {"grant_type": "password", "username": email, "password": "a wrong one"}
        return client.post("/v1/auth/token", data=form, headers={"X-Forwarded-For": address}).status_code

    for number in range(ATTACK_TRIES):
        guess(person.email, f"192.0.2.{number // TRIES}")
    for number in range(30):
        guess(person.email, f"198.51.100.{number}")

    told = [item for item in person.get("/v1/me/security-events").json()["items"] if item["kind"] == "sign_in_failed"]
    assert [item["network"] for item in reversed(told)] == [
        *(f"192.0.2.{number}" for number in range(ATTACK_TRIES // TRIES)),
        "198.51.100.0",
    ]


def test_guessing_at_nobody_costs_what_guessing_at_somebody_costs(client: TestClient, admin: Person) -> None:
    for _ in range(TRIES):
        form = {"grant_type": "password", "username": "nobody@example.com", "password": "a wrong one"}
        client.post("/v1/auth/token", data=form)

    [event] = admin.get("/v1/admin/audit-log", params={"kind": "sign_in_failed"}).json()["items"]

    assert event["account_id"] is None


def test_what_the_platform_did_is_told_without_where_its_people_sit(join: Join, accounts: Accounts) -> None:
    person = join()
    with accounts.database.write() as session:
        security_events.add(
            session, person.account_id, Kind.ROLE_GIVEN, Origin("192.0.2.7", "Desk"), actor="usr_1", role="partner"
        )

    event = person.get("/v1/me/security-events").json()["items"][0]

    assert (event["by"], event["network"], event["user_agent"]) == ("platform", None, None)
    assert event["details"] == {"role": "partner"}
    assert "usr_1" not in str(event)


def test_admins_read_the_log_of_all_with_who_did_it(join: Join, admin: Person) -> None:
    person = join()

    [given] = admin.get("/v1/admin/audit-log", params={"kind": "role_given"}).json()["items"]
    of_person = admin.get("/v1/admin/audit-log", params={"account_id": person.account_id}).json()["items"]

    assert (given["account_id"], given["actor"], given["details"]) == (
        admin.account_id,
        "command line",
        {"role": "admin"},
    )
    assert [event["kind"] for event in of_person] == ["signed_in", "registered"]


def test_nobody_but_admins_reads_the_audit_log(join: Join, accounts: Accounts, sign_in: SignIn) -> None:
    person = join()
    assert person.get("/v1/admin/audit-log").status_code == 403
    with accounts.database.write() as session:
        accounts.users.add_role(session, parse(person.email), Role.OPERATOR)
    person.tokens = sign_in(person.email).json()

    assert person.get("/v1/admin/audit-log").status_code == 403


def test_an_account_sees_its_own_events_and_no_cursor_shows_it_others(join: Join, admin: Person) -> None:
    first, second = join(), join()
    newest = admin.get("/v1/admin/audit-log").json()["items"][0]
    assert newest["account_id"] == second.account_id

    shown = first.get("/v1/me/security-events", params={"cursor": newest["id"], "limit": 1}).json()
    rest = first.get("/v1/me/security-events", params={"cursor": shown["next_cursor"]}).json()

    assert [item["kind"] for item in shown["items"] + rest["items"]] == ["signed_in", "registered"]
    assert rest["next_cursor"] is None


def test_old_events_are_deleted(join: Join, accounts: Accounts, clock: Clock) -> None:
    person = join()

    def remembered() -> int:
        with accounts.database.read() as session:
            return len(events.page(session, account_id=person.account_id, before=None, limit=100))

    clock.advance(days=364)
    tidy(accounts)
    assert remembered() == 2
    clock.advance(days=2)
    tidy(accounts)
    assert remembered() == 0


def test_of_an_erased_account_neither_places_nor_names_are_left(join: Join, accounts: Accounts) -> None:
    person = join()
    person.post("/v1/api-keys", json={"name": "Ada's key", "scopes": ["jobs"]})

    with accounts.database.write() as session:
        events.anonymize(session, person.account_id)

    items = person.get("/v1/me/security-events").json()["items"]
    assert [item["kind"] for item in items] == ["api_key_made", "signed_in", "registered"]
    assert all((item["network"], item["user_agent"], item["details"]) == (None, None, {}) for item in items)
