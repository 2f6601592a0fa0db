"""A new password: by mail, or by the present one; either way others are signed out."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.accounts.users import repository as users
from services.accounts.users.passwords import PasswordHashing
from services.kit.database import Database
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.services.accounts.conftest import PASSWORD, QUICK_HASHES_KIB, Join, Mailbox, in_parallel
from tests.services.accounts.racing import DEADLINE_SECONDS, wait_until_it_waits
from tests.services.accounts.second_factor.apps import App, begin

NEW = "another long pass phrase"
SignIn = Callable[..., Any]


@pytest.fixture
def ask(client: TestClient) -> Callable[..., Any]:
    def request(email: str, network: str = "192.0.2.1") -> Any:
        return client.post("/v1/auth/password-reset", json={"email": email}, headers={"X-Forwarded-For": network})

    return request


@pytest.fixture
def confirm(client: TestClient) -> Callable[..., Any]:
    def request(token: str, password: str = NEW) -> Any:
        return client.post("/v1/auth/password-reset/confirm", json={"token": token, "password": password})

    return request


def refresh(client: TestClient, tokens: dict[str, Any]) -> int:
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    return client.post("/v1/auth/token", data=form).status_code


def test_who_reads_the_mail_sets_a_new_password_and_every_sign_in_ends(
    client: TestClient, join: Join, ask: Any, confirm: Any, mailbox: Mailbox, sign_in: SignIn
) -> None:
    person = join("ada@example.com")
    elsewhere = sign_in(person.email).json()

    assert ask("ADA@example.com").status_code == 204
    assert confirm(mailbox.token_to(person.email)).status_code == 204

    assert sign_in(person.email).status_code == 400
    assert (refresh(client, person.tokens), refresh(client, elsewhere)) == (400, 400)
    person.tokens = sign_in(person.email, NEW).json()
    assert person.get("/v1/me").json()["email_verified"] is True, "whoever reads the mail has proved the address"
    assert mailbox.subjects_to(person.email)[-1] == "Your password was changed"
    events = [event["kind"] for event in person.get("/v1/me/security-events").json()["items"]]
    assert "password_reset" in events


def test_the_link_works_once_for_an_hour(join: Join, ask: Any, confirm: Any, mailbox: Mailbox, clock: Clock) -> None:
    person = join("ada@example.com")
    ask(person.email)
    late = mailbox.token_to(person.email)
    clock.advance(hours=1)
    assert confirm(late).json()["code"] == "link_not_valid"

    ask(person.email)
    token = mailbox.token_to(person.email)
    answers = in_parallel([lambda: confirm(token)] * 4)
    assert sorted(answer.status_code for answer in answers) == [204, 400, 400, 400]


def test_an_older_link_ends_with_the_one_that_is_used(join: Join, ask: Any, confirm: Any, mailbox: Mailbox) -> None:
    person = join("ada@example.com")
    ask(person.email)
    first = mailbox.token_to(person.email)
    ask(person.email)

    assert confirm(mailbox.token_to(person.email)).status_code == 204
    assert confirm(first).status_code == 400


def test_an_address_that_nobody_has_is_answered_alike_and_gets_no_mail(join: Join, ask: Any, mailbox: Mailbox) -> None:
    person = join("ada@example.com")
    before = len(mailbox.all())
    known, unknown = ask(person.email), ask("nobody@example.com")

    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (204, b"")
    assert set(known.headers) == set(unknown.headers)
    assert len(mailbox.all()) == before + 1


def test_the_mail_goes_to_the_address_that_the_account_has(join: Join, ask: Any, mailbox: Mailbox) -> None:
    person = join("mike@example.com")
    before = len(mailbox.all())

    assert ask("mi\u212ae@example.com").status_code == 204, "the Kelvin sign folds to a k, and is another mailbox"

    assert [message["To"] for message in mailbox.all()[before:]] == [person.email]


def test_a_token_of_one_purpose_is_none_of_another(join: Join, client: TestClient, ask: Any, mailbox: Mailbox) -> None:
    person = join("ada@example.com")
    verifying = mailbox.token_to(person.email)
    ask(person.email)
    resetting = mailbox.token_to(person.email)

    body = {"token": verifying, "password": NEW}
    assert client.post("/v1/auth/password-reset/confirm", json=body).status_code == 400
    assert client.post("/v1/auth/verify-email", json={"token": resetting}).status_code == 400


def test_asking_again_and_again_waits_for_known_and_unknown_alike(join: Join, ask: Any) -> None:
    person = join("ada@example.com")

    for email in (person.email, "nobody@example.com"):
        statuses = [ask(email).status_code for _ in range(12)]
        assert (statuses[:5], set(statuses)) == ([204] * 5, {204, 429})
    assert ask(person.email, "192.0.2.7").status_code == 204, "nobody else waits"


def test_the_present_password_changes_it_and_others_are_signed_out(
    client: TestClient, join: Join, sign_in: SignIn, mailbox: Mailbox
) -> None:
    person = join("ada@example.com")
    elsewhere = sign_in(person.email).json()

    changed = person.post("/v1/me/password", json={"present_password": PASSWORD, "password": NEW})

    assert changed.status_code == 204
    assert (refresh(client, person.tokens), refresh(client, elsewhere)) == (200, 400)
    assert (sign_in(person.email).status_code, sign_in(person.email, NEW).status_code) == (400, 200)
    assert mailbox.subjects_to(person.email)[-1] == "Your password was changed"


def test_a_sign_in_that_has_ended_leaves_nothing_behind(join: Join, sign_in: SignIn, clock: Clock) -> None:
    """Its access token passes the gateway for some seconds more."""
    person = join("ada@example.com")
    app = App(begin(person).json()["secret"], clock)
    assert person.post("/v1/auth/logout").status_code == 204

    change = {"present_password": PASSWORD, "password": NEW}
    code = {"code": app.code()}
    assert person.post("/v1/me/password", json=change).status_code == 401
    assert person.post("/v1/me/second-factor/confirm", json=code).status_code == 401
    assert person.post("/v1/api-keys", json={"name": "one", "scopes": ["jobs"]}).status_code == 401
    assert sign_in(person.email).status_code == 200
    assert person.get("/v1/api-keys").json()["items"] == []


def test_who_has_a_token_but_not_the_password_cannot_guess_on(join: Join, sign_in: SignIn) -> None:
    person = join("ada@example.com")

    answers = [
        person.post("/v1/me/password", json={"present_password": f"a wrong guess {number}", "password": NEW})
        for number in range(12)
    ]

    assert (answers[0].status_code, answers[0].json()["code"]) == (403, "wrong_password")
    assert "too_many_guesses" in {answer.json()["code"] for answer in answers}
    assert person.get("/v1/me").status_code == 200


@on_sqlite
@pytest.mark.parametrize("password", ["short", "x" * 300, "nul\0nul\0nul", None, 12345678])
def test_a_password_that_is_none_is_refused(join: Join, confirm: Any, password: Any) -> None:
    person = join()
    assert confirm("x", password).status_code == 422
    assert person.post("/v1/me/password", json={"present_password": PASSWORD, "password": password}).status_code == 422


def test_a_sign_in_by_the_old_password_does_not_slip_through_while_it_changes(
    database: Database, join: Join, sign_in: SignIn
) -> None:
    person = join()
    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            user = users.hold(session, person.account_id)
            assert user is not None
            user.password_hash = PasswordHashing(memory_kib=QUICK_HASHES_KIB).hash(NEW)
            session.flush()
            asked = pool.submit(sign_in, person.email)
            wait_until_it_waits(session, asked)
        answer = asked.result(DEADLINE_SECONDS)
    assert answer.json()["code"] == "invalid_grant"
    assert len(person.get("/v1/auth/sessions").json()["items"]) == 1
