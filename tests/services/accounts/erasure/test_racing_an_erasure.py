"""What is asked for an account while it is being erased: refused like for one that is gone, on either database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.accounts.accounts import Accounts
from services.kit.database import Database
from tests.services.accounts.conftest import PASSWORD, Join, Person
from tests.services.accounts.racing import DEADLINE_SECONDS, wait_until_it_waits

Ask = Callable[[Person], Any]


def sign_in(person: Person) -> Any:
    form = {"grant_type": "password", "username": person.email, "password": PASSWORD}
    return person.client.post("/v1/auth/token", data=form)


def sign_in_a_browser(person: Person) -> Any:
    return person.client.post("/v1/auth/session", json={"email": person.email, "password": PASSWORD})


def make_a_key(person: Person) -> Any:
    return person.post("/v1/api-keys", json={"name": "CI", "scopes": ["jobs"]})


def change_the_name(person: Person) -> Any:
    return person.patch("/v1/me", json={"display_name": "Ada"})


def change_the_password(person: Person) -> Any:
    return person.post("/v1/me/password", json={"present_password": PASSWORD, "password": "another pass phrase"})


def begin_a_second_factor(person: Person) -> Any:
    return person.post("/v1/me/second-factor", json={"password": PASSWORD})


def refresh(person: Person) -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": person.tokens["refresh_token"]}
    return person.client.post("/v1/auth/token", data=form)


@pytest.mark.parametrize(
    ("ask", "status", "code"),
    [
        (sign_in, 400, "invalid_grant"),
        (sign_in_a_browser, 400, "invalid_grant"),
        (refresh, 400, "invalid_grant"),
        (make_a_key, 401, "unauthorized"),
        (change_the_name, 401, "unauthorized"),
        (change_the_password, 401, "unauthorized"),
        (begin_a_second_factor, 401, "unauthorized"),
    ],
)
def test_who_comes_during_an_erasure_is_refused_as_after_it(
    accounts: Accounts, database: Database, join: Join, ask: Ask, status: int, code: str
) -> None:
    person = join()
    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            accounts.erasures.request(session, person.account_id)
            session.flush()
            asked = pool.submit(ask, person)
            wait_until_it_waits(session, asked)
        answer = asked.result(DEADLINE_SECONDS)
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == code
