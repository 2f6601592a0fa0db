"""`stemwright accounts` on a migrated database."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from services.accounts.accounts import Accounts
from services.accounts.cli import accounts as command
from services.accounts.ledger.models import AccountBalance
from services.kit.database import Database
from services.kit.migrations import migrate
from services.kit.protos import billing_pb2
from tests.clocks import Clock
from tests.databases import on_sqlite
from tests.services.accounts.conftest import Join, Outbox
from tests.services.accounts.second_factor.apps import turn_on

Run = Callable[..., Result]


@pytest.fixture
def run(database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("DATABASE_URL", database_url)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(command, arguments)

    return invoke


def test_a_role_is_given(join: Join, run: Run) -> None:
    person = join("ada@example.com")

    assert run("grant-role", "ADA@example.com", "operator").exit_code == 0

    assert person.get("/v1/me").json()["roles"] == ["operator", "user"]


def test_the_first_admin_is_made_on_the_machine(join: Join, run: Run) -> None:
    person = join("ada@example.com")

    assert run("make-admin", "ada@example.com").exit_code == 0

    assert person.get("/v1/me").json()["roles"] == ["admin", "user"]
    event = person.get("/v1/me/security-events").json()["items"][0]
    assert (event["kind"], event["by"], event["details"]) == ("role_given", "platform", {"role": "admin"})


def test_who_has_lost_app_and_codes_is_let_in_by_the_operator(join: Join, run: Run, clock: Clock) -> None:
    person = join("ada@example.com")
    turn_on(person, clock)

    removed = run("remove-second-factor", "ada@example.com")

    assert (removed.exit_code, removed.output) == (0, f"{person.account_id} signs in with the password alone\n")
    assert not person.get("/v1/me/second-factor").json()["enabled"]
    event = person.get("/v1/me/security-events").json()["items"][0]
    assert (event["kind"], event["by"]) == ("second_factor_removed", "platform")
    again = run("remove-second-factor", "ada@example.com")
    assert (again.exit_code, again.output) == (1, "Error: ada@example.com has no second factor\n")


def test_credits_are_given_and_told(join: Join, run: Run, outbox: Outbox) -> None:
    person = join("ada@example.com")

    result = run("grant-credits", "ada@example.com", "50", "--reason", "A gift")

    assert "650" in result.output
    assert person.get("/v1/billing/ledger").json()["items"][0]["reason"] == "A gift"
    assert outbox.messages(billing_pb2.BalanceChanged)[-1].balance.available_credits == 650


def test_the_books_are_checked(join: Join, run: Run, accounts: Accounts) -> None:
    person = join("ada@example.com")
    whole = run("ledger-check")
    with accounts.database.write() as session:
        session.execute(update(AccountBalance).values(available=1))
    broken = run("ledger-check")

    assert (whole.exit_code, whole.output) == (0, "The books add up: 1 transfers, 2 entries.\n")
    assert broken.exit_code == 1
    assert f"wrong balances: {person.account_id}" in broken.output


@on_sqlite
@pytest.mark.parametrize(
    "arguments",
    [
        ("grant-role", "nobody@example.com", "operator"),
        ("make-admin", "nobody@example.com"),
        ("remove-second-factor", "nobody@example.com"),
        ("grant-role", "ada@example.com", "god"),
        ("grant-role", "no address", "admin"),
        ("grant-credits", "nobody@example.com", "5"),
        ("grant-credits", "ada@example.com", "0"),
        ("grant-credits", "ada@example.com", "1e3"),
    ],
)
def test_a_mistake_is_told_and_changes_nothing(
    join: Join, run: Run, outbox: Outbox, arguments: tuple[str, ...]
) -> None:
    join("ada@example.com")
    told = len(outbox.messages())

    result = run(*arguments)

    assert result.exit_code != 0
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert len(outbox.messages()) == told


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("STEMWRIGHT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("grant-credits", "--help"),
        ("grant-role", "--help"),
        ("grant-credits", "ada@example.com"),
        ("grant-credits", "ada@example.com", "5"),
    ],
)
def test_nothing_is_made_where_there_is_no_platform(home: Path, arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(command, arguments)
    assert (result.exit_code == 0) == ("--help" in arguments)
    assert not home.exists()


def test_the_platform_of_this_machine_is_found_by_its_home(home: Path) -> None:
    result = CliRunner().invoke(command, ["grant-credits", "ada@example.com", "5"])
    assert f"there are no accounts in {home}/data/accounts.db" in result.output

    migrate(f"sqlite:///{home}/data/{{service}}.db", "accounts")
    result = CliRunner().invoke(command, ["grant-credits", "ada@example.com", "5"])
    assert "nobody has registered as ada@example.com" in result.output


def test_a_database_without_tables_is_told_in_one_line(home: Path) -> None:
    (home / "data").mkdir(parents=True)
    (home / "data" / "accounts.db").touch()
    result = CliRunner().invoke(command, ["grant-credits", "ada@example.com", "5"])
    assert result.output == "Error: the database has not the present tables: `stemwright migrate` first\n"
