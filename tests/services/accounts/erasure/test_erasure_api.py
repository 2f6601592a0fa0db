"""Erasing an account over HTTP, and what is left of it in this service."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Table, delete, select, update

from services.accounts.accounts import Accounts
from services.accounts.erasure.kept import TABLES, kept
from services.accounts.erasure.models import Erasure, WelcomedAddress
from services.accounts.erasure.welcomed import REMEMBERED, WelcomedAddresses
from services.accounts.ledger.models import LedgerTransfer
from services.accounts.mail.models import OutgoingMail
from services.accounts.mail.rendering import render
from services.accounts.models import Base
from services.accounts.sessions.tokens import SigningKeys
from services.accounts.sweeper import tidy
from services.kit.database import Database
from services.kit.events.topics import GONE_AFTER
from services.kit.protos import accounts_pb2
from services.kit.tables import IDEMPOTENCY, KIT_METADATA, OUTBOX
from tests.clocks import Clock
from tests.ids import numbered
from tests.services.accounts.conftest import PASSWORD, Join, Outbox, Person, in_parallel

KEY = {"name": "CI of Ada", "scopes": ["jobs"]}


def erase(person: Person, password: str = PASSWORD) -> Any:
    return person.client.request("DELETE", "/v1/me", headers=person.headers, json={"password": password})


def receipt_of(service: str, erasure: Erasure, **erased: int) -> accounts_pb2.AccountErasureReceipt:
    return accounts_pb2.AccountErasureReceipt(
        account_id=erasure.account_id,
        erasure_id=erasure.id,
        service=service,
        erased=[accounts_pb2.ErasedRecords(kind=kind, count=number) for kind, number in erased.items()],
        finished_at=Timestamp(seconds=1_795_000_000),
    )


@pytest.fixture
def hear(accounts: Accounts, database: Database) -> Callable[..., None]:
    """A service's receipt arrives."""

    def arrives(service: str, account_id: str, **erased: int) -> None:
        with database.write() as session:
            erasure = session.execute(select(Erasure).where(Erasure.account_id == account_id)).scalar_one()
            accounts.erasures.note_receipt(session, receipt_of(service, erasure, **erased))

    return arrives


@pytest.fixture
def published(database: Database, clock: Clock) -> Callable[[], None]:
    """The event log takes what is in the outbox."""

    def publish() -> None:
        with database.write() as session:
            session.execute(update(OUTBOX).values(published_at=clock()))

    return publish


def everything_in(database: Database) -> str:
    """Every value of every row, as text."""
    with database.read() as session:
        return "\n".join(
            str(tuple(row))
            for table in (*Base.metadata.sorted_tables, *KIT_METADATA.sorted_tables)
            for row in session.execute(select(table))
        )


def delivered(database: Database) -> list[OutgoingMail]:
    """The mails that waited; they are sent, and nothing of them stays."""
    with database.write() as session:
        waiting = list(session.execute(select(OutgoingMail)).scalars())
        session.execute(delete(OutgoingMail))
    return waiting


def test_the_last_mail_says_where_the_receipt_is_and_takes_the_place_of_all_others(
    join: Join, accounts: Accounts, database: Database
) -> None:
    person = join("ada@example.com")
    with database.write() as session:
        accounts.mail.add(session, "ada@example.com", "test")
        accounts.mail.add(session, "bob@example.com", "test")

    url = erase(person).json()["receipt_url"]

    mails = {mail.recipient: mail for mail in delivered(database)}
    assert {recipient: mail.template for recipient, mail in mails.items()} == {
        "ada@example.com": "erased",
        "bob@example.com": "test",
    }
    letter = render("erased", {**mails["ada@example.com"].values, "public_url": "https://stems.example"})
    assert letter.subject == "Your Stemwright account is closed"
    assert f"https://stems.example{url}\n" in letter.text
    assert f'"https://stems.example{url}"' in letter.html


def test_an_erased_account_leaves_its_ledger_and_nothing_that_names_a_person(
    join: Join, sign_in: Callable[..., Any], database: Database, client: TestClient
) -> None:
    body = {"email": "Ada.Lovelace@example.com", "password": PASSWORD, "display_name": "Countess"}
    made = client.post("/v1/auth/register", json=body, headers={"Idempotency-Key": "first"})
    person = Person(client, made.json()["id"], body["email"], sign_in(body["email"]).json())
    person.post("/v1/api-keys", json=KEY, headers={"Idempotency-Key": "second"})
    other = join("bob@example.com")
    other.post("/v1/api-keys", json={**KEY, "name": "CI of Bob"}, headers={"Idempotency-Key": "third"})

    answer = erase(person)

    assert answer.status_code == 202, answer.text
    to_ada = [mail.template for mail in delivered(database) if mail.recipient == "Ada.Lovelace@example.com"]
    assert to_ada == ["erased"]
    left = everything_in(database).lower()
    assert "bob" in left
    assert [trace for trace in ("lovelace", "countess", "ci of ada", "testclient") if trace in left] == ["testclient"]
    with database.read() as session:
        entries = session.execute(select(LedgerTransfer).where(LedgerTransfer.account_id == person.account_id)).all()
        keys = session.execute(select(IDEMPOTENCY.c.key)).scalars().all()
    assert entries
    assert list(keys) == ["third"]
    assert other.get("/v1/me").status_code == 200


def test_whoever_was_signed_in_is_out_and_the_address_is_free(
    join: Join, sign_in: Callable[..., Any], client: TestClient
) -> None:
    person = join("ada@example.com")
    key = person.post("/v1/api-keys", json=KEY).json()["key"]
    before = client.get("/internal/revocations").json()

    assert erase(person).status_code == 202

    told = client.get("/internal/revocations", params={"after": before["told_at"]}).json()
    assert person.account_id in told["ids"]
    assert sign_in("ada@example.com").json()["code"] == "invalid_grant"
    refreshed = {"grant_type": "refresh_token", "refresh_token": person.tokens["refresh_token"]}
    assert client.post("/v1/auth/token", data=refreshed).json()["code"] == "invalid_grant"
    assert client.post("/internal/api-keys/exchange", json={"api_key": key}).status_code == 401
    assert person.get("/v1/me").status_code == 401
    assert erase(person).status_code == 401
    again = join("ada@example.com")
    assert again.account_id != person.account_id
    assert again.get("/v1/api-keys").json()["items"] == []


def _available(person: Person) -> int:
    return int(person.get("/v1/billing/balance").json()["available_credits"])


def test_whoever_comes_back_has_no_second_welcome_credits(join: Join) -> None:
    first = join("ada@example.com")
    assert _available(first) == 600
    erase(first)

    again = join("Ada@Example.com")
    assert _available(again) == 0
    assert again.get("/v1/billing/ledger").json()["items"] == []
    assert _available(join("bob@example.com")) == 600


def test_an_address_is_known_again_for_a_year(clock: Clock, accounts: Accounts) -> None:
    def known() -> bool:
        tidy(accounts)
        with accounts.database.read() as session:
            return accounts.welcomed.knows(session, "ada@example.com")

    assert not known()
    with accounts.database.write() as session:
        accounts.welcomed.note(session, "ada@example.com")
    clock.advance(days=364)
    assert known()
    clock.advance(days=1)
    assert not known()


def test_erasing_what_had_no_welcome_credits_makes_nobody_wait_longer(
    join: Join, clock: Clock, database: Database
) -> None:
    erase(join("ada@example.com"))
    noted = clock()
    clock.advance(minutes=1)
    erase(join("ada@example.com"))

    with database.read() as session:
        assert session.scalars(select(WelcomedAddress.erased_at)).all() == [noted]


def test_who_has_the_database_alone_learns_of_no_address(join: Join, database: Database) -> None:
    erase(join("ada@example.com"))
    with database.read() as session:
        digests = session.scalars(select(WelcomedAddress.digest)).all()
    assert len(digests) == 1
    by_another_key = SigningKeys.generate().digests_of_address("ada@example.com")
    assert digests[0] not in (hashlib.sha256(b"ada@example.com").hexdigest(), *by_another_key)


def test_an_address_is_known_while_the_key_that_noted_it_is_in_the_file(database: Database, keys: SigningKeys) -> None:
    new = SigningKeys.generate()
    with database.write() as session:
        WelcomedAddresses(keys).note(session, "ada@example.com")
    rotated = SigningKeys.from_pem(new.private_pem() + keys.private_pem())

    with database.read() as session:
        assert WelcomedAddresses(rotated).knows(session, "ada@example.com")
        assert not WelcomedAddresses(rotated).knows(session, "bob@example.com")
        assert not WelcomedAddresses(new).knows(session, "ada@example.com")


def test_a_wrong_password_erases_nothing_and_guesses_are_counted(join: Join) -> None:
    person = join()

    refused = [erase(person, "not the password") for _ in range(6)]

    assert [(answer.status_code, answer.json()["code"]) for answer in refused[:5]] == [(403, "wrong_password")] * 5
    assert refused[5].status_code == 429
    assert person.client.request("DELETE", "/v1/me", headers=person.headers).status_code == 422
    assert person.get("/v1/me").status_code == 200


def test_an_api_key_cannot_erase_its_account(join: Join, client: TestClient) -> None:
    person = join()
    key = person.post("/v1/api-keys", json={"name": "all", "scopes": ["jobs", "uploads", "events"]}).json()["key"]
    token = client.post("/internal/api-keys/exchange", json={"api_key": key}).json()["access_token"]

    headers = {"Authorization": f"Bearer {token}"}
    assert client.request("DELETE", "/v1/me", headers=headers, json={"password": PASSWORD}).status_code == 403


def test_of_requests_at_once_one_erases(join: Join, database: Database) -> None:
    person = join()

    answers = in_parallel([lambda: erase(person)] * 4)

    assert sorted(answer.status_code for answer in answers) == [202, 401, 401, 401]
    with database.read() as session:
        assert len(session.execute(select(Erasure)).all()) == 1


def test_the_receipt_grows_until_every_service_has_answered(
    join: Join, client: TestClient, hear: Callable[..., None]
) -> None:
    person = join()
    person.post("/v1/api-keys", json=KEY)
    begun = erase(person)
    url = begun.json()["receipt_url"]
    assert begun.headers["location"] == url
    first = client.get(url).json()
    assert (first["status"], first["finished_at"]) == ("running", None)
    assert [service["service"] for service in first["services"]] == ["accounts", "notifier", "orchestrator", "upload"]
    assert first["services"][0]["erased"] == {"profiles": 1, "sign_ins": 1, "api_keys": 1}
    assert first["services"][1] == {"service": "notifier", "finished_at": None, "erased": {}}

    hear("upload", person.account_id, uploads=3)
    hear("upload", person.account_id, uploads=0)
    assert client.get(url).json()["status"] == "running"
    hear("orchestrator", person.account_id, jobs=2, stems=4)
    hear("notifier", person.account_id, events=5)

    last = client.get(url).json()
    assert last["status"] == "finished"
    assert last["finished_at"] is not None
    assert {service["service"]: service["erased"] for service in last["services"]} == {
        "accounts": {"profiles": 1, "sign_ins": 1, "api_keys": 1},
        "notifier": {"events": 5},
        "orchestrator": {"jobs": 2, "stems": 4},
        "upload": {"uploads": 3},
    }
    assert last["account_id"] == person.account_id
    assert person.email not in str(last)


def test_a_receipt_is_read_by_its_token_alone(join: Join, client: TestClient, database: Database) -> None:
    url = erase(join()).json()["receipt_url"]
    other = url[:-1] + ("A" if url[-1] != "A" else "B")

    assert client.get(url).headers["cache-control"] == "no-store"
    for wrong in (other, "/v1/erasures/er_", "/v1/erasures/x"):
        refused = client.get(wrong)
        assert (refused.status_code, refused.json()["code"]) == (404, "erasure_not_found")
    delivered(database)
    assert url.rpartition("/")[2] not in everything_in(database)


def test_receipts_of_others_and_of_nobody_change_nothing(
    join: Join, client: TestClient, accounts: Accounts, database: Database, hear: Callable[..., None]
) -> None:
    person = join()
    url = erase(person).json()["receipt_url"]
    with database.read() as session:
        erasure = session.execute(select(Erasure)).scalar_one()
    forged = receipt_of("upload", erasure)
    forged.account_id = numbered("usr", 9)
    unknown = receipt_of("upload", erasure)
    unknown.erasure_id = numbered("era", 9)
    stranger = receipt_of("worker", erasure)

    for receipt in (forged, unknown, stranger):
        with database.write() as session:
            accounts.erasures.note_receipt(session, receipt)

    assert [service["finished_at"] for service in client.get(url).json()["services"][1:]] == [None, None, None]


def test_the_services_are_told_again_until_each_has_answered(
    join: Join,
    accounts: Accounts,
    outbox: Outbox,
    clock: Clock,
    hear: Callable[..., None],
    published: Callable[[], None],
) -> None:
    person = join()
    erase(person)

    def told() -> int:
        published()
        accounts.erasures.tell_again()
        return len(outbox.messages(accounts_pb2.AccountErased))

    assert told() == 1
    clock.advance(seconds=5)
    assert told() == 2
    clock.advance(seconds=9)
    assert told() == 2
    clock.advance(seconds=1)
    assert told() == 3
    hear("upload", person.account_id)
    clock.advance(hours=1)
    assert told() == 4
    hear("orchestrator", person.account_id)
    hear("notifier", person.account_id)
    clock.advance(hours=1)
    assert told() == 4
    news = outbox.messages(accounts_pb2.AccountErased)
    assert {message.account_id for message in news} == {person.account_id}
    assert len({message.erasure_id for message in news}) == 1


def test_while_the_event_log_is_away_news_does_not_pile_up(
    join: Join, accounts: Accounts, outbox: Outbox, clock: Clock
) -> None:
    erase(join())

    clock.advance(hours=1)
    accounts.erasures.tell_again()

    assert len(outbox.messages(accounts_pb2.AccountErased)) == 1


def test_each_table_about_an_account_goes_with_the_user_or_is_on_the_receipt() -> None:
    """Whoever adds a table decides, and does not forget to."""

    def goes_with_the_user(table: Table) -> bool:
        return any(
            key.column.table.name == "users"
            and key.ondelete == "CASCADE"
            and key.parent.name in ("account_id", "user_id")
            for key in table.foreign_keys
        )

    about_accounts = {table.name for table in Base.metadata.sorted_tables if "account_id" in table.columns}
    stay = {name for name in about_accounts if not goes_with_the_user(Base.metadata.tables[name])}
    assert stay == TABLES.keys()


def test_the_receipt_says_until_when_something_is_kept(clock: Clock) -> None:
    lines = kept(clock())

    assert set(TABLES.values()) <= lines.keys()
    assert lines["event_log"].until == clock() + GONE_AFTER == clock() + timedelta(days=15)
    assert lines["welcome"].until == clock() + REMEMBERED == clock() + timedelta(days=365)
