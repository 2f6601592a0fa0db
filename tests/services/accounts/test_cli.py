"""`stemwright accounts` on a migrated database."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from services.accounts.cli import accounts as command
from services.kit.database import Database
from services.kit.protos import billing_pb2
from tests.services.accounts.conftest import Join, Outbox

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


def test_credits_are_given_and_told(join: Join, run: Run, outbox: Outbox) -> None:
    person = join("ada@example.com")

    result = run("grant-credits", "ada@example.com", "50", "--reason", "A gift")

    assert "650" in result.output
    assert person.get("/v1/billing/ledger").json()["items"][0]["reason"] == "A gift"
    assert outbox.messages(billing_pb2.BalanceChanged)[-1].balance.available_credits == 650


@pytest.mark.parametrize(
    "arguments",
    [
        ("grant-role", "nobody@example.com", "operator"),
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
