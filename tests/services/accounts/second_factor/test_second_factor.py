"""A second factor, from the app's secret to the sign-in that asks for its code."""

from functools import partial
from typing import Any

import pytest
from fastapi.testclient import TestClient

from services.accounts.accounts import Accounts
from services.accounts.app import build
from services.accounts.second_factor import codes
from services.accounts.second_factor import repository as factors
from services.accounts.second_factor.service import TRIES
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings
from services.kit.database import Database
from tests.app_client import AppClient
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.services.accounts.conftest import PASSWORD, Join, Person, in_parallel
from tests.services.accounts.second_factor.apps import PATH, App, begin, turn_on


def sign_in(person: Person, code: str | None = None, password: str = PASSWORD, network: str = "192.0.2.1") -> Any:
    form = {"grant_type": "password", "username": person.email, "password": password}
    return person.client.post(
        "/v1/auth/token",
        data=form if code is None else {**form, "code": code},
        headers={"X-Forwarded-For": network},
    )


def remove(person: Person, code: str, password: str = PASSWORD) -> Any:
    return person.client.request("DELETE", PATH, headers=person.headers, json={"password": password, "code": code})


def test_signing_in_asks_for_a_code_once_it_is_on_and_no_earlier(join: Join, clock: Clock) -> None:
    person = join()
    assert begin(person).status_code == 201
    assert sign_in(person).status_code == 200

    app, _ = turn_on(person, clock)
    asked = sign_in(person)
    assert (asked.status_code, asked.json()["code"]) == (400, "second_factor_required")
    assert asked.json()["error"] == "second_factor_required"
    assert sign_in(person, app.code()).status_code == 200
    state = person.get(PATH).json()
    assert (state["enabled"], state["recovery_codes_left"]) == (True, codes.RECOVERY_CODES)


def test_the_cookie_of_the_web_app_takes_the_code_too(join: Join, clock: Clock, client: TestClient) -> None:
    person = join()
    app, _ = turn_on(person, clock)
    body = {"email": person.email, "password": PASSWORD}
    assert client.post("/v1/auth/session", json=body).json()["code"] == "second_factor_required"
    assert client.post("/v1/auth/session", json={**body, "code": app.code()}).status_code == 200


def test_a_wrong_password_says_nothing_of_a_second_factor(join: Join, clock: Clock) -> None:
    person = join()
    app, _ = turn_on(person, clock)
    for code in (None, app.code()):
        refused = sign_in(person, code, password="not the pass phrase")
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_grant")


def test_a_code_works_once(join: Join, clock: Clock) -> None:
    person = join()
    app, _ = turn_on(person, clock)
    code = app.code()
    assert sign_in(person, code).status_code == 200
    assert sign_in(person, code).json()["code"] == "invalid_grant"


def test_of_many_who_come_with_one_code_one_gets_in(join: Join, clock: Clock) -> None:
    person = join()
    app, recovery = turn_on(person, clock)
    for code in (app.code(), recovery[0]):
        calls = [partial(sign_in, person, code, network=f"192.0.2.{number}") for number in range(4)]
        answers = in_parallel(list(calls))
        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
        clock.advance(minutes=20)


def test_each_recovery_code_signs_in_once(join: Join, clock: Clock) -> None:
    person = join()
    _, recovery = turn_on(person, clock)
    assert sign_in(person, recovery[0].upper()).status_code == 200
    assert sign_in(person, recovery[0]).json()["code"] == "invalid_grant"
    assert sign_in(person, recovery[1].replace("-", "")).status_code == 200
    assert person.get(PATH).json()["recovery_codes_left"] == codes.RECOVERY_CODES - 2
    kinds = [event["kind"] for event in person.get("/v1/me/security-events").json()["items"]]
    assert kinds.count("recovery_code_used") == 2
    assert "second_factor_added" in kinds


def test_guesses_from_everywhere_make_the_next_code_wait_but_no_recovery_code(join: Join, clock: Clock) -> None:
    person = join()
    app, recovery = turn_on(person, clock)
    clock.advance(seconds=codes.STEP_SECONDS)
    right = codes.code_at(app.secret, clock.now)
    wrong = "000000" if right != "000000" else "000001"
    for guess in range(TRIES + 5):
        assert sign_in(person, wrong, network=f"198.51.100.{guess}").json()["code"] == "invalid_grant"

    assert sign_in(person, right).json()["code"] == "invalid_grant"
    assert sign_in(person, recovery[0], network="203.0.113.1").status_code == 200
    assert sign_in(person, app.code(), network="203.0.113.2").status_code == 200


def test_a_code_of_the_wait_is_taken_when_it_is_over(join: Join, clock: Clock) -> None:
    person = join()
    app, _ = turn_on(person, clock)
    clock.advance(seconds=codes.STEP_SECONDS)
    right = codes.code_at(app.secret, clock.now)
    wrong = "000000" if right != "000000" else "000001"
    for guess in range(TRIES):
        sign_in(person, wrong, network=f"198.51.100.{guess}")
    clock.advance(minutes=16)
    assert sign_in(person, app.code(), network="203.0.113.1").status_code == 200


def test_it_begins_with_the_password_and_ends_with_password_and_code(join: Join, clock: Clock) -> None:
    person = join()
    assert begin(person, "not the pass phrase").json()["code"] == "wrong_password"
    assert person.post(f"{PATH}/confirm", json={"code": "123456"}).json()["code"] == "second_factor_absent"

    app, recovery = turn_on(person, clock)
    assert begin(person).json()["code"] == "second_factor_on"
    assert remove(person, app.code(), "not the pass phrase").json()["code"] == "wrong_password"
    assert remove(person, "aaaa-bbbb-cccc-dddd").json()["code"] == "wrong_code"
    assert remove(person, recovery[3]).status_code == 204
    assert sign_in(person).status_code == 200
    assert sign_in(person, recovery[4]).status_code == 200
    assert person.get(PATH).json() == {"enabled": False, "enabled_at": None, "recovery_codes_left": 0}
    assert remove(person, app.code()).json()["code"] == "second_factor_absent"


def test_beginning_again_makes_the_earlier_secret_worth_nothing(join: Join, clock: Clock) -> None:
    person = join()
    earlier = App(begin(person).json()["secret"], clock)
    begin(person)
    assert person.post(f"{PATH}/confirm", json={"code": earlier.code()}).json()["code"] == "wrong_code"


def test_beginning_many_times_at_once_leaves_one_secret_that_counts(join: Join, clock: Clock) -> None:
    person = join()
    answers = in_parallel([partial(begin, person) for _ in range(4)])
    assert [answer.status_code for answer in answers] == [201] * 4
    app = [App(answer.json()["secret"], clock) for answer in answers]
    clock.advance(seconds=codes.STEP_SECONDS)
    confirmed = [
        person.post(f"{PATH}/confirm", json={"code": codes.code_at(one.secret, clock.now)}).status_code for one in app
    ]
    assert sorted(confirmed)[0] == 200
    assert confirmed.count(200) == 1


def test_a_new_password_by_mail_leaves_it_on(join: Join, clock: Clock, mailbox: Any) -> None:
    person = join()
    turn_on(person, clock)
    person.client.post("/v1/auth/password-reset", json={"email": person.email})
    token = mailbox.token_to(person.email)
    new = "an entirely new pass phrase"
    confirmed = person.client.post("/v1/auth/password-reset/confirm", json={"token": token, "password": new})
    assert confirmed.status_code == 204
    assert sign_in(person, password=new).json()["code"] == "second_factor_required"


def test_the_secret_lies_sealed_and_is_of_no_use_to_another_account(
    join: Join, clock: Clock, accounts: Accounts
) -> None:
    ada, bob = join(), join()
    app, _ = turn_on(ada, clock)
    with accounts.database.read() as session:
        stored = factors.get(session, ada.account_id)
        assert stored is not None
        sealed = stored.sealed_secret
    assert app.secret.encode() not in sealed
    assert accounts.keys.unseal(sealed, f"second factor of {ada.account_id}") == app.secret
    assert accounts.keys.unseal(sealed, f"second factor of {bob.account_id}") is None


def test_a_signing_key_that_goes_takes_no_second_factor_with_it(
    join: Join, clock: Clock, settings: Settings, database: Database, keys: SigningKeys
) -> None:
    person = join()
    app, _ = turn_on(person, clock)
    new = SigningKeys.generate()
    both = SigningKeys.from_pem(new.private_pem() + keys.private_pem())
    Accounts.build(settings, database, both).second_factors.reseal()

    person.client = AppClient(build(settings, new, database), raise_server_exceptions=False)
    assert sign_in(person, app.code()).status_code == 200


def test_with_a_key_that_nobody_has_any_more_a_recovery_code_still_signs_in(
    join: Join, clock: Clock, settings: Settings, database: Database
) -> None:
    person = join()
    app, recovery = turn_on(person, clock)
    other = SigningKeys.generate()
    Accounts.build(settings, database, other).second_factors.reseal()
    person.client = AppClient(build(settings, other, database), raise_server_exceptions=False)
    assert sign_in(person, app.code()).json()["code"] == "invalid_grant"
    assert sign_in(person, recovery[0]).status_code == 200


@on_sqlite
@pytest.mark.parametrize("code", ["", "12345", "x" * 41, "12 34\n56", "½½½½½½", "123456\u0000"])
def test_what_can_be_no_code_is_refused_by_its_form(code: str, join: Join) -> None:
    refused = join().post(f"{PATH}/confirm", json={"code": code})
    assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "body.code")


@on_sqlite
@pytest.mark.parametrize("code", ["", "½½½½½½", "\u0000", "000000000000", "' OR 1=1 --"])
def test_signing_in_takes_any_text_for_a_code_and_refuses_it(code: str, join: Join, clock: Clock) -> None:
    person = join()
    turn_on(person, clock)
    assert sign_in(person, code).status_code == 400
