"""The accounts service on a migrated database, without a broker: what it would publish lies in the outbox."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import jwt
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from google.protobuf.message import Message
from sqlalchemy import select

from services.accounts.accounts import Accounts
from services.accounts.app import build
from services.accounts.mail.service import MailSender
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.settings import Settings
from services.accounts.users.emails import parse
from services.accounts.users.roles import Role
from services.kit.database import Database
from services.kit.events.codec import Event, decode
from services.kit.tables import OUTBOX
from tests.app_client import AppClient
from tests.clocks import Clock
from tests.databases import MakeDatabase
from tests.made_settings import made_settings

PASSWORD = "correct horse battery"
QUICK_HASHES_KIB = 8
"""The least that argon2 takes: a person who joins would else cost a fifth of a second of processor time."""


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
    # Tokens are verified by the machine's clock, so this one begins there.
    return Clock(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture
def settings() -> Settings:
    return made_settings(
        Settings,
        verify_email=False,
        welcome_credits=600,
        previews_per_day={"free": 3},
        password_waiting_max=100,
        password_memory_kib=QUICK_HASHES_KIB,
    )


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
    return AppClient(build(settings, keys, database), raise_server_exceptions=False)


class Post:
    """A transport that keeps what it takes."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []

    def send(self, mail_id: str, message: EmailMessage) -> None:
        self.taken.append(message)


class Mailbox:
    """Everybody's mails: those that wait are sent when somebody looks."""

    def __init__(self, accounts: Accounts) -> None:
        self._post = Post()
        self._sender = MailSender(
            accounts.database,
            accounts.mail,
            self._post,
            sender="mail@stemwright.example",
            public_url="https://stemwright.example",
            composers=accounts.composers,
        )

    def all(self) -> list[EmailMessage]:
        """In the order in which they were written; some are sent before others."""
        return sorted(self.sent(), key=lambda message: str(message["Message-ID"]))

    def sent(self) -> list[EmailMessage]:
        """In the order in which they were sent."""
        while self._sender.send_next():
            pass
        return self._post.taken

    def subjects_to(self, address: str) -> list[str]:
        return [message["Subject"] for message in self.all() if message["To"] == address]

    def token_to(self, address: str) -> str:
        """The token in the newest mail to this address."""
        newest = [message for message in self.all() if message["To"] == address][-1]
        found = re.search(r"#token=(\S+)", newest.get_body(("plain",)).get_content())  # type: ignore[union-attr]
        assert found is not None, newest
        return found[1]


@pytest.fixture
def mailbox(client: TestClient) -> Mailbox:
    assert isinstance(client.app, FastAPI)
    return Mailbox(client.app.state.accounts)


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
        tokens = sign_in(email).json()
        claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
        return Person(client, claims["sub"], email, tokens)

    return make


@pytest.fixture
def admin(join: Join, accounts: Accounts, sign_in: Callable[..., Any]) -> Person:
    person = join("admin@example.com")
    with accounts.database.write() as session:
        accounts.users.add_role(session, parse(person.email), Role.ADMIN)
    person.tokens = sign_in(person.email).json()
    return person


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
