"""The accounts service on a migrated database, without a broker: what it would publish lies in the outbox."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from google.protobuf.message import Message
from sqlalchemy import select

from services.accounts.app import build
from services.accounts.service.accounts import Accounts
from services.accounts.settings import Settings
from services.accounts.tokens import SigningKeys
from services.kit.database import Database
from services.kit.events.codec import Event, decode
from services.kit.tables import OUTBOX
from tests.databases import MakeDatabase

PASSWORD = "correct horse battery"


class Clock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        # Tokens are verified by the machine's clock, so this one begins there.
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class _Raw:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class Outbox:
    """What a service has told the others."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def events(self) -> list[Event]:
        with self._database.read() as session:
            rows = session.execute(select(OUTBOX).order_by(OUTBOX.c.id)).all()
        events = [
            decode(_Raw(row.topic, 0, 0, row.key, row.value, [(name, value.encode()) for name, value in row.headers]))
            for row in rows
        ]
        return [event for event in events if event is not None]

    def messages(self, kind: type[Message] | None = None) -> list[Any]:
        return [event.data for event in self.events() if kind is None or isinstance(event.data, kind)]

    def last(self) -> Any:
        return self.messages()[-1]


@dataclass
class Person:
    """A registered user who signed in."""

    client: TestClient
    account_id: str
    email: str
    tokens: dict[str, Any]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    def get(self, path: str, **kwargs: Any) -> Any:
        return self.client.get(path, headers=self.headers, **kwargs)

    def post(self, path: str, headers: dict[str, str] | None = None, **kwargs: Any) -> Any:
        return self.client.post(path, headers={**self.headers, **(headers or {})}, **kwargs)

    def patch(self, path: str, **kwargs: Any) -> Any:
        return self.client.patch(path, headers=self.headers, **kwargs)

    def delete(self, path: str) -> Any:
        return self.client.delete(path, headers=self.headers)


Join = Callable[..., Person]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings() -> Settings:
    return Settings(welcome_credits=600, previews_per_day={"free": 3}, password_waiting_max=100)


@pytest.fixture(scope="session")
def keys() -> SigningKeys:
    return SigningKeys.generate()


@pytest.fixture
def database(make_database: MakeDatabase, clock: Clock) -> Database:
    return make_database("accounts", clock=clock)


@pytest.fixture
def accounts(settings: Settings, database: Database, keys: SigningKeys) -> Accounts:
    return Accounts.build(settings, database, keys)


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database)


@pytest.fixture
def client(settings: Settings, database: Database, keys: SigningKeys) -> TestClient:
    """The real app; not entered, so that its background tasks do not look for a broker."""
    return TestClient(build(settings, keys, database), raise_server_exceptions=False)


@pytest.fixture
def sign_in(client: TestClient) -> Callable[..., Any]:
    def request(email: str, password: str = PASSWORD) -> Any:
        return client.post("/v1/auth/token", data={"grant_type": "password", "username": email, "password": password})

    return request


@pytest.fixture
def join(client: TestClient, sign_in: Callable[..., Any]) -> Join:
    """Registers somebody and signs them in."""
    counter = iter(range(1000))

    def make(email: str | None = None) -> Person:
        email = email or f"person{next(counter)}@example.com"
        registered = client.post("/v1/auth/register", json={"email": email, "password": PASSWORD})
        assert registered.status_code == 201, registered.text
        return Person(client, registered.json()["id"], email, sign_in(email).json())

    return make


def in_parallel(calls: list[Callable[[], Any]]) -> list[Any]:
    """Results of the calls, each made by a thread of its own, all at once; an exception is a result."""
    results: list[Any] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(index: int, call: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            results[index] = call()
        except Exception as error:  # noqa: BLE001 - handed to the test
            results[index] = error

    threads = [threading.Thread(target=run, args=(index, call)) for index, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
