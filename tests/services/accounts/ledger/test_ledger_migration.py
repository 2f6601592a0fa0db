"""Books that were kept before transfers had sources keep every credit."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import make_url, text

from services.accounts.ledger import repository as ledger
from services.accounts.ledger.check import check_books
from services.accounts.ledger.transfers import Balance
from services.kit.database import Database
from services.kit.migrations import migrate

BEFORE = """
INSERT INTO balances VALUES ('usr_1', 550, 40, 4);
INSERT INTO ledger_transfers VALUES
    ('trf_1', 'grant', 'usr_1', 1, 600, 0, NULL, 'Welcome', '2026-11-01 00:00:00+00:00'),
    ('trf_2', 'grant', 'usr_1', 2, 605, 0, NULL, 'Welcome', '2026-11-01 00:00:00+00:00'),
    ('trf_3', 'reserve', 'usr_1', 3, 550, 55, 'job_1', 'Held', '2026-11-01 00:00:00+00:00'),
    ('trf_4', 'capture', 'usr_1', 4, 550, 40, 'job_1', 'Paid', '2026-11-01 00:00:00+00:00');
INSERT INTO ledger_entries VALUES
    ('trf_1', 'system:grants', -600), ('trf_1', 'user:available', 600),
    ('trf_2', 'system:grants', -5), ('trf_2', 'user:available', 5),
    ('trf_3', 'user:available', -55), ('trf_3', 'user:reserved', 55),
    ('trf_4', 'user:reserved', -15), ('trf_4', 'system:revenue', 15)
"""


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    url = database_url
    if not url.startswith("sqlite"):
        # The schema of the other tests is migrated already.
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS ledger_migration")
            connection.execute("CREATE DATABASE ledger_migration")
        url = make_url(url).set(database="ledger_migration").render_as_string(hide_password=False)
    migrate(url, "accounts", revision="0005")
    database = Database(url, "accounts")
    with database.write() as session:
        for statement in BEFORE.split(";"):
            session.execute(text(statement))
    migrate(url, "accounts")
    yield database
    database.close()


def test_rows_from_before_get_the_source_they_had(database: Database) -> None:
    with database.read() as session:
        lines = ledger.statement(session, "usr_1", before=None, limit=10)
        findings = check_books(session)
        balance = ledger.balance(session, "usr_1")

    assert balance == Balance(available=550, reserved=40, version=4)
    assert [(line.source.type, line.source.id) for line in lines] == [
        ("job", "job_1"),
        ("job", "job_1"),
        ("operator", "trf_2"),
        ("account", "usr_1"),
    ]
    assert [line.available_change for line in lines] == [0, -55, 5, 600]
    assert (findings.entries, findings.total_credits, findings.wrong_balances) == (8, 0, [])
