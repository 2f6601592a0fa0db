"""The migrated schema is what the models say."""

import pytest

from services.accounts.models import Base
from services.kit.database import Database
from services.kit.migrations import drift, migrate


def test_models_and_migrations_agree(database: Database) -> None:
    assert drift(database, Base.metadata) == []


def test_migrating_twice_changes_nothing(database: Database, database_url: str) -> None:
    migrate(database_url, "accounts")

    assert drift(database, Base.metadata) == []


@pytest.mark.parametrize("table", ["balances", "reservations", "preview_uses"])
def test_the_database_itself_refuses_negative_numbers(database: Database, table: str) -> None:
    constraints = {
        constraint.name
        for constraint in Base.metadata.tables[table].constraints
        if constraint.name and str(constraint.name).endswith("not_negative")
    }

    assert constraints
