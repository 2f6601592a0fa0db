"""Another address for an account: proved by its mail, told to the old one, and taken back from there."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete

from services.accounts.accounts import Accounts
from services.accounts.sessions.models import SignInSession
from services.accounts.users.mail_tokens import SENT_AN_HOUR
from tests.clocks import Clock
from tests.services.accounts.conftest import PASSWORD, Join, Mailbox, Person
from tests.services.accounts.second_factor.apps import turn_on

OLD, NEW = "ada@example.com", "ada@new.example.com"
PROVE, CHANGED, RESET = "Prove your new address", "Your address was changed", "Set a new password"
ASKED = "Another address was asked for"
SignIn = Callable[..., Any]


@pytest.fixture
def ada(join: Join) -> Person:
    return join(OLD)


def ask(person: Person, email: str = NEW, password: str = PASSWORD) -> Any:
    return person.post("/v1/me/email", json={"email": email, "password": password})


@pytest.fixture
def follow(client: TestClient) -> Callable[[str], Any]:
    """Sends the token of a mail."""
    return lambda token: client.post("/v1/auth/verify-email", json={"token": token})


def kinds(person: Person) -> list[str]:
    return [event["kind"] for event in person.get("/v1/me/security-events").json()["items"]]


def test_the_address_changes_once_its_mail_was_read(
    ada: Person, mailbox: Mailbox, follow: Any, sign_in: SignIn
) -> None:
    other = sign_in(OLD).json()
    assert ask(ada).status_code == 204
    assert ada.get("/v1/me").json()["email"] == OLD
    (waiting,) = ada.get("/v1/me/email").json()["changes"]
    assert (waiting["email"], waiting["changed_at"]) == (NEW, None)

    assert follow(mailbox.token_to(NEW)).status_code == 204

    me = ada.get("/v1/me").json()
    assert (me["email"], me["email_verified"]) == (NEW, True)
    assert (sign_in(OLD).status_code, sign_in(NEW).status_code) == (400, 200)
    assert mailbox.subjects_to(OLD)[-1] == CHANGED
    assert kinds(ada)[1:3] == ["email_changed", "email_change_asked"]
    assert ada.get("/v1/me/email").json()["changes"][0]["previous_email"] == OLD
    refreshed = ada.client.post(
        "/v1/auth/token", data={"grant_type": "refresh_token", "refresh_token": other["refresh_token"]}
    )
    assert refreshed.status_code == 400, "everybody else is signed out"
    assert len(ada.get("/v1/auth/sessions").json()["items"]) == 2


def test_it_takes_the_password(ada: Person, mailbox: Mailbox) -> None:
    assert ask(ada, password="a wrong password").json()["code"] == "wrong_password"
    assert ada.get("/v1/me/email").json()["changes"] == []
    assert not mailbox.subjects_to(NEW)


def test_the_link_works_once_for_a_day_and_only_the_last_one(
    ada: Person, mailbox: Mailbox, follow: Any, clock: Clock
) -> None:
    ask(ada, "first@example.com")
    first = mailbox.token_to("first@example.com")
    ask(ada)
    assert follow(first).json()["code"] == "link_not_valid"
    token = mailbox.token_to(NEW)
    assert [follow(token).status_code for _ in range(2)] == [204, 400]

    ask(ada, "third@example.com")
    late = mailbox.token_to("third@example.com")
    clock.advance(hours=24)
    assert follow(late).json()["code"] == "link_not_valid"


def test_an_answer_does_not_tell_who_has_the_address(ada: Person, join: Join, mailbox: Mailbox) -> None:
    grace = join("grace@example.com")
    taken, free = ask(ada, grace.email), ask(ada, "nobody@example.com")
    assert (taken.status_code, taken.content) == (free.status_code, free.content) == (204, b"")
    assert taken.headers.keys() == free.headers.keys()


def test_who_has_the_address_keeps_it_and_is_told(ada: Person, join: Join, mailbox: Mailbox) -> None:
    grace = join("grace@example.com")
    ask(ada, "GRACE@example.com")
    assert mailbox.subjects_to(grace.email)[-1] == "You have an account already"
    assert ada.get("/v1/me").json()["email"] == OLD


def test_of_two_who_want_one_address_the_first_to_prove_it_has_it(
    ada: Person, join: Join, mailbox: Mailbox, follow: Any
) -> None:
    grace = join("grace@example.com")
    ask(ada)
    of_ada = mailbox.token_to(NEW)
    ask(grace)
    of_grace = mailbox.token_to(NEW)
    assert follow(of_grace).status_code == 204
    assert follow(of_ada).json()["code"] == "link_not_valid"
    assert ada.get("/v1/me").json()["email"] == OLD


def test_the_old_mailbox_takes_the_change_back_with_all_that_was_made_since(
    ada: Person, mailbox: Mailbox, follow: Any, sign_in: SignIn, client: TestClient, clock: Clock
) -> None:
    own = ada.post("/v1/api-keys", json={"name": "own", "scopes": ["jobs"]}).json()
    clock.advance(minutes=1)
    ask(ada)
    follow(mailbox.token_to(NEW))
    clock.advance(minutes=1)
    ada.post("/v1/api-keys", json={"name": "of somebody else", "scopes": ["jobs"]})
    turn_on(ada, clock)
    way_back = mailbox.token_to(OLD)
    ask(ada, "further@example.com")
    follow(mailbox.token_to("further@example.com"))
    way_back_of_the_thief = mailbox.token_to(NEW)

    assert follow(way_back).status_code == 204

    assert follow(way_back_of_the_thief).json()["code"] == "link_not_valid"
    assert sign_in(OLD).status_code == 400, "whoever changed the address knew the password"
    assert mailbox.subjects_to(OLD)[-1] == RESET
    again = {"token": mailbox.token_to(OLD), "password": "another long pass phrase"}
    assert client.post("/v1/auth/password-reset/confirm", json=again).status_code == 204
    assert ada.get("/v1/auth/sessions").json()["items"] == []
    assert sign_in(OLD, "another long pass phrase").status_code == 200
    assert [key["id"] for key in ada.get("/v1/api-keys").json()["items"]] == [own["id"]]
    assert "email_restored" in kinds(ada)


def test_the_way_back_is_open_for_seven_days(ada: Person, mailbox: Mailbox, follow: Any, clock: Clock) -> None:
    ask(ada)
    follow(mailbox.token_to(NEW))
    late = mailbox.token_to(OLD)
    clock.advance(days=7)
    assert follow(late).json()["code"] == "link_not_valid"


def test_a_new_password_by_a_mail_to_the_old_address_is_no_way_in(
    ada: Person, mailbox: Mailbox, follow: Any, client: TestClient
) -> None:
    ask(ada)
    client.post("/v1/auth/password-reset", json={"email": OLD})
    reset = mailbox.token_to(OLD)
    follow(mailbox.token_to(NEW))
    answer = client.post("/v1/auth/password-reset/confirm", json={"token": reset, "password": "a long pass phrase"})
    assert answer.json()["code"] == "link_not_valid"


@pytest.mark.parametrize("way", ["reset", "change", "sign out", "end", "disable"])
def test_what_a_sign_in_asked_for_ends_with_it(
    client: TestClient, ada: Person, admin: Person, mailbox: Mailbox, follow: Any, sign_in: SignIn, way: str
) -> None:
    mallory = Person(client, ada.account_id, OLD, sign_in(OLD).json())
    ask(mallory, "mallory@example.com")
    link = mailbox.token_to("mallory@example.com")
    new = {"password": "another long pass phrase"}
    match way:
        case "reset":
            client.post("/v1/auth/password-reset", json={"email": OLD})
            reset = {"token": mailbox.token_to(OLD), **new}
            assert client.post("/v1/auth/password-reset/confirm", json=reset).status_code == 204
        case "change":
            assert ada.post("/v1/me/password", json={"present_password": PASSWORD, **new}).status_code == 204
        case "sign out":
            assert mallory.post("/v1/auth/logout").status_code == 204
        case "end":
            others = [opened for opened in ada.get("/v1/auth/sessions").json()["items"] if not opened["current"]]
            assert ada.delete(f"/v1/auth/sessions/{others[0]['id']}").status_code == 204
        case "disable":
            assert admin.patch(f"/v1/admin/users/{ada.account_id}", json={"disabled": True}).status_code == 200

    assert ada.get("/v1/me/email").json()["changes"] == []
    assert follow(link).json()["code"] == "link_not_valid"
    assert ada.get("/v1/me").json()["email"] == OLD


def test_what_a_sign_in_asked_for_ends_when_nobody_uses_it_any_more(
    ada: Person, accounts: Accounts, mailbox: Mailbox, follow: Any, sign_in: SignIn
) -> None:
    ask(ada)
    link = mailbox.token_to(NEW)
    with accounts.database.write() as session:
        session.execute(delete(SignInSession))
    assert follow(link).json()["code"] == "link_not_valid"


def test_a_mail_is_not_even_written_for_a_sign_in_that_has_ended(ada: Person, mailbox: Mailbox) -> None:
    ask(ada)
    ada.post("/v1/auth/logout")
    assert mailbox.subjects_to(NEW) == []


def test_the_old_address_is_told_when_another_is_asked_for(ada: Person, mailbox: Mailbox) -> None:
    ask(ada)
    (warning,) = [mail for mail in mailbox.all() if mail["Subject"] == ASKED]
    assert warning["To"] == OLD
    assert NEW in warning.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_nobody_is_flooded(ada: Person, mailbox: Mailbox, clock: Clock) -> None:
    for number in range(SENT_AN_HOUR + 5):
        answer = ada.post(
            "/v1/me/email",
            json={"email": NEW, "password": PASSWORD},
            headers={"X-Forwarded-For": f"192.0.2.{number}"},
        )
        assert answer.status_code in (204, 429)
        mailbox.subjects_to(NEW)
    assert len(mailbox.subjects_to(NEW)) == SENT_AN_HOUR
    assert mailbox.subjects_to(OLD).count(ASKED) == SENT_AN_HOUR


def test_an_address_that_was_left_has_had_its_welcome(ada: Person, join: Join, mailbox: Mailbox, follow: Any) -> None:
    ask(ada)
    follow(mailbox.token_to(NEW))
    assert join(OLD).get("/v1/billing/balance").json()["available_credits"] == 0
