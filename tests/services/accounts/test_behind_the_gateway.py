"""The real accounts service behind a real gateway: what only shows where both speak to each other."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import HttpUrl
from starlette.types import Receive, Scope, Send

from services.accounts.accounts import Accounts
from services.accounts.app import build
from services.accounts.security_events.origin import Origin
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings
from services.accounts.users.emails import parse
from services.accounts.users.roles import Role
from services.gateway.app import gateway_app
from services.gateway.hub import Hub
from services.gateway.protocol import guarded
from services.gateway.settings import Settings as GatewaySettings
from services.kit.auth import KEY_SET_SECONDS
from services.kit.database import Database
from tests.clocks import Clock
from tests.services.accounts.conftest import PASSWORD, Join, Person
from tests.services.gateway.standin import PATIENCE_SECONDS, PATIENT, eventually, patient_verifier, serving

SECONDS = 5
"""Within which what is ended stops working, as the public contract promises."""


class Process:
    """The service as processes come and go: the next has other keys."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._app: FastAPI | None = None

    def start(self, *keys: SigningKeys) -> None:
        """A process whose file holds these keys, the one that signs first."""
        pem = b"".join(key.private_pem() for key in keys)
        self._app = build(self._settings, SigningKeys.from_pem(pem), self._database)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._app is not None
        await self._app(scope, receive, send)


class Moving:
    """A clock of the gateway's, which a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def minutes() -> Moving:
    """By which the gateway forgets signing keys."""
    return Moving()


@pytest.fixture
def seconds() -> Moving:
    """By which what it knows of callers grows old."""
    return Moving()


@contextmanager
def _gateway(accounts_port: int, minutes: Moving, seconds: Moving) -> Iterator[httpx2.Client]:
    url = f"http://127.0.0.1:{accounts_port}"
    settings = GatewaySettings(
        accounts_url=HttpUrl(url),
        jwks_url=f"{url}/.well-known/jwks.json",
        log_level="ERROR",
        api_key_cache_seconds=0,
        **PATIENT,
    )
    app = gateway_app(settings, hub=Hub(), verifier=patient_verifier(settings, minutes), clock=seconds)
    with (
        serving(app, http=guarded(settings), proxy_headers=False, server_header=False) as port,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        yield client


@pytest.fixture
def accounts_process(settings: Settings, database: Database, keys: SigningKeys) -> Process:
    process = Process(settings, database)
    process.start(keys)
    return process


@pytest.fixture
def gateway(accounts_process: Process, minutes: Moving, seconds: Moving) -> Iterator[httpx2.Client]:
    # Without its lifespan: no background task looks for a broker.
    with (
        serving(accounts_process, proxy_headers=False, lifespan="off") as port,
        _gateway(port, minutes, seconds) as client,
    ):
        yield client


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def refresh(gateway: httpx2.Client, token: str) -> Any:
    return gateway.post("/v1/auth/token", data={"grant_type": "refresh_token", "refresh_token": token})


def make_key(person: Person, **more: Any) -> Any:
    return person.post("/v1/api-keys", json={"name": "a", "scopes": ["billing:read"], **more}).json()


Refusal = Callable[[str, Mapping[str, str]], httpx2.Response]


@pytest.fixture
def refusal(gateway: httpx2.Client, seconds: Moving) -> Refusal:
    """What `GET path` with these headers is answered within the promised seconds by the gateway's clock.

    An answer of accounts that takes longer than the gateway waits for it counts when it comes.
    """

    def wait(path: str, headers: Mapping[str, str]) -> httpx2.Response:
        answers: list[httpx2.Response] = []

        def is_refused() -> bool:
            answers.append(gateway.get(path, headers=headers))
            return answers[-1].status_code != 200

        seconds.now += SECONDS
        eventually(is_refused)
        return answers[-1]

    return wait


def test_a_browser_signs_in_works_and_signs_out_with_cookies_alone(
    gateway: httpx2.Client, join: Join, refusal: Refusal
) -> None:
    person = join()
    signed_in = gateway.post("/v1/auth/session", json={"email": person.email, "password": PASSWORD})
    csrf = {"X-CSRF-Token": signed_in.json()["csrf_token"]}

    assert gateway.get("/v1/me").json()["id"] == person.account_id
    assert gateway.patch("/v1/me", json={"display_name": "Ada"}).json()["code"] == "csrf_failed"
    assert gateway.patch("/v1/me", json={"display_name": "Ada"}, headers=csrf).json()["display_name"] == "Ada"
    assert gateway.cookies["stemwright-csrf"] == csrf["X-CSRF-Token"]
    secret = gateway.cookies["stemwright-session"]
    assert gateway.delete("/v1/auth/session", headers=csrf).status_code == 204
    assert dict(gateway.cookies) == {}
    assert gateway.get("/v1/me").status_code == 401
    assert refusal("/v1/me", {"Cookie": f"stemwright-session={secret}"}).status_code == 401


def test_keys_rotate_without_anybody_being_signed_out(
    gateway: httpx2.Client, accounts_process: Process, keys: SigningKeys, join: Join, minutes: Moving
) -> None:
    person = join()
    old, new = keys, SigningKeys.generate()
    key = make_key(person)["key"]
    once = {"Idempotency-Key": "once"}
    named = gateway.post(
        "/v1/api-keys",
        json={"name": "b", "scopes": ["jobs"]},
        headers={**once, **bearer(person.tokens["access_token"])},
    ).json()
    assert gateway.post("/v1/auth/session", json={"email": person.email, "password": PASSWORD}).status_code == 200
    first_token = person.tokens["access_token"]
    used = person.tokens["refresh_token"]
    following = refresh(gateway, used).json()["refresh_token"]

    def everything_works() -> None:
        assert gateway.get("/v1/me", headers=bearer(first_token)).status_code == 200
        assert gateway.get("/v1/billing/balance", headers=bearer(key)).status_code == 200
        assert gateway.get("/v1/me").json()["id"] == person.account_id

    everything_works()
    for file in ((old, new), (new, old)):
        accounts_process.start(*file)
        everything_works()
        # The answer was lost, and in between the process got another key to sign with.
        again = refresh(gateway, used).json()
        assert again["refresh_token"] == following
        assert gateway.get("/v1/me", headers=bearer(again["access_token"])).status_code == 200
        minutes.now += KEY_SET_SECONDS
    repeated = gateway.post(
        "/v1/api-keys", json={"name": "b", "scopes": ["jobs"]}, headers={**once, **bearer(first_token)}
    )
    assert repeated.json()["key"] == named["key"]

    accounts_process.start(new)
    renewed = refresh(gateway, following).json()
    assert gateway.get("/v1/me", headers=bearer(renewed["access_token"])).status_code == 200
    assert gateway.get("/v1/billing/balance", headers=bearer(key)).status_code == 200
    assert gateway.get("/v1/me").json()["id"] == person.account_id


def test_a_key_that_is_deleted_stops_working_within_five_seconds(
    gateway: httpx2.Client, join: Join, refusal: Refusal
) -> None:
    person = join()
    key = make_key(person)
    assert gateway.get("/v1/billing/balance", headers=bearer(key["key"])).status_code == 200

    person.delete(f"/v1/api-keys/{key['id']}")

    assert refusal("/v1/billing/balance", bearer(key["key"])).json()["code"] == "invalid_api_key"


def test_a_key_that_expires_stops_working_within_five_seconds(
    gateway: httpx2.Client, join: Join, clock: Clock, client: TestClient, refusal: Refusal
) -> None:
    person = join()
    ends = clock().replace(microsecond=0)
    clock.advance(seconds=-10)
    key = make_key(person, expires_at=ends.isoformat())["key"]
    access_token = client.post("/internal/api-keys/exchange", json={"api_key": key}).json()["access_token"]
    for credential in (key, access_token):
        assert gateway.get("/v1/billing/balance", headers=bearer(credential)).status_code == 200

    clock.advance(seconds=10)

    assert refusal("/v1/billing/balance", bearer(key)).json()["code"] == "invalid_api_key"
    assert refusal("/v1/billing/balance", bearer(access_token)).json()["code"] == "invalid_token"


def test_a_session_that_signs_out_stops_working_within_five_seconds(
    gateway: httpx2.Client, join: Join, refusal: Refusal
) -> None:
    person = join()
    token = person.tokens["access_token"]
    assert gateway.get("/v1/me", headers=bearer(token)).status_code == 200

    person.post("/v1/auth/logout")

    assert refusal("/v1/me", bearer(token)).json()["code"] == "invalid_token"


def test_a_role_counts_within_five_seconds_and_signs_nobody_out(
    gateway: httpx2.Client, join: Join, accounts: Accounts, clock: Clock, refusal: Refusal
) -> None:
    person = join()
    token, used = person.tokens["access_token"], person.tokens["refresh_token"]
    assert gateway.get("/v1/admin/ledger-check", headers=bearer(token)).status_code == 403
    clock.advance(seconds=0.01)
    with accounts.database.write() as session:
        accounts.users.add_role(session, parse(person.email), Role.OPERATOR)

    assert refusal("/v1/me", bearer(token)).json()["code"] == "invalid_token"
    clock.advance(seconds=0.01)
    fresh = refresh(gateway, used).json()["access_token"]
    assert gateway.get("/v1/admin/ledger-check", headers=bearer(fresh)).status_code == 200

    clock.advance(seconds=0.01)
    with accounts.database.write() as session:
        accounts.administration.set_roles(session, person.account_id, [], Origin(), "usr_admin")
    assert refusal("/v1/admin/ledger-check", bearer(fresh)).json()["code"] == "invalid_token"


def test_who_is_disabled_is_out_within_five_seconds_with_all_they_have(
    gateway: httpx2.Client, join: Join, accounts: Accounts, clock: Clock, refusal: Refusal
) -> None:
    person = join()
    key = make_key(person)["key"]
    assert gateway.post("/v1/auth/session", json={"email": person.email, "password": PASSWORD}).status_code == 200
    cookie = {"Cookie": f"stemwright-session={gateway.cookies['stemwright-session']}"}
    gateway.cookies.clear()
    assert gateway.get("/v1/billing/balance", headers=bearer(key)).status_code == 200
    assert gateway.get("/v1/me", headers=cookie).status_code == 200
    clock.advance(seconds=0.01)

    with accounts.database.write() as session:
        accounts.administration.set_disabled(session, person.account_id, True, Origin(), "usr_admin")

    assert refusal("/v1/billing/balance", bearer(key)).json()["code"] == "invalid_api_key"
    assert refusal("/v1/me", bearer(person.tokens["access_token"])).json()["code"] == "invalid_token"
    assert gateway.get("/v1/me", headers=cookie).status_code == 401
