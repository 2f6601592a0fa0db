"""Signing up tells nobody who is here, and only who reads the mail gets the account and its credits."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, func, select

from services.accounts.accounts import Accounts
from services.accounts.settings import Settings
from services.accounts.sweeper import tidy
from services.accounts.users.models import MailToken, Registration, User
from services.kit.database import Database
from services.kit.protos import billing_pb2
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.made_settings import made_settings
from tests.services.accounts.conftest import PASSWORD, QUICK_HASHES_KIB, Mailbox, Outbox, in_parallel

ADA = "ada@example.com"
SignIn = Callable[..., Any]


@pytest.fixture
def settings() -> Settings:
    return made_settings(
        Settings,
        verify_email=True,
        welcome_credits=600,
        password_waiting_max=100,
        password_memory_kib=QUICK_HASHES_KIB,
    )


@pytest.fixture
def register(client: TestClient) -> Callable[..., Any]:
    def request(email: str = ADA, password: str = PASSWORD, key: str | None = None, network: str = "192.0.2.1") -> Any:
        headers = {"X-Forwarded-For": network} | ({} if key is None else {"Idempotency-Key": key})
        return client.post("/v1/auth/register", json={"email": email, "password": password}, headers=headers)

    return request


@pytest.fixture
def verify(client: TestClient) -> Callable[..., Any]:
    return lambda **body: client.post("/v1/auth/verify-email", json=body)


@pytest.fixture
def member(register: Any, verify: Any, mailbox: Mailbox) -> str:
    """Somebody who has an account."""
    register()
    assert verify(token=mailbox.token_to(ADA)).status_code == 204
    return ADA


def welcomes(outbox: Outbox) -> int:
    """How often somebody got the credits of a new account."""
    told = outbox.messages(billing_pb2.BalanceChanged)
    return sum(message.balance.available_credits == 600 for message in told)


def count(database: Database, table: type) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def test_who_follows_the_link_has_an_account_with_its_credits(
    client: TestClient, register: Any, verify: Any, mailbox: Mailbox, sign_in: SignIn, outbox: Outbox
) -> None:
    signed_up = register().json()
    assert signed_up["email_verified"] is False
    assert sign_in(ADA).json()["code"] == "invalid_grant"
    assert outbox.messages() == [], "no credits before"

    assert verify(token=mailbox.token_to(ADA)).status_code == 204

    headers = {"Authorization": f"Bearer {sign_in(ADA).json()['access_token']}"}
    me = client.get("/v1/me", headers=headers).json()
    assert (me["id"], me["email_verified"]) == (signed_up["id"], True)
    assert client.get("/v1/billing/balance", headers=headers).json()["available_credits"] == 600
    assert welcomes(outbox) == 1


def test_a_link_works_once(register: Any, verify: Any, mailbox: Mailbox, outbox: Outbox) -> None:
    register()
    token = mailbox.token_to(ADA)

    answers = in_parallel([lambda: verify(token=token)] * 6)

    assert sorted(answer.status_code for answer in answers) == [204] + [400] * 5
    assert verify(token=token).json()["code"] == "link_not_valid"
    assert welcomes(outbox) == 1


def test_a_link_works_for_a_day(register: Any, verify: Any, mailbox: Mailbox, clock: Clock) -> None:
    register()
    token = mailbox.token_to(ADA)
    clock.advance(hours=24)

    assert verify(token=token).status_code == 400


@pytest.mark.usefixtures("member")
def test_the_answer_to_a_known_address_is_that_to_a_new_one(register: Any, mailbox: Mailbox, sign_in: SignIn) -> None:
    known = register(ADA, "a password of somebody else")
    new = register("bob@example.com", "a password of somebody else")

    assert known.status_code == new.status_code == 201
    varies = {"id", "email", "created_at"}
    assert {name: value for name, value in known.json().items() if name not in varies} == {
        name: value for name, value in new.json().items() if name not in varies
    }
    assert set(known.headers) == set(new.headers)
    assert len(known.json()["id"]) == len(new.json()["id"])
    # Nor does signing in tell: neither has an account with this password.
    assert (
        sign_in(ADA, "a password of somebody else").json()
        == sign_in("bob@example.com", "a password of somebody else").json()
    )
    assert mailbox.subjects_to(ADA) == ["Verify your address", "You have an account already"]


@pytest.mark.usefixtures("member")
@pytest.mark.parametrize("path", ["register", "verify-email", "password-reset"])
def test_the_work_for_a_known_address_is_that_for_a_new_one(client: TestClient, database: Database, path: str) -> None:
    statements: list[str] = []
    event.listen(
        database.write_engine, "before_cursor_execute", lambda c, cursor, statement, *_: statements.append(statement)
    )

    def work(email: str) -> list[str]:
        statements.clear()
        body = {"email": email} | ({"password": PASSWORD} if path == "register" else {})
        assert client.post(f"/v1/auth/{path}", json=body).status_code in (201, 204)
        return list(statements)

    assert work(ADA) == work("nobody@example.com") != []


def test_a_replay_tells_nothing_of_the_address_either(member: str, register: Any) -> None:
    for email in (member, "bob@example.com"):
        assert register(email, key="one").status_code == 201
        assert register(email, key="one").headers["idempotent-replay"] == "true"
        assert register(email, "another password", key="one").json()["code"] == "idempotency_conflict"


def test_of_two_who_claim_an_address_the_one_who_reads_its_mail_chooses(
    register: Any, verify: Any, mailbox: Mailbox, sign_in: SignIn
) -> None:
    register(ADA, "the password of a stranger")
    strangers = mailbox.token_to(ADA)
    register(ADA, "the password of Ada")

    assert verify(token=mailbox.token_to(ADA)).status_code == 204

    assert sign_in(ADA, "the password of Ada").status_code == 200
    assert sign_in(ADA, "the password of a stranger").status_code == 400
    assert verify(token=strangers).status_code == 400


def test_who_wants_another_link_signs_up_again(register: Any, verify: Any, mailbox: Mailbox, sign_in: SignIn) -> None:
    register()
    first = mailbox.token_to(ADA)
    register()
    second = mailbox.token_to(ADA)
    assert first != second
    assert verify(token=first).status_code == 204, "the older one is as good"
    assert verify(token=second).status_code == 400
    assert sign_in(ADA).status_code == 200
    assert verify(email=ADA).status_code == 204
    assert verify(email="nobody@example.com").status_code == 204
    assert len(mailbox.all()) == 2, "there is nothing to prove any more"


def test_no_mail_is_asked_for_that_is_of_somebody_elses_registration(
    register: Any, verify: Any, mailbox: Mailbox, sign_in: SignIn, clock: Clock
) -> None:
    register(ADA, "the password of Ada")
    clock.advance(minutes=2)
    register(ADA, "the password of a stranger", network="192.0.2.66")
    before = len(mailbox.all())
    assert verify(email=ADA).status_code == 204
    assert len(mailbox.all()) == before

    clock.advance(minutes=2)
    register(ADA, "the password of Ada")
    assert f"{clock.now:%Y-%m-%d %H:%M} UTC" in mailbox.all()[-1].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert verify(token=mailbox.token_to(ADA)).status_code == 204
    assert sign_in(ADA, "the password of Ada").status_code == 200


def test_signing_up_again_and_again_has_to_wait_and_nobody_else_does(
    client: TestClient, register: Any, mailbox: Mailbox
) -> None:
    answers = [register(password=f"the password number {number}") for number in range(21)]
    refused = [answer for answer in answers if answer.status_code == 429]

    assert [answer.status_code for answer in answers[:5]] == [201] * 5
    assert refused[0].json()["code"] == "too_many_mails"
    assert int(refused[0].headers["retry-after"]) >= 1
    sent = len(mailbox.all())
    assert sent == len(answers) - len(refused) < 20, "who comes from elsewhere is heard, and is written to"
    assert register(network="192.0.2.2").status_code == 201
    assert register("bob@example.com").status_code == 201
    assert len(mailbox.all()) == sent + 2
    asked = client.post("/v1/auth/verify-email", json={"email": ADA}, headers={"X-Forwarded-For": "192.0.2.1"})
    assert asked.json()["code"] == "too_many_mails", "mails of every kind are counted together"


def test_of_many_who_sign_up_at_once_a_few_are_heard(register: Any, mailbox: Mailbox) -> None:
    answers = in_parallel([register] * 8)

    heard = sum(answer.status_code == 201 for answer in answers)
    assert {answer.status_code for answer in answers} == {201, 429}
    assert heard <= 5
    assert len(mailbox.all()) == heard


def test_a_request_sent_again_with_its_key_is_not_counted(register: Any, mailbox: Mailbox) -> None:
    assert {register(key="one").status_code for _ in range(8)} == {201}
    assert len(mailbox.all()) == 1


def test_nobodys_mailbox_is_flooded(mailbox: Mailbox, register: Any) -> None:
    for number in range(30):
        register(network=f"192.0.2.{number}")

    assert len(mailbox.all()) == 20


def test_strangers_who_sign_up_keep_nobody_waiting_for_a_reset(
    client: TestClient, member: str, register: Any, mailbox: Mailbox
) -> None:
    before = len(mailbox.sent())
    for number in range(8):
        register(f"stranger{number}@example.org")
    client.post("/v1/auth/password-reset", json={"email": member})

    sent = [message["To"] for message in mailbox.sent()[before:]]
    assert len(sent) == 9
    assert member in sent[:2]


def test_what_nobody_proves_is_forgotten_after_a_day(
    register: Any, database: Database, mailbox: Mailbox, accounts: Accounts, clock: Clock
) -> None:
    register()
    assert len(mailbox.all()) == 1
    clock.advance(hours=25)
    tidy(accounts)

    assert (count(database, Registration), count(database, MailToken), count(database, User)) == (0, 0, 0)


def test_the_token_lies_nowhere_but_in_the_mail(register: Any, database: Database, mailbox: Mailbox) -> None:
    register()
    token = mailbox.token_to(ADA)

    with database.read() as session:
        for table in (MailToken, Registration, User):
            for row in session.execute(select(table)).scalars():
                assert token not in str(vars(row))


@on_sqlite
@pytest.mark.parametrize("body", [{}, {"token": "x", "email": ADA}, {"token": ""}, {"token": 1}, {"email": "x"}])
def test_an_odd_request_is_refused(verify: Any, body: dict[str, Any]) -> None:
    assert verify(**body).status_code == 422


@on_sqlite
@pytest.mark.parametrize("token", ["x", "0" * 43, "a" * 200, "' OR 1=1 --"])
def test_a_made_up_token_is_refused(verify: Any, token: str) -> None:
    assert verify(token=token).status_code in (400, 422)


class TestWithoutVerifying:
    """As on one machine, where mails lie in a folder."""

    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(verify_email=False, welcome_credits=600, password_memory_kib=QUICK_HASHES_KIB)

    def test_there_is_an_account_at_once_whose_address_can_be_proved_later(
        self, client: TestClient, register: Any, verify: Any, mailbox: Mailbox, sign_in: SignIn
    ) -> None:
        signed_up = register().json()
        headers = {"Authorization": f"Bearer {sign_in(ADA).json()['access_token']}"}
        assert client.get("/v1/me", headers=headers).json() == signed_up | {
            "created_at": client.get("/v1/me", headers=headers).json()["created_at"]
        }
        assert client.get("/v1/billing/balance", headers=headers).json()["available_credits"] == 600

        assert len(mailbox.all()) == 1
        assert verify(email=ADA).status_code == 204
        assert len(mailbox.all()) == 2, "its mail is sent again"
        assert verify(token=mailbox.token_to(ADA)).status_code == 204

        assert client.get("/v1/me", headers=headers).json()["email_verified"] is True
        verify(email=ADA)
        assert len(mailbox.all()) == 2, "there is nothing to prove any more"
        assert client.get("/v1/billing/balance", headers=headers).json()["available_credits"] == 600

    def test_a_second_sign_up_changes_nothing(self, register: Any, mailbox: Mailbox, sign_in: SignIn) -> None:
        register()
        register(ADA, "another password")

        assert sign_in(ADA).status_code == 200
        assert sign_in(ADA, "another password").status_code == 400
        assert mailbox.subjects_to(ADA) == ["Verify your address", "You have an account already"]
